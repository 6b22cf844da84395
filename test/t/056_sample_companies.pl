# Companies that are taxed and keep their books in other ways than the first sample: United States with manual and automated
# sales tax, Quebec, the United Kingdom with several currencies, closed books.  Each is mirrored whole, and stays equal when
# everything that is sold, bought and booked in it changes.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use lib abs_path(dirname(__FILE__)) . '/../perl';
use PostgreSQL::Test::Utils;
use Test::More;

use QbsyncTest;

my @kinds = qw(us us-ast quebec uk closed);
my $simulator = start_simulator(customers => 40, invoices => 60, estimates => 10, seed => 56, options => [
	'--no-limits', '--credit-memos', 20, '--sales-receipts', 20, '--bills', 20, map { ('--company', "Company $_", '--sample', $_) } @kinds ]);
my $node = new_node('samples');
install_qbsync($node, $simulator);

sub name { return $kinds[ $_[0] ] =~ s/\W/_/gr }

foreach my $number (0 .. $#kinds)
{
	connect_company($node, $simulator, connection => name($number), number => $number);
	is_mirrored($node, $simulator, "$kinds[$number]: loaded, whatever its taxes are (EXT-22)", connection => name($number), number => $number);
}

# What is bought and booked, too.
$node->safe_psql('postgres', "SELECT qbsync_set(name, 'vendors', 'import') FROM qbsync.connection");
foreach my $number (0 .. $#kinds)
{
	$node->poll_query_until('postgres', "SELECT qbsync.customer_sums_known(connection_id) FROM qbsync.connection WHERE name = '@{[ name($number) ]}'") or die 'suppliers are not read';
	wait_synced($node, connection => name($number));
	is_mirrored($node, $simulator, "$kinds[$number]: with what is bought and booked", connection => name($number), number => $number);
}

# Numbers and texts as they are, not as a company at home would have them.
my $uk = "SELECT %s FROM qbsync.%s WHERE connection_id = (SELECT connection_id FROM qbsync.connection WHERE name = 'uk')";
is($node->safe_psql('postgres', sprintf("$uk AND display_name = 'Café Zürich GmbH'", 'currency', 'customer')), 'EUR', "a customer's own currency (EXT-20)");
is($node->safe_psql('postgres', sprintf("$uk AND currency = 'USD' AND exchange_rate = 0.78", 'count(*)', 'invoice')), '1', 'an exchange rate of the document (EXT-20)');
is($node->safe_psql('postgres', "SELECT count(*) FROM qbsync.customer WHERE display_name IN ('Nguyễn Thị Lan', 'Zoë Œuvrard')"), '2', 'names beyond Latin-1');
foreach my $number (0 .. $#kinds)
{
	my $realm = $simulator->{companies}[$number]{realm_id};
	my $done = $simulator->control('POST', 'random', { realm => $realm, seed => 56 + $number, n => 150, only => ['all'] });
	cmp_ok($done->{done}, '>', 100, "$kinds[$number]: changed");
}
$simulator->advance(3);
foreach my $number (0 .. $#kinds)
{
	wait_synced($node, connection => name($number), sync => 1);
	is_mirrored($node, $simulator, "$kinds[$number]: after changes of every kind", connection => name($number), number => $number);
}

# What customers owe is worked out from everything that is posted to them.
is($node->safe_psql('postgres', "SELECT string_agg(t::text, chr(10)) FROM qbsync.tie_out t"), '', 'all sums add up, those of customers, too (EXT-8)');
$node->safe_psql('postgres', "UPDATE qbsync.customer SET balance = balance + 0.01 WHERE (connection_id, id) IN (SELECT j.connection_id, l.entity_id FROM qbsync.journal_entry_line l JOIN qbsync.journal_entry j ON (j.connection_id, j.id) = (l.connection_id, l.journal_entry_id) JOIN qbsync.account a ON (a.connection_id, a.id) = (l.connection_id, l.account_id) AND a.account_type = 'Accounts Receivable' WHERE l.entity_type = 'Customer' LIMIT 1)");
is($node->safe_psql('postgres', 'SELECT entity, difference FROM qbsync.tie_out'), 'customer|0.01', 'a cent that a customer owes more is seen');

is_quiet($node, 'no warning');

done_testing();
