# What a load asks for when: pages go on being asked for while earlier ones wait to be written, but not without end, and what follows
# them in between.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use QbsyncTest;
use Test::More;

my $simulator = start_simulator(customers => 9000, invoices => 1200, options => ['--no-limits']);
my $node = new_node('load_order');
install_qbsync($node, $simulator, environment => { concurrency => 3 });

sub sql { return $node->safe_psql('postgres', $_[0]) }

# A rule that lets all through and counts them.
sub watch
{
	my ($path) = @_;
	return $simulator->fault('hang', kind => 'query', path => $path, after => 1_000_000);
}

sub seen
{
	my ($id) = @_;
	my ($rule) = grep { $_->{id} == $id } @{ $simulator->control('GET', 'faults')->{rules} };
	return $rule->{seen};
}

# The second page of customers does not come: what is behind it waits to be written.
my $customers = 'FROM(%20|\\+)Customer(%20|\\+).*STARTPOSITION(%20|\\+)';
my $seventh = watch("${customers}6001");
my $eighth = watch("${customers}7001");
my $second = $simulator->fault('hang', kind => 'query', path => "${customers}1001");
# Nor does the count of invoices: a page of them is full, and whether there are more than two is not known.
my $third = watch('FROM(%20|\\+)Invoice(%20|\\+).*STARTPOSITION(%20|\\+)2001');
my $count = $simulator->fault('hang', kind => 'query', path => 'COUNT.*FROM(%20|\\+)Invoice');
connect_company($node, $simulator, no_wait => 1, poll_interval => '1 day');
await('more pages while one does not come', sub { seen($seventh) });
pass('QuickBooks goes on working while pages wait to be written');
await('the first page to be written', sub { sql("SELECT position FROM qbsync.cursor WHERE entity = 'customer'") eq '1000' });
await('all else to be read', sub { sql("SELECT bool_and(total IS NOT NULL) FROM qbsync.cursor WHERE entity NOT IN ('*', 'customer', 'invoice', 'company_info', 'preferences', 'exchange_rate')") eq 't' });
is(seen($eighth), 0, 'as many may wait as the company may have requests, and no more');
is($simulator->stats->{requests}{cdc} // 0, 0, 'what changed meanwhile is asked for when all is here');
$simulator->clear_faults($_) foreach $second, $count;
wait_synced($node);
is_mirrored($node, $simulator, 'and the mirror is whole');
is(seen($third), 0, 'what is often many is counted beside its first page: no page is asked for that is not there');

$node->stop;
is_quiet($node, 'nothing unexpected in the server log');
done_testing();
