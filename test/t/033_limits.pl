# Intuit's limits: never met with the right settings, survived with the wrong ones; and the log of calls.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use QbsyncTest;
use Test::More;

# The simulator's minute is 3 s here, and allows 30 requests; its second allows 10, as Intuit's.  It counts a request when it gets round
# to it, and may be late for some on a busy machine: we ask half as often, so that they may count beside those of the next second.  That
# no second and no minute of ours holds more than it may is for the unit tests (test/fuzz/unit_limits.c).
my $simulator = start_simulator(customers => 16000, invoices => 6000, seed => 8, options => [ '--limit-window', 3 ]);
$simulator->control('POST', 'settings', { requests_per_minute => 30 });
my $realm = $simulator->{realm};
my $node = new_node('limits');
install_qbsync($node, $simulator, environment => { requests_per_second => 5, requests_per_minute => 15, limit_window => "'3 s'" });

sub stats { return $simulator->control('GET', 'stats'); }

# EXT-16: a load within the limits
connect_company($node, $simulator);
my $stats = stats();
is($stats->{throttled}{$realm} // 0, 0, 'EXT-16: a load is never throttled');
cmp_ok($stats->{requests}{query}, '>=', 30, 'though it asks often: ' . $stats->{requests}{query});
# what Intuit allows
cmp_ok($stats->{worst_second}{$realm}, '<=', 10, 'EXT-16: its worst second stays within');
cmp_ok($stats->{worst_minute}{$realm}, '<=', 30, 'EXT-16: so does its worst minute');
cmp_ok($stats->{max_concurrent}{$realm}, '<=', 8, 'EXT-16: and what is under way at once');
is_mirrored($node, $simulator, 'the mirror is complete');
is($node->safe_psql('postgres', 'SELECT path, status, intuit_tid IS NOT NULL FROM qbsync.http_log'), 'token|200|t',
	'EXT-4: no call failed, so only what changed something is in the log: the grant');

# EXT-15: limits set too high; the company pauses as a whole, and finishes
$simulator->control('POST', 'stats', {});
$simulator->control('POST', 'settings', { requests_per_minute => 20 });
$node->safe_psql('postgres', <<'SQL');
UPDATE qbsync.environment SET requests_per_second = 1000, requests_per_minute = 100000 WHERE name = 'simulator';
SELECT qbsync.purge_mirror(connection_id), qbsync.set_state(connection_id, 'loading'), qbsync.wake() FROM qbsync.connection;
SQL
my ($seen, $shown) = ('', '');
await('the end of a load that is throttled', sub {
	my $row = $node->safe_psql('postgres', 'SELECT problem, attempts, next_attempt_at IS NOT NULL, what_to_do, state FROM qbsync.status');
	$shown = $row if $row =~ /^throttled/;
	return $row =~ /\|live$/ && $row =~ /^\|/;
});
$stats = stats();
my $throttled = $stats->{throttled}{$realm} // 0;
cmp_ok($throttled, '>', 0, "EXT-15: requests were refused: $throttled");
like($shown, qr/^throttled\|0\|t\|Nothing;/, 'EXT-15: status shows a pause and its end, not a failed attempt');
is_mirrored($node, $simulator, 'EXT-15: and the load ends whole');

# a refusal pauses the whole company: bursts of refusals are no bigger than what was under way, and a pause apart
my $bursts = $node->safe_psql('postgres', <<'SQL');
WITH gap AS (SELECT at, coalesce(at - lag(at) OVER (ORDER BY at) > interval '0.7 s', true)::int AS fresh FROM qbsync.http_log WHERE status = 429),
burst AS (SELECT at, sum(fresh) OVER (ORDER BY at) AS number FROM gap)
SELECT max(n) || ' ' || (count(*) > 1) FROM (SELECT number, count(*) AS n FROM burst GROUP BY number) b
SQL
my ($biggest, $several) = split / /, $bursts;
cmp_ok($biggest, '<=', 8, "EXT-15: at most what was under way is refused before a pause: $biggest");

# EXT-4: the log of calls
$simulator->control('POST', 'settings', { requests_per_minute => 30 });
is($node->safe_psql('postgres', 'SELECT count(*) FROM qbsync.http_log WHERE status = 429'), $throttled, 'EXT-4: every refused call is in the log');
$node->safe_psql('postgres', "UPDATE qbsync.environment SET requests_per_second = 5, requests_per_minute = 15 WHERE name = 'simulator'");
foreach my $fault (qw(500 503_html fault_on_200 403_3100 cut_before))
{
	my $rule = $simulator->control('POST', 'faults', { fault => $fault, match => { kind => 'cdc' } })->{rules}[0]{id};
	$node->safe_psql('postgres', 'DELETE FROM qbsync.http_log');
	$node->safe_psql('postgres', 'SELECT qbsync_sync_now()');
	await("a logged $fault", sub { $node->safe_psql('postgres', "SELECT count(*) FROM qbsync.http_log WHERE path <> 'token'") });
	$simulator->control('DELETE', "faults?id=$rule");
	is($node->safe_psql('postgres', "SELECT count(*) FROM qbsync.http_log WHERE coalesce(intuit_tid LIKE '1-%', false) IS DISTINCT FROM (status IS NOT NULL)"), '0',
		"EXT-4: $fault is logged with its intuit_tid" . ($fault eq 'cut_before' ? ', if there was an answer' : ''));
	is($node->safe_psql('postgres', "SELECT count(*) FROM qbsync.http_log WHERE path LIKE '%?%' OR path || coalesce(detail, '') ~ '[<{]|Bearer|changedSince' OR (method <> 'GET' AND path <> 'token')"), '0',
		"EXT-4: $fault: no body, no parameters");
	$node->safe_psql('postgres', "SELECT qbsync_connect(realm_id => '$realm')") if $fault eq '403_3100';
	await("the end of $fault", sub { $node->safe_psql('postgres', 'SELECT ok AND state = $$live$$ FROM qbsync.status') eq 't' });
}

# EXT-4: it is not kept for ever
$node->safe_psql('postgres', "UPDATE qbsync.http_log SET at = at - interval '2 hours'");
$simulator->control('POST', 'faults', { fault => '500', times => 1, match => { kind => 'cdc' } });
wait_synced($node, sync => 1);
is($node->safe_psql('postgres', "SELECT count(*) > 0 FROM qbsync.http_log WHERE at < now() - interval '1 hour'"), 't', 'there is an old row');
$node->append_conf('postgresql.conf', "qbsync.log_retention = '1 h'");
$node->reload;
await('old rows to go', sub { $node->safe_psql('postgres', "SELECT count(*) FROM qbsync.http_log WHERE at < now() - interval '1 hour'") == 0 });
is($node->safe_psql('postgres', 'SELECT count(*) FROM qbsync.http_log'), '1', 'EXT-4: rows older than qbsync.log_retention go, newer ones stay');

$node->stop;
is_quiet($node, 'nothing unexpected in the server log');
done_testing();
