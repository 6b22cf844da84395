# Loads are safe against records that move between pages (EXT-10): rows of one second come in another order each time,
# records before the page being read are deleted, others are created, merged, changed.  No poll but the load's own
# follows.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use QbsyncTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $seed = $ENV{QBSYNC_SEED} || 1 + int(rand(1_000_000));
diag("seed $seed");

my $simulator = start_simulator(
	customers => 2500, invoices => 3200, seed => 21,
	options => [ '--no-limits', '--company', 'Une', '--company', 'Deux', '--company', 'Trois' ]);
$simulator->control('POST', 'settings', { shuffle_ties => JSON::PP::true });
my $node = new_node('moving');
install_qbsync($node, $simulator, environment => { concurrency => 2 });

sub realm
{
	my ($number) = @_;
	return $simulator->{companies}[$number]{realm_id};
}

# Start the load of a company; nothing is read but what the load itself reads, slowly: what is done in the middle of it is not too late.
sub begin
{
	my ($connection, $number) = @_;
	$simulator->control('POST', 'stats', {});
	$simulator->settings(latency_ms => 400);
	connect_company($node, $simulator, connection => $connection, number => $number, no_wait => 1, poll_interval => '1 day');
	return;
}

sub position
{
	my ($connection, $entity) = @_;
	return $node->safe_psql('postgres', "SELECT coalesce(max(done), 0) FROM qbsync.progress
		WHERE connection = '$connection' AND entity = '$entity'");
}

# Wait until so many records of an entity are settled; the load must still be running.
sub reach
{
	my ($connection, $entity, $position) = @_;
	await("$entity $position of $connection", sub { position($connection, $entity) >= $position });
	is($node->safe_psql('postgres', "SELECT state FROM qbsync.status WHERE connection = '$connection'"), 'loading',
		"$connection: $position of $entity are read, the load goes on");
	return;
}

# Delete some of the oldest records that are here: that shifts all pages behind them.
my %deleted;

sub delete_oldest
{
	my ($connection, $number, $entity, $count) = @_;
	my $table = lc $entity;
	my $offset = 100 + ($deleted{"$connection $entity"} // 0);
	my @ids = split /\n/, $node->safe_psql('postgres', "SELECT m.id FROM qbsync.$table m JOIN qbsync.connection c USING (connection_id)
		WHERE c.name = '$connection' ORDER BY m.create_time, m.id OFFSET $offset LIMIT $count");
	$deleted{"$connection $entity"} += $count;
	foreach my $id (@ids)
	{
		# it may be gone already
		eval { act($number, { act => 'delete', entity => $entity, id => $id }) };
	}
	return;
}

sub act
{
	my ($number, $act) = @_;
	$simulator->control('POST', 'act', { %$act, realm => realm($number) });
	return;
}

sub random_changes
{
	my ($number, $n, @only) = @_;
	return $simulator->control('POST', 'random',
		{ realm => realm($number), seed => "$seed $number", n => $n, (@only ? (only => \@only) : ()) })->{done};
}

sub finished
{
	my ($connection, $number, $name) = @_;
	$simulator->settings(latency_ms => 0);
	wait_synced($node, connection => $connection);
	is_mirrored($node, $simulator, $name, connection => $connection, number => $number);
	is($node->safe_psql('postgres', "SELECT count(*) FROM qbsync.job j JOIN qbsync.connection c USING (connection_id)
		WHERE c.name = '$connection' AND j.kind = 'sync'"), '0', 'and nobody asked for another poll');
	return;
}

# Deletions before the page being read, and everything else at once, in every entity
{
	begin('une', 0);
	reach('une', 'customer', 1000);
	cmp_ok(random_changes(0, 30, qw(merge create_customer inactivate edit_customer)), '==', 30, 'customers change');
	reach('une', 'invoice', 1000);
	delete_oldest('une', 0, 'Invoice', 7);
	cmp_ok(random_changes(0, 60), '==', 60, 'everything changes');
	reach('une', 'invoice', 2000);
	delete_oldest('une', 0, 'Invoice', 5);
	reach('une', 'payment', 1000);
	delete_oldest('une', 0, 'Payment', 6);
	cmp_ok(random_changes(0, 20, qw(create_invoice pay void_invoice unpay)), '==', 20, 'and once more');
	finished('une', 0, 'EXT-10: what moved between pages was not lost');
	cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM qbsync.invoice WHERE deleted_at IS NOT NULL}), '>=', 8,
		'what was deleted behind the load is deleted here');
}

# So many changes that change data capture is cut: they are read by windows of time instead
{
	begin('deux', 1);
	reach('deux', 'invoice', 1000);
	cmp_ok(random_changes(1, 700), '==', 700, 'hundreds of changes in the middle of a load');
	delete_oldest('deux', 1, 'Invoice', 40);
	reach('deux', 'payment', 1000);
	finished('deux', 1, 'EXT-10: more changes than change data capture carries');
}

# A background job of QuickBooks gives thousands of records the same time
{
	begin('trois', 2);
	reach('trois', 'invoice', 1000);
	act(2, { act => 'touch', entity => 'Customer' });
	finished('trois', 2, 'EXT-10: every customer was touched in the same second');
}

is($node->safe_psql('postgres', 'SELECT count(*) FROM qbsync.error_open'), '0', 'no record was bad');
$node->stop;
is_quiet($node, 'nothing unexpected in the server log', qr/is not named that/);
done_testing();
