# Many companies in one database: three load, one fails in every way, and the others do not notice (EXT-28).  What is asserted is an
# order of events: the others are polled while pages of the three are held back, and after each fault has struck the one.  And a
# second database with the extension (X-27).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use JSON::PP;
use PostgreSQL::Test::Utils;
use QbsyncTest;
use Test::More;

my $others = 10;
my @small = map { "other$_" } 1 .. $others;
my $simulator = start_simulator(seed => 95, options => [ '--no-limits', map { ('--company', $_) } @small, 'failing' ]);
my $large = start_simulator(customers => 5000, seed => 96, options => [ '--no-limits', '--first-realm', '9230000000000001', map { ('--company', "large$_") } 1 .. 3 ]);
my $node = new_node('many', conf => <<'CONF');
max_worker_processes = 16
qbsync.request_timeout = '6 s'
qbsync.max_response_size = '20 MB'
CONF
install_qbsync($node, $simulator);

sub sql { return $node->safe_psql('postgres', $_[0]) }

my %number = map { $small[$_] => $_ } 0 .. $#small;
$number{failing} = $others;
connect_company($node, $simulator, connection => $_, number => $number{$_}, no_wait => 1) for sort keys %number;
wait_synced($node, connection => $_) for sort keys %number;
cmp_ok(sql("SELECT analyze_count FROM pg_stat_all_tables WHERE schemaname = 'qbsync' AND relname = 'customer'"), '<', $others,
	'tables that have grown little are not analyzed for each company');
cmp_ok(sql("SELECT reltuples FROM pg_class WHERE oid = 'qbsync.customer'::regclass"), '>=', 10, 'but they are');

# polled every second, less often than people may set
sql("UPDATE qbsync.connection SET settings = settings || '{\"poll_interval\": \"1 s\"}'; SELECT qbsync.wake()");

# Each of the others was polled after this moment.
sub others_are_polled
{
	my ($name) = @_;
	my $now = sql('SELECT clock_timestamp()');
	ok($node->poll_query_until('postgres', "SELECT count(*) = $others FROM qbsync.connection c JOIN qbsync.cursor u USING (connection_id)
			WHERE c.name LIKE 'other%' AND u.entity = '*' AND u.checked_at > '$now'"), $name);
}

# --- three load ---------------------------------------------------------------------------------------------------------------

# both apps in the credentials file
write_credentials($node, $simulator);
my $path = $node->basedir . '/credentials.json';
my $content = decode_json(slurp_file($path));
$content->{apps}{'large-app'} = { client_secret => $large->{client_secret} };
push @{ $content->{connections} }, map { { app => 'large-app', realm_id => $_->{realm_id}, refresh_token => $_->{refresh_token} } } @{ $large->{companies} };
open(my $file, '>', $path) or die "$path: $!";
print $file encode_json($content);
close $file;
sql(<<"SQL");
INSERT INTO qbsync.environment (name, api_url, authorize_url, token_url, revoke_url, userinfo_url, jwks_uri, issuer, app_url, requests_per_second, requests_per_minute)
SELECT 'large', replace(api_url, u.old, u.new), replace(authorize_url, u.old, u.new), replace(token_url, u.old, u.new), replace(revoke_url, u.old, u.new),
	userinfo_url, jwks_uri, issuer, app_url, 1000, 100000
FROM qbsync.environment, (VALUES ('$simulator->{base_url}', '$large->{base_url}')) u(old, new) WHERE name = 'simulator';
SELECT qbsync_app('large-app', environment => 'large', client_id => '$large->{client_id}', redirect_uri => 'https://crm.example.com/qbo');
SELECT pg_reload_conf();
SQL
# the fourth page of customers is held, after which nothing of the three is written
my $held = $large->fault('hang', kind => 'query', path => 'STARTPOSITION(%20|\+)4001');
foreach my $n (0 .. 2)
{
	my $company = $large->{companies}[$n];
	sql("SELECT qbsync_connect(connection => '$company->{name}', app => 'large-app', realm_id => '$company->{realm_id}')");
	sql("CALL qbsync_wait('$company->{name}', 'connected', '3 min')");
}
sql("SELECT qbsync_confirm_company(name, name) FROM qbsync.connection WHERE name LIKE 'large%'");
await('pages of the three', sub { sql("SELECT count(*) FROM qbsync.cursor u JOIN qbsync.connection c USING (connection_id)
	WHERE c.name LIKE 'large%' AND u.entity = 'customer' AND u.position >= 1000") eq '3' });
others_are_polled("EXT-28: the others are polled while three load, round $_") for 1 .. 3;
is(sql("SELECT string_agg(DISTINCT state, ',') FROM qbsync.connection WHERE name LIKE 'large%'"), 'loading', 'the three are loading still');
$large->clear_faults($held);

# --- one fails in every way -------------------------------------------------------------------------------------------------------

my $realm = $simulator->{companies}[ $number{failing} ]{realm_id};
my @faults = ([ '401', times => 1 ], ['hang'], ['truncated'], ['cut_before'], ['503_html'], ['bad_json'], [ '429_retry_after', seconds => 3600 ]);
foreach my $fault (@faults)
{
	my ($what, %options) = @$fault;
	my $rule = $simulator->fault($what, realm => $realm, %options);
	await($what, sub {
		# somebody asks again and again, so that no back-off keeps the company from failing
		sql("SELECT qbsync_sync_now('failing') FROM qbsync.connection WHERE name = 'failing' AND state = 'live'");
		return $simulator->hits($rule) > 0;
	});
	others_are_polled("EXT-28: the others are polled when a request of one has met $what" . join '', map { " $_" } %options);
	$simulator->clear_faults($rule);
}
is(sql("SELECT problem, next_attempt_at > now() + interval '50 min' FROM qbsync.status WHERE connection = 'failing'"), 'throttled|t', 'who is told to wait for an hour waits');
others_are_polled('EXT-28: and the others do not');

# --- the end ----------------------------------------------------------------------------------------------------------------------

is(sql("SELECT string_agg(connection || ' ' || coalesce(problem, 'no problem'), ',') FROM qbsync.status WHERE connection LIKE 'other%' AND (problem IS NOT NULL OR state <> 'live')"), '',
	'EXT-28: nothing is shown of the others');
is(sql("SELECT count(*) FROM qbsync.http_log l JOIN qbsync.connection c USING (connection_id) WHERE c.name LIKE 'other%' AND l.status <> 200"), '0',
	'EXT-28: and no request of theirs has failed');
is_mirrored($node, $simulator, "EXT-28: $_ equals its company", connection => $_, number => $number{$_}) for $small[0], $small[-1];
foreach my $n (0 .. 2)
{
	sql("CALL qbsync_wait('$large->{companies}[$n]{name}', 'synced', '180 s')");
	is_mirrored($node, $large, "EXT-28: $large->{companies}[$n]{name} is complete", connection => $large->{companies}[$n]{name}, number => $n);
}

# another database, another gateway; companies of one are not those of the other
$node->safe_psql('postgres', 'CREATE DATABASE second');
install_qbsync($node, $simulator, database => 'second', keep_credentials => 1);
is($node->safe_psql('second', 'SELECT count(*) FROM qbsync.status'), '0', 'X-27: a second database begins empty');
await('its gateway', sub { gateway_pid($node, 'second') ne '' });
isnt(gateway_pid($node, 'second'), gateway_pid($node), 'X-27: with a gateway of its own');
others_are_polled('X-27: and the first goes on');

$node->stop;
is_quiet($node, 'nothing unexpected in the server log');
done_testing();
