# The grant through everything: refreshes cut off at every point, rotation, expiry (EXT-15, KAR-6).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use File::Copy qw(copy);
use HTTP::Tiny;
use IPC::Run;
use QbsyncTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $data = PostgreSQL::Test::Utils::tempdir() . '/company.db';
my $simulator = start_simulator(customers => 3100, invoices => 3100, seed => 22, data => $data);
$simulator->control('POST', 'settings', { rotate_after => 0, refresh_grace => 0 });
my $node = new_node('refresh', conf => "restart_after_crash = on\n");
my $first_token = $simulator->{companies}[0]{refresh_token};
install_qbsync($node, $simulator);

sub stat_of
{
	my ($name) = @_;
	return $simulator->control('GET', 'stats')->{$name};
}

sub value
{
	my ($expression) = @_;
	my ($code, $out) = $node->psql('postgres', "SELECT $expression FROM (SELECT s.*, k.refresh_started_at FROM qbsync.status s JOIN qbsync.connection k USING (connection_id)) c");
	return $code == 0 ? $out : undef;
}

sub gateway_is_back
{
	my ($before) = @_;
	await('a gateway after its end', sub {
		my ($code, $pid) = $node->psql('postgres',
			"SELECT pid FROM pg_stat_activity WHERE backend_type = 'qbsync gateway' AND qbsync.worker_state() = 'running'");
		return $code == 0 && $pid && $pid ne $before;
	});
	return;
}

# Faults of the token endpoint, in order, one request each ('' is none).
sub token_faults
{
	my (@faults) = @_;
	my $after = 0;
	my @ids;
	foreach my $fault (@faults)
	{
		my $answer = $simulator->control('POST', 'faults',
			{ match => { kind => 'token' }, times => 1, after => $after++, ref $fault ? %$fault : (fault => $fault) });
		push @ids, $answer->{rules}[0]{id};
	}
	return @ids;
}

sub hit
{
	my ($id) = @_;
	await("a request that rule $id strikes", sub {
		grep { $_->{id} == $id && $_->{hits} > 0 } @{ $simulator->control('GET', 'faults')->{rules} };
	});
	return;
}

# A call that needs a new access token, because QuickBooks takes the old one no more.
sub ask
{
	$simulator->control('POST', 'act', { act => 'expire_tokens' });
	$node->safe_psql('postgres', "SELECT qbsync_sync_now('acme')");
	return;
}

# The company is well, and a call goes through.
sub survives
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$simulator->control('DELETE', 'faults');
	$simulator->control('POST', 'act', { act => 'edit', entity => 'Customer', id => '5', set => { Notes => $name } });
	wait_synced($node, sync => 1);
	is(value('state, ok, c.refresh_started_at IS NULL'), 'live|t|t', $name);
	is($node->safe_psql('postgres', "SELECT raw ->> 'Notes' FROM qbsync.customer WHERE id = '5'"), $name, 'and it is read');
	return;
}

