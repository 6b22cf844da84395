# qbsync under pg_cron: a scheduled sync, and CALL qbsync_wait, in pg_cron's sessions and in its background workers (CAP-25).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use PostgreSQL::Test::Utils;
use QbsyncTest;
use Test::More;

my ($share) = `pg_config --sharedir` =~ /(.*)/;
plan skip_all => 'pg_cron is not installed' unless -e "$share/extension/pg_cron.control";

my $simulator = start_simulator(seed => 45, options => [ '--no-limits', '--company', 'Paysages Laval inc.', '--company', 'Serres & fils' ]);

# Two servers, as pg_cron fires once a minute: one with its sessions, one with its workers.
my @nodes = map {
	my $number = $_;
	my $node = new_node("cron$number", conf => "shared_preload_libraries = 'qbsync,pg_cron'\ncron.use_background_workers = "
		  . ($number ? 'on' : 'off') . "\ncron.timezone = 'UTC'\n");
	$node->append_conf('postgresql.conf', "cron.host = '" . $node->host . "'\n");
	$node->restart;
	$node->safe_psql('postgres', 'CREATE EXTENSION pg_cron');
	install_qbsync($node, $simulator);
	connect_company($node, $simulator, number => $number, poll_interval => '7 days');
	$node
} 0, 1;

for my $number (0, 1)
{
	$simulator->control('POST', 'act', { realm => $simulator->{companies}[$number]{realm_id}, act => 'edit', entity => 'Customer', id => '1', set => { Notes => 'par cron' } });
	$nodes[$number]->safe_psql('postgres', <<'SQL');
SELECT cron.schedule('qb', '* * * * *', $$SELECT qbsync_sync_now('acme')$$);
SELECT cron.schedule('qb wait', '* * * * *', $$CALL qbsync_wait('acme', 'synced', '30 s')$$);
SQL
}
for my $number (0, 1)
{
	my $node = $nodes[$number];
	my $how = $number ? 'in a background worker of pg_cron' : 'in a session of pg_cron';
	ok($node->poll_query_until('postgres', "SELECT count(DISTINCT jobid) = 2 FROM cron.job_run_details WHERE status IN ('succeeded', 'failed')"), "$how: the jobs ran");
	is($node->safe_psql('postgres', "SELECT string_agg(DISTINCT format('%s %s', j.jobname, r.status), ', ') FROM cron.job_run_details r JOIN cron.job j USING (jobid)"),
		'qb succeeded, qb wait succeeded', "CAP-25 $how: qbsync_sync_now and CALL qbsync_wait")
	  or diag($node->safe_psql('postgres', 'SELECT * FROM cron.job_run_details'));
	ok($node->poll_query_until('postgres', "SELECT raw ->> 'Notes' = 'par cron' FROM qbsync.customer WHERE id = '1'"), "CAP-25 $how: the change arrives");
	$node->safe_psql('postgres', "SELECT cron.unschedule('qb'), cron.unschedule('qb wait')");
	is_mirrored($node, $simulator, "$how: the mirror equals the company", number => $number);
	$node->stop;
	is_quiet($node, "$how: nothing unexpected in the server log");
}
done_testing();
