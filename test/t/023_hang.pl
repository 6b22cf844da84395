# While a request hangs the gateway holds nothing and hears everything (EXT-27, promise 2).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use QbsyncTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $simulator = start_simulator(customers => 60, invoices => 60,
	options => [ '--no-limits', '--company', 'Une', '--company', 'Deux' ]);
my $node = new_node('hang');

# The database "postgres" never has the extension.
my %realm;
foreach my $number (0, 1)
{
	my ($database, $connection) = @{ [ [ 'crm', 'une' ], [ 'autre', 'deux' ] ]->[$number] };
	$realm{$database} = $simulator->{companies}[$number]{realm_id};
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	install_qbsync($node, $simulator, database => $database, keep_credentials => $number);
	connect_company($node, $simulator, database => $database, connection => $connection, number => $number, poll_interval => '1 day');
}

sub hits
{
	my ($id) = @_;
	my ($rule) = grep { $_->{id} == $id } @{ $simulator->control('GET', 'faults')->{rules} };
	return $rule->{hits};
}

# Let the next requests of that kind hang, ask for a sync, wait until one hangs.
sub hang
{
	my ($database, $kind) = @_;
	my $rule = $simulator->control('POST', 'faults',
		{ match => $kind eq 'token' ? { kind => 'token' } : { kind => $kind, realm => $realm{$database} }, fault => 'hang' })->{rules}[0];
	$simulator->control('POST', 'act', { act => 'expire_tokens', realm => $realm{$database} }) if $kind eq 'token';
	$node->safe_psql($database, 'SELECT qbsync_sync_now()');
	await("a request that hangs ($kind)", sub { hits($rule->{id}) > 0 });
	return $rule->{id};
}

sub in_time
{
	my ($seconds, $name, $work) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $start = time;
	$work->();
	cmp_ok(time - $start, '<', $seconds, "within $seconds s: $name");
	return;
}

sub activity
{
	my ($expression, $database) = @_;
	return $node->safe_psql('postgres',
		"SELECT $expression FROM pg_stat_activity WHERE backend_type = 'qbsync gateway' AND datname = '$database'");
}

# --- what it holds ------------------------------------------------------------------------------------------------------

my $hanging;
foreach my $kind ('cdc', 'token')
{
	$hanging = hang('crm', $kind);
	ok($node->poll_query_until('postgres', "SELECT state = 'idle' FROM pg_stat_activity WHERE backend_type = 'qbsync gateway' AND datname = 'crm'"),
		"EXT-27: idle while a request hangs ($kind)");
	my $state_change = activity('state_change', 'crm');
	is(activity('xact_start IS NULL, backend_xid IS NULL, backend_xmin IS NULL, wait_event_type', 'crm'), 't|t|t|Extension',
		"EXT-27: no transaction, no snapshot ($kind)");
	is($node->safe_psql('postgres', "SELECT locktype, classid, objsubid, mode FROM pg_locks
		WHERE pid = (SELECT pid FROM pg_stat_activity WHERE backend_type = 'qbsync gateway' AND datname = 'crm')"),
		'advisory|0|7|ExclusiveLock', "EXT-27: no lock but the lease ($kind)");
	# ordinary work goes on around it, and wakes nobody
	in_time(20, 'the mirror can be locked', sub { $node->safe_psql('crm', 'BEGIN; LOCK TABLE qbsync.customer; ROLLBACK') });
	$node->safe_psql('crm', "SELECT count(*) FROM qbsync.$_") foreach qw(status progress customer_summary invoice_status);
	is(activity('state_change', 'crm'), $state_change, "EXT-27: no statement runs meanwhile ($kind)");
	in_time(20, 'a database elsewhere is dropped', sub {
		$node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
		$node->safe_psql('postgres', 'DROP DATABASE elsewhere');
	});
	is(hits($hanging), 1, 'and it still hangs');
	$simulator->control('DELETE', 'faults');
	wait_synced($node, database => 'crm', connection => 'une');
}

# --- what it hears ------------------------------------------------------------------------------------------------------

# reload: what changed in the credentials file is in the tables at once
{
	$hanging = hang('crm', 'cdc');
	my $pid = gateway_pid($node, 'crm');
	my $before = $node->safe_psql('crm', "SELECT ciphertext FROM qbsync.secret WHERE owner_kind = 'app'");
	write_credentials($node, $simulator, client_secret => 'another-secret');
	in_time(20, 'a reload is served', sub {
		$node->reload;
		$node->poll_query_until('crm', "SELECT ciphertext <> '$before' FROM qbsync.secret WHERE owner_kind = 'app'");
	});
	write_credentials($node, $simulator);
	$node->append_conf('postgresql.conf', 'qbsync.paused = on');
	in_time(20, 'a setting changed by a reload is obeyed', sub {
		$node->reload;
		$node->poll_query_until('crm', "SELECT problem = 'server_paused' FROM qbsync.status");
	});
	$node->append_conf('postgresql.conf', 'qbsync.paused = off');
	$node->reload;
	is(gateway_pid($node, 'crm'), $pid, 'by the same gateway');
	is(hits($hanging), 1, 'whose request still hangs');

	$node->append_conf('postgresql.conf', "qbsync.databases = 'autre'");
	in_time(20, 'a gateway that is not wanted any more ends', sub {
		$node->reload;
		$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'qbsync gateway' AND datname = 'crm'");
	});
	$node->append_conf('postgresql.conf', "qbsync.databases = ''");
	$node->reload;
	$simulator->control('DELETE', 'faults');
	wait_synced($node, database => 'crm', connection => 'une');
}

# stop
foreach my $mode ('fast', 'immediate')
{
	foreach my $kind ('cdc', 'token')
	{
		hang('crm', $kind);
		in_time(20, "$mode stop while a request hangs ($kind)", sub { $node->stop($mode) });
		$simulator->control('DELETE', 'faults');
		$node->start;
		wait_synced($node, database => 'crm', connection => 'une');
	}
}

# drop
{
	hang('crm', 'cdc');
	my $other = hang('autre', 'cdc');
	in_time(20, 'DROP EXTENSION while a request hangs', sub { $node->safe_psql('autre', 'DROP EXTENSION qbsync CASCADE') });
	in_time(20, 'and the gateway leaves', sub {
		$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'qbsync gateway' AND datname = 'autre'");
	});
	in_time(20, 'DROP DATABASE while a request hangs, from a database without the extension', sub {
		$node->safe_psql('postgres', 'DROP DATABASE crm');
	});
	is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'qbsync gateway'"), '0',
		'no gateway is left');
}

unlike(slurp_file($node->logfile), qr/RT1-\d|eyJlbmMi|\Q$simulator->{client_secret}\E|another-secret/, 'no token in the log');
$node->stop;
is_quiet($node, 'nothing unexpected in the server log',
	qr/the database system is (starting up|shutting down)/,
	qr/immediate shutdown command|terminating connection because of unexpected/);
done_testing();
