# Copies of a database: dump and restore, template, standby, promotion, qbsync.paused (EXT-34, design promise 12: a copy
# or an accident never writes).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use JSON::PP;
use PostgreSQL::Test::Utils;
use QbsyncTest;
use Test::More;

my $simulator = start_simulator(customers => 40, invoices => 40, seed => 42);
my $realm = $simulator->{realm};
my $token = $simulator->{companies}[0]{refresh_token};
# the original's grant goes on when the copy gets one of its own
$simulator->control('POST', 'settings', { second_consent_ends_first => JSON::PP::false });

my $original = new_node('original', streaming => 1);
$original->safe_psql('postgres', 'CREATE DATABASE crm');
install_qbsync($original, $simulator, database => 'crm');
connect_company($original, $simulator, database => 'crm', poll_interval => '7 days');
my $origin = $original->safe_psql('crm', 'SELECT origin FROM qbsync.connection');

# Every request the simulator ever got, as text.
sub requests { return JSON::PP->new->canonical->encode($simulator->control('GET', 'stats')->{requests}) }

sub state_of { my ($node, $database) = @_; return $node->safe_psql($database, 'SELECT state FROM qbsync.status') }

# The connection of a copy is paused as such before anything was sent; what can be asked of it says so.
sub is_clone
{
	my ($node, $database, $name, $requests) = @_;
	$node->poll_query_until($database, "SELECT state = 'clone' FROM qbsync.connection") or die "$name is no clone";
	is($node->safe_psql($database, 'SELECT state, ok, problem FROM qbsync.status'), 'clone|f|clone', "EXT-34 $name: paused as a clone");
	like($node->safe_psql($database, 'SELECT what_to_do FROM qbsync.status'), qr/qbsync_confirm_clone\('acme', moved => true\).*qbsync_confirm_clone\('acme'\)/,
		"$name: the status says what to do");
	foreach my $call ("SELECT qbsync_sync_now('acme')", "CALL qbsync_wait('acme', 'synced', '5 s')", "SELECT qbsync_authorize_url('acme')", "SELECT qbsync_resume('acme')")
	{
		my ($code, undef, $error) = $node->psql($database, $call);
		like($error, qr/clone|copy/, "$name: refused: $call");
	}
	$node->reload;
	$node->safe_psql($database, 'SELECT qbsync_worker_restart()');
	$node->poll_query_until($database, "SELECT qbsync.worker_state() = 'running'") or die 'no gateway';
	is(requests(), $requests, "EXT-34 $name: nothing was sent");
}

# A sign-in of the copy's own, through the credentials file.
sub connect_again
{
	my ($node, $database) = @_;
	my $grant = $simulator->control('POST', 'grant', { realm => $realm });
	write_credentials($node, $simulator, connections => [ { app => 'my-app', realm_id => $realm, refresh_token => $grant->{refresh_token} } ]);
	$node->reload;
	$node->poll_query_until($database, "SELECT count(*) = 1 FROM qbsync.secret WHERE owner_kind = 'connection' AND kind = 'refresh_token'")
	  or die 'the token was not imported';
	$node->safe_psql($database, "SELECT qbsync_connect(connection => 'acme')");
	wait_synced($node, database => $database);
}

# --- dump and restore into another server -----------------------------------------------------------------------------

my $dump = $original->basedir . '/crm.sql';
command_ok([ 'pg_dump', '-f', $dump, $original->connstr('crm') ], 'pg_dump');
command_ok([ 'pg_dump', '-Fd', '-f', "$dump.d", $original->connstr('crm') ], 'pg_dump as a directory');
my $text = slurp_file($dump);
my ($secrets) = $original->safe_psql('crm', q{SELECT string_agg(encode(ciphertext, 'hex'), '|') FROM qbsync.secret});
unlike($text, qr/\Q$token\E|\Q$simulator->{client_secret}\E|$secrets/, 'no secret is in a dump, encrypted or not');
unlike($text, qr/Tremblay|COPY qbsync\.(secret|customer|cursor|job|http_log|authorization)/, 'nor is the mirror');
like($text, qr/COPY qbsync\.connection .*\Q$origin\E/s, 'the connection is, with its origin');

