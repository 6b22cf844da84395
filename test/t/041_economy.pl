# What reading costs (design promise 11): statements, row versions and metered reads of idle companies; the interval between
# polls; counts of reads.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use PostgreSQL::Test::Utils;
use QbsyncTest;
use Test::More;

my $simulator = start_simulator(customers => 60, invoices => 60, seed => 41);
my $realm = $simulator->{realm};
my $node = new_node('economy', conf => <<'CONF');
shared_preload_libraries = 'qbsync,pg_stat_statements'
pg_stat_statements.track = all
pg_stat_statements.track_utility = on
autovacuum = off
CONF
$node->safe_psql('postgres', 'CREATE EXTENSION pg_stat_statements; CREATE DATABASE crm');
install_qbsync($node, $simulator, database => 'crm');
my $page = $simulator->fault('hang', kind => 'query', path => 'FROM(%20|\\+)Customer(%20|\\+).*STARTPOSITION');
connect_company($node, $simulator, database => 'crm', poll_interval => '7 days', no_wait => 1);

sub crm { return $node->safe_psql('crm', $_[0]) }
sub stats { return $simulator->control('GET', 'stats') }
sub polls { return stats()->{requests}{cdc} // 0 }

# --- the first load --------------------------------------------------------------------------------------------------------------

# a page that does not come holds up only what can be asked for when all is here
my $read = "SELECT count(*) FROM qbsync.cursor WHERE entity NOT IN ('*', 'company_info', 'preferences', 'exchange_rate')";
await('all that follows but what changed', sub { (stats()->{requests}{query} // 0) == 2 * crm($read) });
is(polls(), 0, 'what changed meanwhile is asked for when every page is here');
$simulator->control('DELETE', "faults?id=$page");
wait_synced($node, database => 'crm');
is(polls(), 1, 'promise 11: a first load is followed by one poll');
is(stats()->{requests}{query}, 2 * crm($read), 'what is few is read by one query, and counted by another');

# A poll that is due by itself: its interval is shorter than people may set it.
sub set_interval
{
	crm("UPDATE qbsync.connection SET settings = settings || '{\"poll_interval\": \"$_[0]\"}'; SELECT qbsync.wake()");
}

# What the gateway has done in its database, seen from another one (counters are flushed after each of its commits).
my $measure = <<'SQL';
SELECT (SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = 'crm'),
	(SELECT coalesce(sum(calls), 0) FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = 'crm'))
SQL
my $writes = <<'SQL';
SELECT string_agg(format('%s.%s %s+%s-%s', schemaname, relname, n_tup_ins, n_tup_upd, n_tup_del), ' ' ORDER BY 1)
FROM pg_stat_all_tables WHERE n_tup_ins + n_tup_upd + n_tup_del > 0 AND relname <> 'cursor'
SQL
my $cursor_writes = q{SELECT format('%s+%s-%s', n_tup_ins, n_tup_upd, n_tup_del) FROM pg_stat_all_tables WHERE relname = 'cursor'};

# --- an idle company ------------------------------------------------------------------------------------------------------

# Statements and transactions between the ends of two polls, n polls apart.  A poll has ended when its cursor is there; no
# session is in the database while we count.
sub per_poll
{
	my ($interval, $n) = @_;
	my ($from, $to);
	my $state = sub {
		my $asked = polls();
		my $now = $node->safe_psql('postgres', $measure);
		my $busy = $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'qbsync gateway' AND datname = 'crm' AND wait_event IS DISTINCT FROM 'Extension'");
		return $busy eq '0' && polls() == $asked ? [ $asked, split /\|/, $now ] : undef;
	};
	set_interval($interval);
	my $begin = polls();
	await('the first poll', sub { polls() > $begin });
	$from = await('quiet', $state);
	await("$n polls", sub { polls() >= $from->[0] + $n });
	# the answer is here, its transaction may be under way: until nothing moves between two looks
	my $last = [ 0, 0, 0 ];
	await('quiet', sub { my $now = $state->() or return 0; my $same = "@$now" eq "@$last"; $last = $to = $now; return $same });
	my $count = $to->[0] - $from->[0];
	return { polls => $count, commits => ($to->[1] - $from->[1]) / $count, statements => ($to->[2] - $from->[2]) / $count };
}

my $before = stats();
my $tables = crm($writes);
my $cursor = crm($cursor_writes);
my $fast = per_poll('1 s', 4);
my $slow = per_poll('3 s', 2);
set_interval('7 days');
my ($versions_before, $versions) = map { /\+(\d+)-/ } $cursor, crm($cursor_writes);
note("per poll: $fast->{statements} statements in $fast->{commits} transactions; at a third of the pace $slow->{statements} in $slow->{commits}");
is("$fast->{statements} $fast->{commits}", "$slow->{statements} $slow->{commits}", 'promise 11: no statement between two polls, however far apart');
is("$fast->{statements} $fast->{commits}", '2 2', 'a poll that finds nothing reads the cursor before it and writes it after it, and that is all');
my $after = stats();
my $polls = $after->{requests}{cdc} - $before->{requests}{cdc};
cmp_ok($polls, '>=', 8, 'several polls went by');
is($after->{metered}{$realm} - $before->{metered}{$realm}, $polls, 'promise 11: each costs one metered read');
is(join(',', map { "$_ " . ($after->{requests}{$_} - ($before->{requests}{$_} // 0)) } grep { $after->{requests}{$_} != ($before->{requests}{$_} // 0) } sort keys %{ $after->{requests} }),
	"cdc $polls", 'and no other request');
# the connection row: five changes of its setting by this test
my ($connections) = $tables =~ /qbsync\.connection 1\+(\d+)-0/;
is(crm($writes) =~ s/(qbsync\.connection 1\+)\d+/$1$connections/r, $tables, 'polls that find nothing write no row version but the cursor\'s');
ok($versions > $versions_before && $versions <= $versions_before + $polls, 'which has one new version a poll');
is(crm("SELECT n_tup_upd = n_tup_hot_upd FROM pg_stat_all_tables WHERE relname = 'cursor' AND schemaname = 'qbsync'"), 't', 'without touching an index');

# What the overlap brings again is not written again
$simulator->control('POST', 'random', { seed => 5, n => 20 });
wait_synced($node, database => 'crm', sync => 1);
# whatever looks like a merge is settled first
$node->poll_query_until('crm', "SELECT NOT EXISTS (SELECT FROM qbsync.lookup) AND NOT EXISTS (SELECT FROM qbsync.suspect WHERE judged_at IS NULL)") or die;
# what was counted of that is told before the next poll begins
wait_synced($node, database => 'crm', sync => 1);
$tables = crm($writes);
for (1 .. 3)
{
	wait_synced($node, database => 'crm', sync => 1);
}
my ($jobs) = crm($writes) =~ /(qbsync\.job \S+)/;
is(crm($writes) =~ s/qbsync\.job \S+//r, $tables =~ s/qbsync\.job \S+//r, 'changes that come again within the overlap write nothing either');
is_mirrored($node, $simulator, 'the mirror equals the company', database => 'crm');

# --- reads are counted exactly ----------------------------------------------------------------------------------------------

sub counted { return crm("SELECT reads FROM qbsync.cursor WHERE entity = '*'") }
is(counted(), stats()->{metered}{$realm}, 'metered reads are counted as Intuit counts them, the first load included');
$simulator->control('POST', 'faults', { rules => [
	{ match => { kind => 'cdc' }, fault => '503_html', times => 1 },
	{ match => { kind => 'cdc' }, fault => '429_retry_after', times => 1, seconds => 1 },
	{ match => { kind => 'cdc' }, fault => '401', times => 1 } ] });
wait_synced($node, database => 'crm', sync => 1);
is(join(',', map { $_->{hits} } @{ $simulator->control('GET', 'faults')->{rules} }), '1,1,1', 'a poll failed three times');
is(counted(), stats()->{metered}{$realm}, 'calls that fail are not counted');
$simulator->control('DELETE', 'faults');
is(crm('SELECT reads_this_month FROM qbsync.status'), counted(), 'status shows the count');

# A month ends
my $month = crm("SELECT date_trunc('month', now() AT TIME ZONE 'UTC')::date");
my $last_month = crm("SELECT ('$month'::date - interval '1 month')::date");
my $reads = counted();
crm("UPDATE qbsync.cursor SET reads_day = '$last_month' WHERE entity = '*'");
is(crm('SELECT reads_this_month FROM qbsync.status'), '0', 'a new month begins with no read');
wait_synced($node, database => 'crm', sync => 1);
wait_synced($node, database => 'crm', sync => 1);
is(crm("SELECT reads, reads_day = (now() AT TIME ZONE 'UTC')::date FROM qbsync.cursor WHERE entity = '*'"), '2|t', 'reads of the new month are counted anew');
is(crm('SELECT day, reads FROM qbsync.metered_read'), "$last_month|$reads", 'and those of the old one are kept');
# that month once more, as after a clock that was set back
crm("UPDATE qbsync.cursor SET reads_day = '$last_month' WHERE entity = '*'");
wait_synced($node, database => 'crm', sync => 1);
is(crm('SELECT day, reads FROM qbsync.metered_read'), "$last_month|" . ($reads + 2), 'reads of one day add up');
is(crm("SELECT connection, reads FROM qbsync.api_usage WHERE month = '$last_month'"), "acme|" . ($reads + 2) . "\n|" . ($reads + 2), 'EXT-17: api_usage shows them by company and app');

# --- the interval ---------------------------------------------------------------------------------------------------------------

# the allowance is shared by the live companies of the app; those of another app, and those that are not live, do not count
my $live = <<'SQL';
BEGIN;
INSERT INTO qbsync.app (name, environment, client_id, redirect_uri, monthly_reads) VALUES ('case', 'simulator', 'x', 'https://x', 1000);
INSERT INTO qbsync.connection (connection_id, name, app, realm_id, state)
	SELECT 1000 + n, 'case ' || n, 'case', 'r' || n, CASE WHEN n = 2 THEN 'loading' ELSE 'live' END FROM generate_series(1, 3) AS n;
INSERT INTO qbsync.connection (connection_id, name, app, realm_id, state)
	SELECT 2000 + n, 'not live ' || n, 'case', 's' || n, (ARRAY['paused', 'reauthorize', 'disconnected', 'clone', 'unconfirmed'])[n] FROM generate_series(1, 5) AS n;
SELECT s.poll_interval = qbsync.shared_pace(3, 1000, 0, m.seconds, m.seconds_left)
FROM qbsync.status s, LATERAL (SELECT extract(epoch FROM date_trunc('month', t.utc) + interval '1 month' - t.utc) AS seconds_left,
	extract(epoch FROM date_trunc('month', t.utc) + interval '1 month' - date_trunc('month', t.utc)) AS seconds FROM (SELECT now() AT TIME ZONE 'UTC' AS utc) t) m
WHERE connection_id = 1001;
ROLLBACK;
SQL
is(crm($live), 't', 'EXT-17: polls of three live companies share 1,000 reads');
crm("UPDATE qbsync.connection SET settings = settings - 'poll_interval'");
is(crm("SELECT count(*) FROM qbsync.cursor c JOIN qbsync.status s USING (connection_id) WHERE entity = '*' AND s.poll_interval BETWEEN greatest('60 s', (now() - c.changed_at) / 10 - interval '10 s') AND '15 min'"), '1', 'X-17: the longer nothing came, the seldomer');
crm("UPDATE qbsync.cursor SET changed_at = now() - interval '1 day'");
is(crm('SELECT poll_interval FROM qbsync.status'), '00:15:00', 'X-17: but at least every 15 minutes');
$simulator->control('POST', 'act', { act => 'edit', entity => 'Customer', id => crm("SELECT min(id) FROM qbsync.customer WHERE active"), set => { Notes => 'again' } });
wait_synced($node, database => 'crm', sync => 1);
is(crm('SELECT poll_interval FROM qbsync.status'), '00:01:00', 'X-17: and every minute when something came');

# --- the sync window ----------------------------------------------------------------------------------------------------------

# it is closed now: it opened the day before yesterday and opens in some days again
my $closed = crm("SELECT lower(to_char(now() AT TIME ZONE default_time_zone + interval '3 days', 'dy')) || ' 07:00-19:00' FROM qbsync.company_info");
crm("SELECT qbsync_set(setting => 'poll_interval', value => '10 s'), qbsync_set(setting => 'sync_window', value => '$closed')");
my $polls_before = polls();
is(crm("SELECT next_poll_at > now() + interval '1 day' FROM qbsync.status"), 't', 'X-17: status says when the window opens');
crm("UPDATE qbsync.cursor SET checked_at = checked_at - interval '1 hour'; SELECT qbsync_worker_restart()");
$node->poll_query_until('crm', "SELECT qbsync.worker_state() = 'running'");
wait_synced($node, database => 'crm', sync => 1);
is(polls(), $polls_before + 1, 'X-17: polled when somebody asks, though an hour was overdue');
crm("SELECT qbsync_set(setting => 'sync_window', value => NULL)");
$node->poll_query_until('crm', "SELECT checked_at > now() - interval '10 s' FROM qbsync.cursor WHERE entity = '*' AND checked_at > (SELECT max(finished_at) FROM qbsync.job)") or die;
cmp_ok(polls(), '>=', $polls_before + 2, 'X-17: and by itself once there is no window');

$node->stop;
is_quiet($node, 'nothing unexpected in the server log');
done_testing();
