# No secret anywhere: every token the simulator gave out, the client secret and the key are looked for, whole and in
# fragments, in everything the server writes, while it logs as much as it can and Intuit's refusals repeat the tokens.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use HTTP::Tiny;
use MIME::Base64 qw(encode_base64);
use PostgreSQL::Test::Utils;
use QbsyncTest;
use Test::More;

my $fragment = 12;                  # characters of a secret that may not be found together

my $simulator = start_simulator(seed => 6);
my $node = new_node('secrets', conf => <<'CONF');
shared_preload_libraries = 'qbsync, pg_stat_statements'
pg_stat_statements.track = all
log_statement = all
log_min_messages = debug1
log_error_verbosity = verbose
log_parameter_max_length_on_error = -1
qbsync.request_timeout = '3 s'
CONF
$node->safe_psql('postgres', 'CREATE EXTENSION pg_stat_statements');
install_qbsync($node, $simulator);
my $realm = $simulator->{realm};

# --- what is shown while it works -----------------------------------------------------------------------------------------

my $activity = '';

# Wait for a state or a problem, and look at everybody's activity meanwhile.
sub wait_for
{
	my ($condition) = @_;
	await($condition, sub {
		my $row = $node->safe_psql('postgres', "SELECT state, coalesce(problem, 'none') FROM qbsync.status");
		$activity .= $node->safe_psql('postgres', 'SELECT a FROM pg_stat_activity a');
		return $row =~ /^($condition)$/;
	});
}

sub idle { $node->safe_psql('postgres', "CALL qbsync_wait('acme', 'idle', '3 min')"); }

# What is asked of a company with a fault, until its row shows what it should; then the fault is over.
sub spoiled
{
	my ($rule, $condition) = @_;
	my $id = $simulator->control('POST', 'faults', $rule)->{rules}[0]{id};
	$node->safe_psql('postgres', 'SELECT qbsync_sync_now()');
	wait_for($condition);
	$simulator->control('DELETE', "faults?id=$id");
}

# A token in a file the server can read: PL/pgSQL takes it from there, so that it stands in no statement and no log.
my $token_file = $node->basedir . '/token';
sub connect_by_variable
{
	my ($its_realm) = @_;
	my $grant = $simulator->control('POST', 'grant', { realm => $realm });
	PostgreSQL::Test::Utils::append_to_file($token_file, $grant->{refresh_token});
	my ($code, undef, $error) = $node->psql('postgres', <<"SQL");
DO \$\$
BEGIN
	EXECUTE 'SELECT qbsync_connect(realm_id => \$1, refresh_token => \$2)' USING '$its_realm', pg_read_file('$token_file');
END
\$\$;
SQL
	unlink $token_file;
	return ($code, $error);
}

# --- all the ways a token goes -----------------------------------------------------------------------------------------

# in: the credentials file
connect_company($node, $simulator);
idle();

# rotation, with every refresh
$simulator->control('POST', 'settings', { rotate_after => 0, refresh_grace => 0 });
foreach (1 .. 3)
{
	$simulator->control('POST', 'act', { act => 'expire_tokens' });
	$node->safe_psql('postgres', 'SELECT qbsync_sync_now()');
	idle();
}

# refusals that repeat the token: 401, once and for good, and what others quote it in
spoiled({ fault => '401', match => { kind => 'cdc' } }, 'reauthorize\|grant_revoked');

# in: a bind parameter in PL/pgSQL; first refused, with the error logged
my ($code, $error) = connect_by_variable('9130000000000999');
like($error, qr/another company/, 'a token for another company is refused');
($code) = connect_by_variable($realm);
is($code, 0, 'a token as a parameter inside PL/pgSQL');
wait_for('live\|none');
idle();
spoiled({ fault => '401_user_removed', match => { kind => 'cdc' } }, 'reauthorize\|no_permission');
connect_by_variable($realm);
wait_for('live\|none');
spoiled({ fault => '403_3100', match => { kind => 'cdc' } }, 'reauthorize\|wrong_environment');

# in: a bind parameter of the protocol (psql 15 has no \bind, pgbench does it); parameters are not to be logged then
my $grant = $simulator->control('POST', 'grant', { realm => $realm });
my $script = $node->basedir . '/connect.sql';
PostgreSQL::Test::Utils::append_to_file($script, "SELECT qbsync_connect(realm_id => '$realm', refresh_token => :token);\n");
{
	local $ENV{PGOPTIONS} = '-c log_parameter_max_length=0';
	$node->command_ok([ 'pgbench', '-n', '-M', 'extended', '-t', '1', '-D', "token=$grant->{refresh_token}", '-f', $script, 'postgres' ],
		'a token as a bind parameter');
}
wait_for('live\|none');
idle();

# a fault that quotes the access token, whole and cut off
foreach my $filler (0, 300, 700)
{
	my ($access) = grep { /^eyJ/ } reverse @{ $simulator->control('GET', 'tokens')->{issued} };
	spoiled({ fault => 'validation', code => '6000', match => { kind => 'cdc' }, detail => ('x' x $filler) . " bearer:$access is not liked" },
		'(live|loading)\|rejected');
	await('the end of it', sub { $node->safe_psql('postgres', 'SELECT ok FROM qbsync.status') eq 't' });
	idle();
}