my $requests = requests();
my $copy = new_node('copy');
# the worst: the server of the copy has the same credentials file
write_credentials($copy, $simulator);
$copy->safe_psql('postgres', 'CREATE DATABASE crm');
command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $copy->connstr('crm') ], 'psql restores it');
is_clone($copy, 'crm', 'pg_dump | psql', $requests);
is($copy->safe_psql('crm', 'SELECT count(*) FROM qbsync.customer'), '0', 'the mirror is empty');
is($copy->safe_psql('crm', "SELECT environment, monthly_reads, poll_interval IS NULL FROM qbsync.status"), 'simulator|500000|t', 'app and environment are there');

is($copy->safe_psql('crm', "SELECT qbsync_confirm_clone('acme')"), 'reauthorize', 'a person says that the original lives on');
isnt($copy->safe_psql('crm', 'SELECT origin FROM qbsync.connection'), $origin, 'promise 4: the copy has an origin of its own');
is($copy->safe_psql('crm', "SELECT count(*) FROM qbsync.secret WHERE owner_kind = 'connection'"), '0', 'and no token of the original');
is($copy->safe_psql('crm', 'SELECT ok, problem FROM qbsync.status'), 'f|token_missing', 'the status says what is missing');
is(requests(), $requests, 'still nothing was sent');
connect_again($copy, 'crm');
is(state_of($copy, 'crm'), 'live', 'after a sign-in of its own it is live');
is_mirrored($copy, $simulator, 'EXT-34: the company was read anew', database => 'crm');
is($copy->safe_psql('crm', 'SELECT poll_interval FROM qbsync.status'), '7 days', 'its settings came along');
wait_synced($original, database => 'crm', sync => 1);
is(state_of($original, 'crm'), 'live', 'the original goes on with its own grant');
my ($code, undef, $error) = $copy->psql('crm', "SELECT qbsync_confirm_clone('acme')");
like($error, qr/was not found to be a copy/, 'there is nothing more to confirm');

# the sequence came along
$copy->safe_psql('crm', "SELECT qbsync_authorize_url(connection => 'beta')");
is($copy->safe_psql('crm', "SELECT connection_id FROM qbsync.connection WHERE name = 'beta'"), '2', 'EXT-34: a new connection gets a number of its own');

# the extension goes and comes again
$copy->safe_psql('crm', 'DROP EXTENSION qbsync');
$copy->safe_psql('crm', 'CREATE EXTENSION qbsync');
is($copy->safe_psql('crm', 'SELECT count(*) FROM qbsync.status'), '0', 'DROP EXTENSION and CREATE EXTENSION again: as new');
ok($copy->poll_query_until('crm', "SELECT qbsync.worker_state() = 'running'"), 'with a gateway');

# pg_restore with several jobs, on the same server, beside the original; then moved for good
write_credentials($original, $simulator, connections => []);
$requests = requests();
$original->safe_psql('postgres', 'CREATE DATABASE restored');
$original->safe_psql('postgres', 'CREATE DATABASE parallel');
command_ok([ 'pg_restore', '-j', '3', '-d', $original->connstr('parallel'), "$dump.d" ], 'pg_restore -j');
$original->safe_psql('postgres', 'DROP DATABASE parallel');
command_ok([ 'pg_restore', '-d', $original->connstr('restored'), "$dump.d" ], 'pg_restore');
is_clone($original, 'restored', 'pg_restore into the same server', $requests);
is($original->safe_psql('restored', "SELECT qbsync_confirm_clone('acme', moved => true)"), 'reauthorize', 'moved: without tokens a sign-in is needed');
is($original->safe_psql('restored', 'SELECT origin FROM qbsync.connection'), $origin, 'its origin stays');
is($original->safe_psql('restored', 'SELECT problem FROM qbsync.status'), 'token_missing', 'the status says so');
$original->safe_psql('postgres', 'DROP DATABASE restored');

# --- a copy by template ----------------------------------------------------------------------------------------------------