# The grant is dead: status says so within 5 s of the given time; then a person reconnects and nothing is lost.
sub must_reauthorize
{
	my ($since, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	await('re-authorization is asked for', sub { (value('state') // '') eq 'reauthorize' });
	cmp_ok(time - $since, '<', 25, "$name: status says re-authorize soon");
	is(value('problem, ok'), 'grant_revoked|f', 'the problem is named');
	like(value('what_to_do'), qr/qbsync_authorize_url\(connection => 'acme'\)/, 'and the way out');
	$simulator->control('DELETE', 'faults');
	my $url = $node->safe_psql('postgres', "SELECT qbsync_authorize_url(connection => 'acme')");
	my $back = HTTP::Tiny->new(max_redirect => 0)->get($url)->{headers}{location};
	$node->safe_psql('postgres', "SELECT qbsync_connect(redirect_url => '$back')");
	$node->safe_psql('postgres', "CALL qbsync_wait('acme', 'connected', '3 min')");
	survives("$name: reconnecting goes on where it was");
	return;
}

# --- single flight ------------------------------------------------------------------------------------------------------

my ($hang) = @{ $simulator->control('POST', 'faults', { match => { kind => 'query', path => 'ORDERBY' }, fault => 'hang' })->{rules} };
connect_company($node, $simulator, no_wait => 1, poll_interval => '1 day');
await('eight pages under way', sub {
	grep { $_->{id} == $hang->{id} && $_->{hits} >= 8 } @{ $simulator->control('GET', 'faults')->{rules} };
});
my $refreshes = stat_of('refreshes');
$simulator->control('POST', 'act', { act => 'expire_tokens' });
token_faults({ fault => 'slow', seconds => 0.3 });
$simulator->control('DELETE', "faults?id=$hang->{id}");
wait_synced($node);
cmp_ok(stat_of('status')->{401}, '>=', 8, 'eight calls were refused for their token');
is(stat_of('refreshes') - $refreshes, 1, 'EXT-15: many calls wait for one refresh');
is(value('ok'), 't', 'and it is no problem');
is_mirrored($node, $simulator, 'nothing was lost by it');

# --- expiries -----------------------------------------------------------------------------------------------------------

is(value("c.refresh_expires_at BETWEEN now() + '100 days' AND now() + '102 days'"), 't', 'EXT-15: the idle expiry is known (101 days)');
is(value("c.grant_expires_at BETWEEN now() + '1824 days' AND now() + '1827 days'"), 't', 'EXT-15: the hard expiry is known (5 years)');
$simulator->control('POST', 'settings', { refresh_expires_in => 20 * 86400 });
ask();
wait_synced($node);
is(value('ok, problem'), 'f|refresh_expiring', 'EXT-15: an idle expiry in 20 days is said in status');
$simulator->control('POST', 'settings', { refresh_expires_in => 22 * 86400 });
ask();
wait_synced($node);
is(value('ok'), 't', 'one in 22 days is not yet');
$simulator->control('POST', 'settings', { refresh_expires_in => 8726400 });

# --- cut off, the old token still valid -----------------------------------------------------------------------------------

$simulator->control('POST', 'settings', { refresh_grace => 3600 });
{
	my @rules = token_faults('hang_after', 'hang');
	ask();
	hit($rules[0]);
	is(value('c.refresh_started_at IS NOT NULL'), 't', 'the mark is there while the refresh is under way');
	my $pid = gateway_pid($node);
	kill 'KILL', $pid;
	gateway_is_back($pid);
	hit($rules[1]);
	is(value('c.refresh_started_at IS NOT NULL'), 't', 'the mark is durable, and the refresh is tried again at once');
	survives('EXT-15: killed between answer and commit, the old token still valid');
}
{
	token_faults('cut_after');
	ask();
	wait_synced($node);
	survives('the answer was cut off, the old token still valid');
}
{
	my ($rule) = token_faults('hang_after');
	ask();
	hit($rule);
	$node->stop('immediate');
	$node->start;
	gateway_is_back('');
	survives('server stopped immediately in the middle of a refresh, the old token still valid');
}

# A mark found at start means trying at once, even if nothing else is due.
{
	my $before = stat_of('refreshes');
	$node->safe_psql('postgres', 'UPDATE qbsync.connection SET refresh_started_at = now()');
	is($node->safe_psql('postgres', "SELECT count(*) FROM qbsync.job WHERE state IN ('queued', 'running')"), '0', 'nothing is due');
	$node->safe_psql('postgres', 'SELECT qbsync_worker_restart()');
	ok($node->poll_query_until('postgres', 'SELECT refresh_started_at IS NULL FROM qbsync.connection'), 'a mark found at start');
	is(stat_of('refreshes') - $before, 1, 'leads to a refresh at once');
}

# --- the token before ----------------------------------------------------------------------------------------------------

# Intuit forgets the newest token: its servers are set back to before the refresh.
{
	$simulator->stop('KILL');
	copy("$data$_", "$data.copy$_") or die $! foreach grep { -e "$data$_" } '', '-wal', '-shm';
	$simulator->start;
	ask();
	wait_synced($node);
	$simulator->stop('KILL');
	unlink map { "$data$_" } '', '-wal', '-shm';
	copy("$data.copy$_", "$data$_") or die $! foreach grep { -e "$data.copy$_" } '', '-wal', '-shm';
	$simulator->start;
	my $refused = stat_of('refused_refreshes');
	ask();
	wait_synced($node);
	is(stat_of('refused_refreshes') - $refused, 1, 'the newest token was refused once');
	survives('and the one before was good');
}

# --- rotation and restarts -------------------------------------------------------------------------------------------------

$simulator->control('POST', 'settings', { refresh_grace => 0 });
{
	like(slurp_file($node->basedir . '/credentials.json'), qr/\Q$first_token\E/, 'the credentials file has the first token');
	$node->restart;
	gateway_is_back('');
	survives('EXT-15: the rotated token survives a restart of the server');
	$node->reload;
	ask();
	wait_synced($node);
	survives('and a reload');
}

# --- cut off, the old token dead ---------------------------------------------------------------------------------------------

# The answer is here, but not stored yet: somebody holds the table.
sub lock_secrets
{
	my %session = (in => '', out => '');
	$session{psql} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
		'<', \$session{in}, '>', \$session{out}, '2>', \$session{err}, IPC::Run::timeout(60));
	$session{in} = "BEGIN; LOCK TABLE qbsync.secret IN EXCLUSIVE MODE; SELECT 'locked';\n";
	$session{psql}->pump until $session{out} =~ /locked/;
	return \%session;
}

foreach my $signal ('KILL', 'TERM')
{
	my ($rule) = token_faults({ fault => 'hang_after' });
	ask();
	hit($rule);
	my $session = lock_secrets();
	my $pid = gateway_pid($node);
	$simulator->control('DELETE', 'faults');
	await('the gateway waits to store the answer', sub {
		$node->safe_psql('postgres', "SELECT count(*) FROM pg_locks WHERE pid = $pid AND NOT granted") eq '1';
	});
	my $since = time;
	kill $signal, $pid;
	$session->{in} = "ROLLBACK;\n\\q\n" if $signal eq 'TERM';
	eval { $session->{psql}->finish };
	gateway_is_back($pid);
	must_reauthorize($since, "SIG$signal between answer and commit, the old token dead");
}
{
	my ($rule) = token_faults('hang_after');
	ask();
	hit($rule);
	my $pid = gateway_pid($node);
	my $since = time;
	kill 'KILL', $pid;
	gateway_is_back($pid);
	must_reauthorize($since, 'SIGKILL before the answer arrived, the old token dead');
}
{
	# a busy table does not cost the grant: what came is kept until it can be stored
	my ($rule) = token_faults('hang_after');
	ask();
	hit($rule);
	my $session = lock_secrets();
	my $mark = -s $node->logfile;
	$simulator->control('DELETE', 'faults');
	$node->wait_for_log(qr/qbsync connection "acme": internal/, $mark);
	$session->{in} = "ROLLBACK;\n\\q\n";
	$session->{psql}->finish;
	wait_synced($node);
	survives('EXT-15: an answer that could not be stored at once is not thrown away');
}

# --- five years later ----------------------------------------------------------------------------------------------------------

$simulator->stop('KILL');
system('python3', '-c', <<'PYTHON', $data) == 0 or die 'editing the data file';
import json, sqlite3, sys
db = sqlite3.connect(sys.argv[1])
state = json.loads(db.execute("SELECT value FROM state WHERE key = 'oauth'").fetchone()[0])
for grant in state["grants"].values():
    grant["consent"] -= (5 * 365 - 59) * 86400
db.execute("UPDATE state SET value = ? WHERE key = 'oauth'", (json.dumps(state),))
db.commit()
PYTHON
$simulator->start;
ask();
wait_synced($node);
is(value("state, ok, problem, c.grant_expires_at BETWEEN now() + '58 days' AND now() + '60 days'"),
	'live|f|grant_expiring|t', 'EXT-15: the hard expiry is said eight weeks before');
like(value('what_to_do'), qr/before.*qbsync_authorize_url\(connection => 'acme'\)/, 'with the way out');

# --- no token anywhere -----------------------------------------------------------------------------------------------------------

{
	my $secret = qr/RT1-\d|eyJlbmMi|\Q$simulator->{client_secret}\E/;
	unlike(slurp_file($node->logfile), $secret, 'no token in the log');
	foreach my $table (split /\n/, $node->safe_psql('postgres',
		"SELECT oid::regclass FROM pg_class WHERE relnamespace = 'qbsync'::regnamespace AND relkind = 'r'"))
	{
		unlike($node->safe_psql('postgres', "SELECT string_agg(t::text, E'\\n') FROM (SELECT * FROM $table LIMIT 2000) t"), $secret, "no token in $table");
	}
}
$node->stop;
is_quiet($node, 'nothing unexpected in the server log',
	qr/terminating connection because of (crash|unexpected)|was terminated by signal 9/,
	qr/the database system is (in recovery mode|starting up|shutting down|not yet accepting)/,
	qr/immediate shutdown command/);
done_testing();
