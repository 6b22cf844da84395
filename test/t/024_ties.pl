# Thousands of records created in one second, which QuickBooks hands out in any order (EXT-10): none is passed over.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use JSON::PP;
use QbsyncTest;
use Test::More;

my $simulator = start_simulator(customers => 40, invoices => 20);
my $node = new_node('ties');
install_qbsync($node, $simulator);

$simulator->control('POST', 'clock', { freeze => JSON::PP::true });
$simulator->control('POST', 'act', { acts => [
	map { { act => 'create', entity => 'Customer', object => { DisplayName => "Importé $_" } } } 1 .. 2300 ] });
$simulator->control('POST', 'clock', { freeze => JSON::PP::false });
$simulator->control('POST', 'settings', { shuffle_ties => JSON::PP::true });

connect_company($node, $simulator);
is($node->safe_psql('postgres', 'SELECT count(*) FROM qbsync.customer'), '2340', 'all were found');
is_mirrored($node, $simulator, 'EXT-10: the mirror equals the store, whatever the order of equal times');
is($node->safe_psql('postgres', 'SELECT count(*) FROM qbsync.error_open'), '0', 'and no error is open');

$node->stop;
is_quiet($node, 'nothing unexpected in the server log');
done_testing();