# refreshes that fail in all ways, some after the token was rotated
$simulator->control('POST', 'settings', { refresh_grace => 60 });
foreach my $fault (qw(invalid_request bad_json 503_html truncated nul_escape empty_body))
{
	$simulator->control('POST', 'act', { act => 'expire_tokens' });
	spoiled({ fault => $fault, match => { kind => 'token' } }, 'live\|(intuit_failing|not_understood|unreachable)');
	idle();
}
# an answer that was lost took the only good token with it
$simulator->control('POST', 'settings', { refresh_grace => 0 });
$simulator->control('POST', 'act', { act => 'expire_tokens' });
spoiled({ fault => 'cut_after', times => 1, match => { kind => 'token' } }, 'reauthorize\|grant_revoked');

# in: the browser's way
my $url = $node->safe_psql('postgres', 'SELECT qbsync_authorize_url()');
my $back = HTTP::Tiny->new(max_redirect => 0)->get($url)->{headers}{location};
$node->safe_psql('postgres', "SELECT qbsync_connect(redirect_url => '$back')");
wait_for('live\|none');
idle();

# the secrets are still in use: the server ends while a refresh hangs
$simulator->control('POST', 'act', { act => 'expire_tokens' });
my $hang = $simulator->control('POST', 'faults', { fault => 'hang', match => { kind => 'token' } })->{rules}[0]{id};
$node->safe_psql('postgres', 'SELECT qbsync_sync_now()');
await('a refresh that hangs', sub { $simulator->control('GET', 'faults')->{rules}[0]{hits} });
$activity .= $node->safe_psql('postgres', 'SELECT a FROM pg_stat_activity a');
my $gateway = gateway_pid($node);
my $process = PostgreSQL::Test::Utils::slurp_file("/proc/$gateway/cmdline") . PostgreSQL::Test::Utils::slurp_file("/proc/$gateway/environ");
$node->stop('fast');
$node->start;
$simulator->control('DELETE', "faults?id=$hang");
idle();

# --- everything that was written ----------------------------------------------------------------------------------------------

my @issued = @{ $simulator->control('GET', 'tokens')->{issued} };
my @codes = grep { /^AB11/ } @issued;
my @tokens = grep { !/^AB11/ } @issued;
my $key = PostgreSQL::Test::Utils::slurp_file($node->basedir . '/qbsync.key');
chomp $key;
cmp_ok(scalar(@tokens), '>=', 20, 'many tokens were given out: ' . scalar(@tokens));
cmp_ok(scalar(@codes), '>=', 1, 'and an authorization code');

my $folder = PostgreSQL::Test::Utils::tempdir();
sub written { my ($name, $text) = @_; PostgreSQL::Test::Utils::append_to_file("$folder/$name", $text); }

my $tables = $node->safe_psql('postgres', <<'SQL');
SELECT string_agg(format('SELECT r::text FROM qbsync.%I r', relname), ' UNION ALL ' ORDER BY relname)
FROM pg_class WHERE relnamespace = 'qbsync'::regnamespace AND relkind IN ('r', 'v', 'm', 'p')
SQL
written('tables', $node->safe_psql('postgres', $tables));
written('bytes', $node->safe_psql('postgres', "SELECT convert_from(record, 'UTF8') FROM qbsync.error WHERE record IS NOT NULL"));
written('activity', $activity);
written('process', $process);
written('statements', $node->safe_psql('postgres', 'SELECT s FROM pg_stat_statements s'));
written('settings', $node->safe_psql('postgres', 'SELECT s FROM pg_settings s'));
$node->command_ok([ 'pg_dumpall', '-d', $node->connstr('postgres'), '-f', "$folder/dump" ], 'the server is dumped');
$node->stop;
written('log', PostgreSQL::Test::Utils::slurp_file($node->logfile));
cmp_ok(-s "$folder/$_", '>', 1000, "there is something to search: $_") foreach qw(tables activity statements dump log process);

# The fragments of a secret: those at its beginning and every $fragment characters after it.
sub fragments
{
	return map { my $secret = $_; map { substr($secret, $_ * $fragment, $fragment) } 0 .. length($secret) / $fragment - 1 } @_;
}

# A file of patterns for grep: fragments as they are, as a bytea shows them, and as Basic authentication sends them.
sub patterns
{
	my ($name, @secrets) = @_;
	my @basic = map { (encode_base64("$simulator->{client_id}:$_", '') =~ /(.{24})=*$/) } @secrets;
	my %all = map { $_ => 1, unpack('H*', $_) => 1 } fragments(@secrets), @basic;
	PostgreSQL::Test::Utils::append_to_file("$folder.$name", join("\n", sort keys %all) . "\n");
	return "$folder.$name";
}

# The files below a folder that hold one of the patterns.
sub found
{
	my ($patterns, @where) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run([ 'grep', '-rlaF', '-f', $patterns, @where ], '>', \$out, '2>', \$err);
	return join(' ', sort map { s/^\Q$folder\E\///r } split /\n/, $out);
}

my %patterns = (
	'access and refresh tokens' => patterns('tokens', @tokens),
	'the client secret' => patterns('client', $simulator->{client_secret}),
	'the key' => patterns('key', $key),
);
written('decoy', 'nothing to see: ' . substr($tokens[0], 24, 12) . ', ' . substr($simulator->{client_secret}, 12, 12) . ", $key");
foreach my $what (sort keys %patterns)
{
	is(found($patterns{$what}, $folder), 'decoy', "$what: in no log, table, view of activity, statement or dump, not even $fragment characters of them");
	is(found($patterns{$what}, $node->data_dir), '', "$what: nowhere in the data directory, write-ahead log included");
}
my $of_codes = patterns('codes', @codes);
is(found($of_codes, map { "$folder/$_" } qw(tables activity statements dump)), '', 'authorization codes: in no table and no dump');

is_quiet($node, 'nothing unexpected in the server log', qr/is for another company/);
done_testing();
