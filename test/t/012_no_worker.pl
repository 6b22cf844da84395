# Servers on which no gateway can run: not preloaded, no free worker slot, standby.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @init = (extra => [ '--encoding=UTF8', '--no-locale' ]);

# Not preloaded: CREATE EXTENSION warns (a restore must pass), what needs the gateway says the way out.
{
	my $node = PostgreSQL::Test::Cluster->new('bare');
	$node->init(@init);
	$node->start;
	my ($code, $out, $err) = $node->psql('postgres', 'CREATE EXTENSION qbsync');
	is($code, 0, 'CREATE EXTENSION passes without preload');
	like($err, qr/WARNING: .*not loaded at server start.*\n.*HINT: .*shared_preload_libraries/, 'and warns with the way out');
	is($node->safe_psql('postgres', 'SELECT qbsync.worker_state()'), 'not_preloaded', 'worker_state says so');
	foreach my $sql (
		"CALL qbsync_wait('acme', 'synced')",
		"SELECT qbsync_sync_now('acme')",
		"SELECT qbsync_connect(redirect_url => 'https://example.com/?code=c&state=s&realmId=1')",
		'SELECT qbsync_worker_restart()')
	{
		($code, $out, $err) = $node->psql('postgres', $sql);
		isnt($code, 0, "fails without preload: $sql");
		like($err, qr/HINT: .*shared_preload_libraries/, "with the way out: $sql");
	}
	is($node->psql('postgres', 'DROP EXTENSION qbsync CASCADE'), 0, 'DROP EXTENSION works');
	$node->stop;
}

# No free worker slot: the logical replication launcher takes one, ours the other.
{
	my $node = PostgreSQL::Test::Cluster->new('narrow');
	$node->init(@init);
	$node->append_conf('postgresql.conf',
		"shared_preload_libraries = 'qbsync'\nmax_worker_processes = 2\nmax_logical_replication_workers = 1\n");
	$node->start;
	my ($code, $out, $err) = $node->psql('postgres', 'CREATE EXTENSION qbsync');
	is($code, 0, 'CREATE EXTENSION passes without a free worker slot');
	ok($node->poll_query_until('postgres', "SELECT qbsync.worker_state() = 'no_slot'"), 'worker_state says no_slot');
	$node->wait_for_log(qr/WARNING: .*no free worker slot .*"postgres"/);
	# Some retries later it has not been said again.
	ok($node->poll_query_until('postgres', "SELECT now() > pg_postmaster_start_time() + interval '6 s'"), 'some retries');
	my @said = slurp_file($node->logfile) =~ /(WARNING: .*no free worker slot .*"postgres")/g;
	cmp_ok(scalar @said, '<=', 2, 'said once per change, not per retry');
	like(slurp_file($node->logfile), qr/HINT: .*max_worker_processes/, 'the hint names the setting');
	is($node->psql('postgres', 'CREATE DATABASE d; '), 0, 'CREATE DATABASE');
	is($node->psql('postgres', 'DROP DATABASE d'), 0, 'and DROP DATABASE are not disturbed');
	$node->append_conf('postgresql.conf', 'max_worker_processes = 4');
	$node->restart;
	ok($node->poll_query_until('postgres', "SELECT qbsync.worker_state() = 'running'"), 'with more slots it runs');
	$node->stop;
}

# A standby has no workers; promotion starts them.
{
	my $primary = PostgreSQL::Test::Cluster->new('primary');
	$primary->init(@init, allows_streaming => 1);
	$primary->append_conf('postgresql.conf', "shared_preload_libraries = 'qbsync'\n");
	$primary->start;
	$primary->safe_psql('postgres', 'CREATE EXTENSION qbsync');
	ok($primary->poll_query_until('postgres', "SELECT qbsync.worker_state() = 'running'"), 'the gateway runs on the primary');
	$primary->backup('copy');
	my $standby = PostgreSQL::Test::Cluster->new('standby');
	$standby->init_from_backup($primary, 'copy', has_streaming => 1);
	$standby->start;
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
	is($standby->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'qbsync%'"),
		'0', 'no workers on a standby (EXT-28)');
	is($standby->safe_psql('postgres', 'SELECT qbsync.worker_state()'), 'standby', 'worker_state says standby');
	my (undef, undef, $err) = $standby->psql('postgres', 'SELECT qbsync_worker_restart()');
	like($err, qr/no workers on a standby/, 'qbsync_worker_restart explains itself');
	$standby->promote;
	ok($standby->poll_query_until('postgres', "SELECT qbsync.worker_state() = 'running'"), 'promotion starts the gateway (EXT-28)');
	$standby->stop;
	$primary->stop;
}

done_testing();
