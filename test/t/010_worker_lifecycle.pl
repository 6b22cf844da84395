# Launcher and gateway through everything that can end them (lifecycle list; promises of doc/architecture.md).
# Nothing here needs the simulator.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'qbsync'\nrestart_after_crash = on\n");
$node->start;

sub pid_of
{
	my ($type, $database) = @_;
	$database //= 'postgres';
	my $where = $type eq 'qbsync gateway' ? "AND datname = '$database'" : '';
	return $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = '$type' $where");
}

# Wait until the gateway runs and is another process than the one given.
sub gateway_running
{
	my ($name, $before) = @_;
	$before ||= 0;
	ok( $node->poll_query_until(
			'postgres',
			"SELECT count(*) = 1 AND min(qbsync.worker_state()) = 'running' FROM pg_stat_activity
			 WHERE backend_type = 'qbsync gateway' AND datname = 'postgres' AND pid <> $before"),
		$name);
	return;
}

ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'qbsync launcher'"),
	'the launcher is in pg_stat_activity');

# The probe of a database without the extension ends by itself.
my $log = -s $node->logfile;
$node->safe_psql('postgres', 'CREATE EXTENSION qbsync');
gateway_running('CREATE EXTENSION starts the gateway at commit (X-27)');

is( $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'qbsync%' AND backend_xmin IS NOT NULL"),
	'0', 'idle workers hold no snapshot');

# SIGTERM
for my $type ('qbsync gateway', 'qbsync launcher')
{
	my $pid = pid_of($type);
	my $gateway = pid_of('qbsync gateway');
	my $before = -s $node->logfile;
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid, 10000)");
	ok( $node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = '$type' AND pid <> $pid"),
		"$type comes back after pg_terminate_backend (EXT-29)");
	gateway_running('and the gateway runs');
	if ($type eq 'qbsync launcher')
	{
		is(pid_of('qbsync gateway'), $gateway, 'the gateway goes on without its launcher');
		# the new launcher has looked at it (and at every database) when it says so
		$node->wait_for_log(qr/qbsync launcher started.*gateway of database "postgres" is running/s, $before);
		unlike(slurp_file($node->logfile, $before), qr/"qbsync gateway" \(PID|gateway of .* has ended/, 'and is adopted, not doubled');
	}
}

# A new launcher adopts the gateway it finds: it sees its end too.
{
	my $gateway = pid_of('qbsync gateway');
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($gateway, 10000)");
	gateway_running('an adopted gateway that ends is started again', $gateway);
}

# qbsync_worker_restart
{
	my $gateway = pid_of('qbsync gateway');
	my $start = time;
	is($node->safe_psql('postgres', 'SELECT qbsync_worker_restart()'), 't', 'qbsync_worker_restart says that it did');
	gateway_running('qbsync_worker_restart brings another gateway', $gateway);
	cmp_ok(time - $start, '<', 30, 'at once');
	my ($code, undef, $err) = $node->psql('postgres', 'CREATE ROLE nobody; SET ROLE nobody; SELECT qbsync_worker_restart()');
	like($err, qr/permission denied/, 'a role without rights may not (EXT-23)');
}

# Reload
{
	my $gateway = pid_of('qbsync gateway');
	$node->append_conf('postgresql.conf', "qbsync.request_timeout = '11s'");
	$node->reload;
	$node->safe_psql('postgres', "SELECT pg_reload_conf() FROM generate_series(1, 3)");
	$node->poll_query_until('postgres', "SELECT setting = '11000' FROM pg_settings WHERE name = 'qbsync.request_timeout'");
	is(pid_of('qbsync gateway'), $gateway, 'the gateway survives a reload');
}

# SIGKILL: a crash to the postmaster, the server recovers, and everything comes back.
for my $type ('qbsync gateway', 'qbsync launcher')
{
	my $pid = pid_of($type);
	kill 'KILL', $pid;
	$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid");
	ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = '$type' AND pid <> $pid"),
		"$type comes back after kill -9");
	gateway_running('and the gateway runs', $pid);
}

# DROP and CREATE EXTENSION in a loop: the last state wins, and no gateway is left behind.
for my $i (1 .. 5)
{
	$node->safe_psql('postgres', 'DROP EXTENSION qbsync CASCADE');
	$node->safe_psql('postgres', 'CREATE EXTENSION qbsync');
}
gateway_running('a gateway runs after DROP and CREATE EXTENSION in a loop');
$node->safe_psql('postgres', 'DROP EXTENSION qbsync CASCADE');
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'qbsync gateway'"),
	'the gateway leaves after DROP EXTENSION');
$node->safe_psql('postgres', 'BEGIN; CREATE EXTENSION qbsync; ROLLBACK');
$node->safe_psql('postgres', 'BEGIN; SAVEPOINT s; CREATE EXTENSION qbsync; ROLLBACK TO s; COMMIT');
# A subtransaction rolled back may cause a probe; it ends by itself.
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'qbsync gateway'"),
	'a rolled back CREATE EXTENSION starts no gateway that stays');
$node->safe_psql('postgres', 'CREATE EXTENSION qbsync');
gateway_running('and CREATE EXTENSION starts it again');

# Stop and start
for my $mode ('fast', 'immediate')
{
	my $start = time;
	$node->stop($mode);
	cmp_ok(time - $start, '<', 45, "$mode stop is not held up");
	$node->start;
	gateway_running("the gateway runs after a $mode stop and start");
}

is( $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'qbsync gateway'"),
	'1', 'one gateway, no matter what happened');
my $text = slurp_file($node->logfile, $log);
unlike($text, qr/PANIC|TRAP|WARNING:.*qbsync/, 'nothing alarming in the log');

$node->stop;
done_testing();
