# What only a person can mend: what status says then, and that everything goes on, and nothing is lost, once it is done.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use HTTP::Tiny;
use PostgreSQL::Test::Utils;
use QbsyncTest;
use Test::More;

my $simulator = start_simulator(seed => 9, options => [ '--no-limits', '--company', 'Une inc.', '--company', 'Deux inc.', '--company', 'Trois inc.' ]);
my $node = new_node('persons');
install_qbsync($node, $simulator);
connect_company($node, $simulator, connection => 'une', number => 0, poll_interval => '1 day');
connect_company($node, $simulator, connection => 'deux', number => 1, poll_interval => '10 s');
my @realms = map { $_->{realm_id} } @{ $simulator->{companies} };

sub status { return $node->safe_psql('postgres', "SELECT $_[1] FROM qbsync.status WHERE connection = '$_[0]'"); }

sub wait_problem
{
	my ($connection, $problem) = @_;
	await("$problem of $connection", sub { status($connection, 'problem') eq $problem });
}

sub wait_well { my ($connection) = @_; await("$connection well", sub { status($connection, 'ok AND state = $$live$$') eq 't' }); }

# A person with a browser.
sub sign_in
{
	my ($connection, $realm) = @_;
	my $url = $node->safe_psql('postgres', "SELECT qbsync_authorize_url(connection => '$connection')");
	my $back = HTTP::Tiny->new(max_redirect => 0)->get("$url&realm_id=$realm")->{headers}{location};
	return $node->psql('postgres', "SELECT qbsync_connect(redirect_url => '$back')");
}

# --- disconnected inside QuickBooks (EXT-33): one is told, the other finds out with its next poll ---------------------------

$simulator->control('POST', 'act', { act => 'disconnect', realm => $_, answer => '401' }) foreach @realms[ 0, 1 ];
is($node->safe_psql('postgres', "SELECT qbsync_disconnect_notice('1234') IS NULL"), 't', 'EXT-33: a notice for a company that is not here is nothing');
my $rows = $node->safe_psql('postgres', 'SELECT string_agg(xmin::text, $$,$$ ORDER BY connection_id, id) FROM qbsync.customer');
is(status('une', 'state'), 'live', 'nobody has noticed yet');
$node->safe_psql('postgres', "SELECT qbsync_disconnect_notice('$realms[0]')");
await('the notice to be checked', sub { status('une', 'state') eq 'reauthorize' });
is(status('une', 'problem, attempts, next_attempt_at IS NULL'), 'grant_revoked|0|t', 'EXT-33: noticed at once after qbsync_disconnect_notice');
like(status('une', 'what_to_do'), qr/qbsync_authorize_url\(connection => 'une'\)/, 'EXT-33: and status says what to do, by name');
my ($code, undef, $error) = $node->psql('postgres', "SELECT qbsync_sync_now('une')");
like($error, qr/HINT:.*qbsync_authorize_url/, 'so does a function that cannot work now');

await('the next poll', sub { status('deux', 'state') eq 'reauthorize' });
is(status('deux', 'problem'), 'grant_revoked', 'EXT-33: without a notice the next poll finds out');

# --- ORD-7: the same company again keeps everything, another one is refused -------------------------------------------------

($code, undef, $error) = sign_in('une', $realms[2]);
isnt($code, 0, 'ORD-7: another company under the same name is refused');
like($error, qr/is for another company.*belongs to Une inc\..*HINT/s, 'ORD-7: and the error says whose it is and what to do');
is(status('une', 'state'), 'reauthorize', 'which changes nothing');
my $id = status('une', 'connection_id');
my $metered = $simulator->control('GET', 'stats')->{requests}{query};
($code) = sign_in('une', $realms[0]);
is($code, 0, 'the right company is taken');
wait_well('une');
($code) = sign_in('deux', $realms[1]);
wait_well('deux');
is(status('une', 'connection_id'), $id, 'ORD-7: it is the same connection');
is($node->safe_psql('postgres', 'SELECT string_agg(xmin::text, $$,$$ ORDER BY connection_id, id) FROM qbsync.customer'), $rows,
	'ORD-7: everything read before is kept as it was');
is($simulator->control('GET', 'stats')->{requests}{query}, $metered, 'ORD-7: and not read again');
$simulator->control('POST', 'random', { realm => $realms[0], seed => 4, n => 10 });
wait_synced($node, connection => 'une', sync => 1);
is_mirrored($node, $simulator, 'ORD-7: and it goes on', connection => 'une', number => 0);

# access taken away with the other answer Intuit is known to give
$simulator->control('POST', 'act', { act => 'disconnect', realm => $realms[0], answer => '403' });
$node->safe_psql('postgres', "SELECT qbsync_sync_now('une')");
wait_problem('une', 'wrong_environment');
is(status('une', 'state'), 'reauthorize', '403 (3100): a person is needed');
like(status('une', 'problem_text || what_to_do'), qr/disconnected inside QuickBooks.*connect again/s, 'and the message names both causes');
sign_in('une', $realms[0]);
wait_well('une');

# --- the wrong secret --------------------------------------------------------------------------------------------------------

