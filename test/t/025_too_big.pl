# Answers bigger than qbsync.max_response_size: pages are asked for in smaller pieces, and one record that is too big by
# itself does not stop the rest (design promise 9).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use JSON::PP;
use QbsyncTest;
use Test::More;

my $simulator = start_simulator(customers => 400, invoices => 150);
my $node = new_node('toobig', conf => "qbsync.max_response_size = '64kB'");
install_qbsync($node, $simulator);

my $huge = 'x' x 100_000;
$simulator->control('POST', 'raw', { entity => 'Customer', id => '777777', active => JSON::PP::true,
	json => qq({"Id":"777777","SyncToken":"0","DisplayName":"Huge","Notes":"$huge","Active":true,"MetaData":{"CreateTime":"{{now}}","LastUpdatedTime":"{{now}}"}}) });
connect_company($node, $simulator);
is($node->safe_psql('postgres', 'SELECT state FROM qbsync.status'), 'live', 'the company is live');
is(mirror_differences($node, $simulator), "Customer 777777: missing here", 'all records are here but the one that cannot be had')
  or diag(mirror_differences($node, $simulator) =~ s/x{100,}/…/gr);
is($node->safe_psql('postgres', "SELECT string_agg(entity || ' ' || problem, ', ' ORDER BY problem) FROM qbsync.error_open"),
	'customer incomplete, customer too_big', 'and the errors say so');
like($node->safe_psql('postgres', "SELECT detail FROM qbsync.error_open WHERE problem = 'incomplete'"), qr/QuickBooks counts 401, 400 are here/,
	'with both numbers');

# Changes that do not fit into one answer of change data capture: caught up by windows, in smaller pieces too.
$simulator->control('POST', 'act', { acts => [ map { { act => 'edit', entity => 'Customer', id => $_, set => { Notes => "Note $_" x 20 } } }
	split /\n/, $node->safe_psql('postgres', "SELECT id FROM qbsync.customer WHERE active ORDER BY length(id), id LIMIT 150") ] });
wait_synced($node, sync => 1);
is(mirror_differences($node, $simulator), "Customer 777777: missing here", 'a poll that is too big is caught up');

# Mended inside QuickBooks: it comes with the next poll.
$simulator->control('POST', 'raw', { entity => 'Customer', id => '777777', active => JSON::PP::true,
	json => '{"Id":"777777","SyncToken":"1","DisplayName":"Huge no more","Active":true,"MetaData":{"CreateTime":"{{now}}","LastUpdatedTime":"{{now}}"}}' });
wait_synced($node, sync => 1);
is_mirrored($node, $simulator, 'a record that is small again is mirrored');

$node->stop;
is_quiet($node, 'nothing unexpected in the server log');
done_testing();
