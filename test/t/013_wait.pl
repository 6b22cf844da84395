# CALL qbsync_wait: where it may run, what it holds while it waits, how it ends.  What it waits for is replaced here by a
# table, so that only the procedure is tested.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'qbsync'\n");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION qbsync;
	CREATE TABLE answer (state text);
	INSERT INTO answer VALUES (NULL);
	CREATE OR REPLACE FUNCTION qbsync.wait_state(connection text, until text, job bigint) RETURNS text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
	BEGIN
		IF until = 'job' AND job = 13 THEN
			RAISE EXCEPTION 'hopeless: %', connection USING ERRCODE = 'QB013';
		END IF;
		RETURN (SELECT a.state FROM answer a);
	END $$;
	CREATE TABLE other (id int);
	CREATE ROLE waiter; GRANT qbsync_operator TO waiter;
	CREATE ROLE nobody;
});

# Starts CALL in the background and waits until it sleeps.
sub start_wait
{
	my ($call) = @_;
	my $wait = start_quietly($call);
	ok( $node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'CALL qbsync_wait%' AND wait_event_type = 'Extension'"),
		"sleeps: $call");
	return $wait;
}

sub start_quietly
{
	my ($call) = @_;
	my ($out, $err) = ('', '');
	my $psql = IPC::Run::start(
		[ 'psql', '-X', '-q', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('postgres'), '-c', $call, '-c', '\\echo ended' ],
		'<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(60));
	return { psql => $psql, out => \$out, err => \$err };
}

sub finish
{
	my ($wait) = @_;
	$wait->{psql}->finish;
	return ${ $wait->{err} };
}

# Where it may run
foreach my $sql (
	"BEGIN;\nCALL qbsync_wait();",
	"CALL qbsync_wait(); SELECT 1",
	"\\set AUTOCOMMIT off\nCALL qbsync_wait();")
{
	# psql sends a -c string as one message, and so as one implicit block
	my ($out, $err);
	if ($sql =~ /; SELECT 1/)
	{
		IPC::Run::run([ 'psql', '-X', '-d', $node->connstr('postgres'), '-c', $sql ], '>', \$out, '2>', \$err);
	}
	else
	{
		(undef, $out, $err) = $node->psql('postgres', $sql);
	}
	like($err, qr/qbsync_wait cannot run inside a transaction block.*HINT: /s, 'refused inside a transaction block: ' . $sql =~ s/\n/ /r);
}
$node->safe_psql('postgres', 'CREATE PROCEDURE p() LANGUAGE plpgsql SET search_path = public AS $$ BEGIN CALL qbsync_wait(); END $$');
my (undef, undef, $refused) = $node->psql('postgres', 'CALL p()');
like($refused, qr/qbsync_wait cannot run inside a transaction block/, 'refused under a SET clause');
(undef, undef, $refused) = $node->psql('postgres', "SET ROLE nobody;\nCALL qbsync_wait()");
like($refused, qr/permission denied/, 'a role without rights may not (EXT-23)');

# How it ends: done
{
	my $wait = start_wait("CALL qbsync_wait('acme', 'synced', NULL)");
	is( $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CALL qbsync_wait%' AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL) AND wait_event_type = 'Extension'"),
		'0', 'holds no snapshot and no transaction id while it waits');
	is( $node->safe_psql('postgres', "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.query LIKE 'CALL qbsync_wait%' AND a.wait_event_type = 'Extension' AND l.locktype <> 'virtualxid'"),
		'0', 'and no lock');
	my $start = time;
	$node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
	$node->safe_psql('postgres', 'DROP DATABASE elsewhere');
	cmp_ok(time - $start, '<', 30, 'DROP DATABASE elsewhere is not delayed by a session that waits');
	$start = time;
	$node->safe_psql('postgres', "UPDATE answer SET state = 'done'");
	is(finish($wait), '', 'ends without an error');
	cmp_ok(time - $start, '<', 30, 'soon after it is done');
	like(${ $wait->{out} }, qr/ended/, 'and the session goes on');
}
is($node->psql('postgres', "CALL qbsync_wait()"), 0, 'ends at once when it is done already');
is($node->psql('postgres', "CALL qbsync_wait('x', until => 'idle', timeout => '0')"), 0, 'timeout 0 means none');
is($node->psql('postgres', "DO 'BEGIN CALL qbsync_wait(); INSERT INTO other VALUES (1); COMMIT; CALL qbsync_wait(); END'"),
	0, 'can be called from a block that may commit');
is($node->psql('postgres', "SET ROLE waiter;\nCALL qbsync_wait()"), 0, 'an operator may wait');
is($node->psql('postgres', "PREPARE w AS SELECT 1;\nSET default_transaction_isolation = 'serializable';\nCALL qbsync_wait();\nSELECT count(*) FROM other"),
	0, 'in a serializable session too');

# How it ends: error of the look, timeout, cancel, terminate
{
	my (undef, undef, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nCALL qbsync_wait('Ünïcode ''x''', 'job', '5 s', 13)");
	like($err, qr/QB013: hopeless: Ünïcode 'x'/, 'an error of the look comes through as it is');

	$node->safe_psql('postgres', "UPDATE answer SET state = 'loading'");
	my $start = time;
	(undef, undef, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nCALL qbsync_wait('acme', 'synced', '300 ms')");
	like($err, qr/55000: timed out while waiting for connection "acme" to be synced/, 'the timeout names what was waited for');
	like($err, qr/DETAIL:  So far: loading\. The gateway worker is \w+\./, 'and the state');
	like($err, qr/HINT:  .*qbsync\.status/, 'and where to look');
	cmp_ok(time - $start, '<', 30, 'in time');
	(undef, undef, $err) = $node->psql('postgres', "CALL qbsync_wait(timeout => '1 ms', job => 12)");
	like($err, qr/timed out while waiting for job 12/, 'a job is named by its number');
	(undef, undef, $err) = $node->psql('postgres', "CALL qbsync_wait(timeout => '-1 s')");
	like($err, qr/cannot be negative/, 'a negative timeout is refused');
	(undef, my $after) = $node->psql('postgres', "CALL qbsync_wait(timeout => '1 ms');\nSELECT 1", on_error_stop => 0);
	is($after, '1', 'the session goes on after a timeout');

	my $wait = start_wait("CALL qbsync_wait()");
	$node->safe_psql('postgres', "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CALL qbsync_wait%'");
	like(finish($wait), qr/57014: canceling statement due to user request/, 'can be cancelled');
	$wait = start_wait("CALL qbsync_wait()");
	$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CALL qbsync_wait%'");
	like(finish($wait), qr/terminating connection due to administrator command/, 'can be terminated');
}

# A look that runs for long itself does not lose wake-ups: many sessions, one answer.
{
	my @waits = map { start_quietly("CALL qbsync_wait(timeout => '1 min')") } 1 .. 5;
	$node->poll_query_until('postgres', "SELECT count(*) = 5 FROM pg_stat_activity WHERE query LIKE 'CALL qbsync_wait%' AND wait_event_type = 'Extension'");
	$node->safe_psql('postgres', "UPDATE answer SET state = 'done'");
	is(join('', map { finish($_) } @waits), '', 'several sessions can wait');
}

# A stop is not held up by sessions that wait.
{
	$node->safe_psql('postgres', 'UPDATE answer SET state = NULL');
	my $wait = start_wait("CALL qbsync_wait(timeout => NULL)");
	my $start = time;
	$node->stop('fast');
	cmp_ok(time - $start, '<', 45, 'fast stop while a session waits');
	finish($wait);
}

done_testing();