sub refresh
{
	$simulator->control('POST', 'act', { act => 'expire_tokens' });
	$node->safe_psql('postgres', "SELECT qbsync_sync_now('une')");
}

write_credentials($node, $simulator, client_secret => 'wrong-secret-of-the-app');
my $said = -s $node->logfile;
$node->reload;
$node->wait_for_log(qr/imported \d+ secrets from the credentials file/, $said);
refresh();
wait_problem('une', 'wrong_secret');
is(status('une', 'state, attempts > 0, next_attempt_at > now()'), 'live|t|t', 'a wrong secret: the state stays, it is tried again');
like(status('une', 'what_to_do'), qr/credentials_file, then reload/, 'status says where to mend it');
($code, undef, $error) = $node->psql('postgres', "CALL qbsync_wait('une', 'synced', '20 s')");
like($error, qr/does not accept the app's client id and secret.*HINT:.*credentials_file/s, 'so does qbsync_wait, at once');
write_credentials($node, $simulator);
$node->reload;
wait_well('une');
pass('mended by the credentials file and a reload');

# mended by qbsync_app, with a parameter
write_credentials($node, $simulator, client_secret => 'wrong-secret-again');
$node->reload;
await('the import', sub { refresh(); status('une', 'problem') eq 'wrong_secret' });
my $secret_file = $node->basedir . '/secret';
PostgreSQL::Test::Utils::append_to_file($secret_file, $simulator->{client_secret});
$node->safe_psql('postgres', "DO \$\$BEGIN EXECUTE 'SELECT qbsync_app(name => \$1, client_secret => \$2)' USING 'my-app', pg_read_file('$secret_file'); END\$\$");
wait_well('une');
pass('mended by qbsync_app, tried again at once');

# --- the wrong environment -----------------------------------------------------------------------------------------------------

my $rule = $simulator->control('POST', 'faults', { fault => '403_3100', match => { kind => 'companyinfo', realm => $realms[2] } })->{rules}[0]{id};
$node->safe_psql('postgres', "SELECT qbsync_connect(connection => 'trois', app => 'my-app', realm_id => '$realms[2]')");
($code, undef, $error) = $node->psql('postgres', "CALL qbsync_wait('trois', 'connected', '3 min')");
like($error, qr/not valid for this company here.*HINT:.*environment and client_id/s, 'a wrong environment fails the connection with the reason');
is(status('trois', 'problem, ok'), 'wrong_environment|f', 'which status keeps showing');
$simulator->control('DELETE', "faults?id=$rule");
$node->safe_psql('postgres', "SELECT qbsync_connect(connection => 'trois', realm_id => '$realms[2]')");
$node->safe_psql('postgres', "CALL qbsync_wait('trois', 'connected', '3 min')");
is(status('trois', 'problem'), 'unconfirmed', 'mended, it goes on');

# --- the credentials file ---------------------------------------------------------------------------------------------------------

my $credentials = $node->basedir . '/credentials.json';
write_credentials($node, $simulator);
chmod 0644, $credentials;
$node->safe_psql('postgres', "DELETE FROM qbsync.secret WHERE owner_kind = 'app'");
$node->reload;
$node->wait_for_log(qr/cannot use the credentials file(?s:.*)its mode must be 0600/);
refresh();
wait_problem('une', 'secret_missing');
like(status('une', 'detail'), qr/credentials\.json" is open to group or others; its mode must be 0600/, 'a credentials file with the wrong mode: the detail says so');
like(status('une', 'what_to_do'), qr/credentials_file/, 'and status what to do');
chmod 0600, $credentials;
$node->reload;
wait_well('une');
pass('mended by chmod and a reload');

# --- the key file --------------------------------------------------------------------------------------------------------------------

my $key_file = $node->basedir . '/qbsync.key';
rename $key_file, "$key_file.away" or die;
is(status('une', 'problem, ok'), 'key_file_missing|f', 'a key file that is missing shows before it is needed');
like(status('une', 'detail'), qr/\Q$key_file\E" does not exist/, 'with its name');
refresh();
await('the gateway to miss it', sub { $node->safe_psql('postgres', "SELECT problem FROM qbsync.connection WHERE name = 'une'") eq 'key_file_missing' });
like(status('une', 'what_to_do'), qr/Restore the file/, 'and what to do');

PostgreSQL::Test::Utils::append_to_file($key_file, ('0123456789abcdef' x 4) . "\n");
chmod 0600, $key_file;
$node->safe_psql('postgres', "SELECT qbsync_sync_now('une')");
wait_problem('une', 'key_changed');
like(status('une', 'what_to_do'), qr/Put the old key file back/, 'another key file: what to do');
unlink $key_file;
rename "$key_file.away", $key_file or die;
$node->reload;
wait_well('une');
wait_well('deux');
wait_synced($node, connection => 'une', sync => 1);
is_mirrored($node, $simulator, 'all is well again', connection => 'une', number => 0);

$node->stop;
is_quiet($node, 'nothing unexpected in the server log', qr/is for another company/, qr/cannot sync: its state is/,
	qr/does not accept the app's client id/, qr/not valid for this company here/, qr/cannot use the credentials file/);
done_testing();