$requests = requests();
$original->safe_psql('postgres', 'CREATE DATABASE twin TEMPLATE crm');
is_clone($original, 'twin', 'CREATE DATABASE … TEMPLATE', $requests);
is($original->safe_psql('twin', "SELECT count(*) FROM qbsync.secret WHERE owner_kind = 'connection' AND kind = 'refresh_token'"), '1', 'the copy has the tokens');
wait_synced($original, database => 'crm', sync => 1);
# disconnecting a copy must not end the original's grant
my ($before) = map { $_->{revoke} // 0 } $simulator->control('GET', 'stats')->{requests};
is($original->safe_psql('twin', "BEGIN; SELECT qbsync_disconnect('acme', confirm => true) IS NULL; ROLLBACK"), 't', 'disconnecting a copy is done without Intuit');
# the original goes, the copy takes over
$original->safe_psql('crm', "SELECT qbsync_pause('acme')");
$original->safe_psql('postgres', 'DROP DATABASE crm');
is($original->safe_psql('twin', "SELECT qbsync_confirm_clone('acme', moved => true)"), 'live', 'moved: with the tokens it goes on where it was');
$simulator->control('POST', 'random', { seed => 3, n => 20 });
wait_synced($original, database => 'twin', sync => 1);
is_mirrored($original, $simulator, 'and is current', database => 'twin');
$original->safe_psql('postgres', 'ALTER DATABASE twin RENAME TO crm');
ok($original->poll_query_until('crm', "SELECT qbsync.worker_state() = 'running'"), 'a database that is renamed');
wait_synced($original, database => 'crm', sync => 1);
is(state_of($original, 'crm'), 'live', 'is no copy');

# --- standby and promotion ----------------------------------------------------------------------------------------------------

$original->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($original, 'base', has_streaming => 1);
$requests = requests();
$standby->start;
$original->wait_for_catchup($standby, 'replay');
is($standby->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'qbsync%'"), '0', 'no worker on a standby');
is($standby->safe_psql('crm', 'SELECT ok, problem FROM qbsync.status'), 't|standby', 'the status says why');
is($standby->safe_psql('crm', 'SELECT count(*) FROM qbsync.customer_summary'), $original->safe_psql('crm', 'SELECT count(*) FROM qbsync.customer_summary'),
	'the views can be read there');
is(requests(), $requests, 'a standby sends nothing');
my $timeline = $standby->safe_psql('crm', 'SELECT timeline FROM qbsync.connection');
$original->stop('immediate');
$simulator->control('POST', 'random', { seed => 4, n => 20 });
$standby->promote;
$standby->poll_query_until('crm', "SELECT qbsync.worker_state() = 'running'") or die 'no gateway after the promotion';
wait_synced($standby, database => 'crm', sync => 1);
is_mirrored($standby, $simulator, 'promotion goes on: what changed meanwhile is here', database => 'crm');
is($standby->safe_psql('crm', 'SELECT state, ok FROM qbsync.status'), 'live|t', 'EXT-34: a promoted standby is no clone');
is($standby->safe_psql('crm', "SELECT timeline FROM qbsync.connection"), $timeline + 1, 'the new timeline is noted');

# --- qbsync.paused ----------------------------------------------------------------------------------------------------------------

$requests = requests();
$standby->append_conf('postgresql.conf', "qbsync.paused = on\n");
$standby->reload;
$standby->poll_query_until('crm', "SELECT problem = 'server_paused' FROM qbsync.status") or die 'not paused';
is($standby->safe_psql('crm', 'SELECT state, ok FROM qbsync.status'), 'live|f', 'qbsync.paused: the status says so');
$standby->safe_psql('crm', "SELECT qbsync_sync_now('acme')");
($code, undef, $error) = $standby->psql('crm', "CALL qbsync_wait('acme', 'synced', '20 s')");
like($error, qr/qbsync\.paused/, 'waiting is pointless and says why');
$standby->restart;
$standby->poll_query_until('crm', "SELECT qbsync.worker_state() = 'running'") or die 'no gateway';
($code, undef, $error) = $standby->psql('crm', "CALL qbsync_wait('acme', 'synced', '20 s')");
like($error, qr/qbsync\.paused/, 'nor after a restart');
is(requests(), $requests, 'promise 12: with qbsync.paused there is no request at all');
$standby->append_conf('postgresql.conf', "qbsync.paused = off\n");
$standby->reload;
wait_synced($standby, database => 'crm');
isnt(requests(), $requests, 'and then it goes on');

my $all = join '', map { slurp_file($_->logfile) } $original, $copy, $standby;
unlike($all, qr/\Q$simulator->{client_secret}\E|RT1-|\Q$token\E/, 'no secret is in the logs');
$copy->stop;
$standby->stop;
is_quiet($copy, 'nothing unexpected in the log of the copy', qr/clone|copy|not found to be/);
is_quiet($standby, 'nothing unexpected in the log of the standby',
	qr/nothing can talk to Intuit|could not (receive|connect)|replication terminated|terminating walreceiver/);
is_quiet($original, 'nothing unexpected in the log of the original', qr/clone|copy|not paused|walsender FATAL:  the database system is shutting down/);
done_testing();
