# What the TAP tests share: a simulator, a server with qbsync, a connected company, and the comparison of the mirror with
# the simulator's store.
package QbsyncTest;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use HTTP::Tiny;
use JSON::PP;
use List::Util qw(min);
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

our @EXPORT = qw(start_simulator new_node install_qbsync write_credentials connect_company wait_synced
  mirror_differences is_mirrored is_quiet await gateway_pid seen_is_durable);

my $root = abs_path(dirname(__FILE__) . '/../..');

# --- simulator ----------------------------------------------------------------------------------------------------

# start_simulator(customers => N, invoices => N, estimates => N, seed => N, options => [...], data => FILE, port => N)
# Keys of the object: base_url, client_id, client_secret, companies, realm (of the first company).
sub start_simulator
{
	my (%arg) = @_;
	my $self = bless { arg => \%arg }, 'QbsyncTest::Simulator';
	$self->start;
	return $self;
}

# Wait until a code block returns true; dies after a deadline that no healthy machine reaches.  It is asked the seldomer the longer
# it takes, for asking costs more than what is waited for.
sub await
{
	my ($what, $condition, $seconds) = @_;
	my $begin = time;
	my $deadline = $begin + ($seconds // $PostgreSQL::Test::Utils::timeout_default);
	while (1)
	{
		my $result = $condition->();
		return $result if $result;
		die "timed out waiting for $what" if time > $deadline;
		select(undef, undef, undef, min(0.2, 0.05 + (time - $begin) / 40));
	}
}

# --- server ---------------------------------------------------------------------------------------------------------

# A server with qbsync preloaded, started; conf: further lines of postgresql.conf; install_path: where its programs are.
sub new_node
{
	my ($name, %arg) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name, $arg{install_path} ? (install_path => $arg{install_path}) : ());
	$node->init(extra => [ '--encoding=UTF8', '--no-locale' ], allows_streaming => $arg{streaming} // 0);
	$node->append_conf('postgresql.conf', <<"CONF");
shared_preload_libraries = 'qbsync'
qbsync.credentials_file = '@{[ $node->basedir ]}/credentials.json'
qbsync.key_file = '@{[ $node->basedir ]}/qbsync.key'
log_min_messages = info
log_line_prefix = '%m [%p] %b '
CONF
	$node->append_conf('postgresql.conf', $arg{conf}) if $arg{conf};
	$node->start;
	return $node;
}

# The credentials file for a simulator: app "my-app", and the refresh tokens of its companies unless told otherwise.
sub write_credentials
{
	my ($node, $simulator, %arg) = @_;
	my $path = $node->basedir . '/credentials.json';
	my %content = (
		apps => { 'my-app' => { client_secret => $arg{client_secret} // $simulator->{client_secret},
				$arg{webhook_verifier} ? (webhook_verifier => $arg{webhook_verifier}) : () } },
		connections => $arg{connections} // [
			map { { app => 'my-app', realm_id => $_->{realm_id}, refresh_token => $_->{refresh_token} } }
			  @{ $simulator->{companies} } ]);
	unlink $path;
	open(my $file, '>', $path) or die "$path: $!";
	print $file encode_json(\%content);
	close $file;
	chmod 0600, $path;
}

# CREATE EXTENSION, an environment that points to the simulator, an app.  environment: values to override; hold: nothing is ever
# sent to QuickBooks, for tests of the way in, whose edits of the CRM are to stay in the CRM.
sub install_qbsync
{
	my ($node, $simulator, %arg) = @_;
	my $database = $arg{database} // 'postgres';
	my $url = $simulator->{base_url};
	my %limits = (requests_per_second => 1000, requests_per_minute => 100000, concurrency => 8,
		limit_window => "'1 min'", throttle_wait => "'1 s'", %{ $arg{environment} // {} });
	my $columns = join ', ', sort keys %limits;
	my $values = join ', ', map { $limits{$_} } sort keys %limits;

	write_credentials($node, $simulator) unless $arg{keep_credentials};
	$node->safe_psql($database, <<"SQL");
CREATE EXTENSION qbsync;
INSERT INTO qbsync.environment (name, api_url, authorize_url, token_url, revoke_url, userinfo_url, jwks_uri, issuer, app_url, $columns)
VALUES ('simulator', '$url', '$url/connect/oauth2', '$url/oauth2/v1/tokens/bearer', '$url/v2/oauth2/tokens/revoke',
	'$url/v1/openid_connect/userinfo', '$url/op/v1/jwks', '$url/op/v1', 'https://app.qbo.intuit.com', $values);
SELECT qbsync_app('my-app', environment => 'simulator', client_id => '$simulator->{client_id}',
	redirect_uri => 'https://crm.example.com/qbo');
SQL
	$node->safe_psql($database, <<'SQL') if $arg{hold};
CREATE OR REPLACE FUNCTION public.hold_request() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER hold BEFORE INSERT ON qbsync.request FOR EACH ROW EXECUTE FUNCTION public.hold_request();
SQL
}

# Connect a company of the simulator by the credentials file, confirm it and, unless told otherwise, wait for it.
sub connect_company
{
	my ($node, $simulator, %arg) = @_;
	my $database = $arg{database} // 'postgres';
	my $connection = $arg{connection} // 'acme';
	my $company = $simulator->{companies}[ $arg{number} // 0 ];
	my $name = $company->{name} =~ s/'/''/gr;

	$node->safe_psql($database,
		"SELECT qbsync_connect(connection => '$connection', app => 'my-app', realm_id => '$company->{realm_id}')");
	$node->safe_psql($database, "CALL qbsync_wait('$connection', 'connected', '3 min')");
	$node->safe_psql($database, "SELECT qbsync_confirm_company('$connection', '$name')");
	$node->safe_psql($database, "SELECT qbsync_set('$connection', 'poll_interval', '$arg{poll_interval}')")
	  if $arg{poll_interval};
	wait_synced($node, connection => $connection, database => $database) unless $arg{no_wait};
}

# Ask for a sync and wait until it is done and the company is complete.
sub wait_synced
{
	my ($node, %arg) = @_;
	my $database = $arg{database} // 'postgres';
	my $connection = $arg{connection} // 'acme';
	$node->safe_psql($database, "SELECT qbsync_sync_now('$connection')") if $arg{sync};
	$node->safe_psql($database, "CALL qbsync_wait('$connection', 'synced', '180 s')");
}

# Process id of the gateway of a database, '' if there is none.
sub gateway_pid
{
	my ($node, $database) = @_;
	$database //= 'postgres';
	return $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE backend_type = 'qbsync gateway' AND datname = '$database'");
}

# Commits of the gateway, and turns of a first sync, do not wait for the disk, in order and whole: a commit that does takes along what
# was seen of them, so that no crash takes it back.
sub seen_is_durable
{
	my ($node) = @_;
	$node->safe_psql('postgres', "SELECT FROM pg_logical_emit_message(true, 'test', 'seen')");
}

# --- comparison ---------------------------------------------------------------------------------------------------

# Differences between the simulator's store and the mirror, as text; '' if there are none.  Records are compared whole.
sub mirror_differences
{
	my ($node, $simulator, %arg) = @_;
	my $database = $arg{database} // 'postgres';
	my $connection = $arg{connection} // 'acme';
	my $realm = $simulator->{companies}[ $arg{number} // 0 ]{realm_id};
	my %tables = map { split /=/ } split /\n/,
	  $node->safe_psql($database, q{SELECT object || '=' || entity FROM qbsync.catalogue WHERE NOT singleton AND entity <> 'exchange_rate'}
		  . " AND qbsync.is_mirrored((SELECT connection_id FROM qbsync.connection WHERE name = '$connection'), entity)");
	my $sql = '';
	my @files;

	foreach my $entity (sort keys %tables)
	{
		my $file = $node->basedir . "/store-$entity.json";
		open(my $out, '>:raw', $file) or die "$file: $!";
		print $out $simulator->store($entity, $realm);
		close $out;
		push @files, $file;
		$sql .= <<"SQL";
WITH answer AS (SELECT pg_read_file('$file')::jsonb AS body),
theirs AS (SELECT o ->> 'Id' AS id, o FROM answer, jsonb_array_elements(body -> 'objects') AS o),
ours AS (SELECT m.id, m.raw FROM qbsync.$tables{$entity} m JOIN qbsync.connection c USING (connection_id)
	WHERE c.name = '$connection' AND m.deleted_at IS NULL)
SELECT format('%s %s: %s', '$entity', coalesce(theirs.id, ours.id),
	CASE WHEN ours.id IS NULL THEN 'missing here' WHEN theirs.id IS NULL THEN 'too much here'
		ELSE 'differs: ' || o::text || ' / ' || raw::text END)
FROM theirs FULL JOIN ours USING (id) WHERE o IS DISTINCT FROM raw LIMIT 5;
SQL
	}
	my $differences = $node->safe_psql($database, $sql);
	unlink @files;
	return $differences;
}

# The mirror equals the store, record by record (one test).
sub is_mirrored
{
	my ($node, $simulator, $name, %arg) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(mirror_differences($node, $simulator, %arg), '', $name);
}

# What a server may say at any time: processes that a test ends, or has ended already; autovacuum that makes way, or is late.
my @always = (qr/due to administrator command/, qr/WARNING:  PID \d+ is not a PostgreSQL/, qr/canceling autovacuum task/, qr/worker took too long to start/);

# The server's log holds no warning and no error but the expected ones (patterns).
sub is_quiet
{
	my ($node, $name, @expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @loud = grep { /\b(WARNING|ERROR|FATAL|PANIC):|was terminated by signal/ }
	  split /\n/, PostgreSQL::Test::Utils::slurp_file($node->logfile);
	foreach my $pattern (@always, @expected)
	{
		@loud = grep { $_ !~ $pattern } @loud;
	}
	is(join("\n", @loud), '', $name);
}

package QbsyncTest::Simulator;

use strict;
use warnings;

use HTTP::Tiny;
use JSON::PP;
use IPC::Open3 ();
use Symbol ();

# Start the process (again, on the same port and data, if it ran before).
sub start
{
	my ($self) = @_;
	my $arg = $self->{arg};
	my @command = ('python3', "$root/test/simulator", '--port', $self->{port} // $arg->{port} // 0, '--control');
	push @command, '--data', $arg->{data} if $arg->{data};
	push @command, "--$_", $arg->{$_} for grep { defined $arg->{$_} } qw(customers invoices estimates seed);
	push @command, @{ $arg->{options} // ['--no-limits'] };

	my $log = PostgreSQL::Test::Utils::tempdir() . '/simulator.log';
	open(my $errors, '>>', $log) or die "$log: $!";
	my $out = Symbol::gensym();
	open(my $nothing, '<', '/dev/null') or die "/dev/null: $!";
	$self->{pid} = IPC::Open3::open3('<&' . fileno($nothing), $out, '>&' . fileno($errors), @command);
	my $line = <$out>;
	die "the simulator did not start; see $log" unless $line;
	my $said = decode_json($line);
	$self->{$_} = $said->{$_} for qw(base_url client_id client_secret companies);
	$self->{realm} = $said->{companies}[0]{realm_id};
	($self->{port}) = $said->{base_url} =~ /:(\d+)/;
	$self->{out} = $out;
}

# End it; signal KILL for a crash.
sub stop
{
	my ($self, $signal) = @_;
	return unless $self->{pid};
	kill $signal // 'TERM', $self->{pid};
	waitpid $self->{pid}, 0;
	delete $self->{pid};
}

sub DESTROY
{
	my ($self) = @_;
	local $?;
	$self->stop('KILL');
}

# A request of the control API; body: a hash for POST.  Returns the decoded answer.
sub control
{
	my ($self, $method, $path, $body) = @_;
	my $answer = HTTP::Tiny->new(timeout => 60)->request($method, "$self->{base_url}/control/$path",
		$body ? { content => encode_json($body), headers => { 'Content-Type' => 'application/json' } } : {});
	die "control $method $path: $answer->{status} $answer->{content}" unless $answer->{success};
	return $answer->{content} eq '' ? undef : decode_json($answer->{content});
}

# What a person does in QuickBooks (doc/simulator.md, Acts).  Returns the object afterwards.
sub act
{
	my ($self, $act, %arg) = @_;
	return $self->control('POST', 'act', { act => $act, %arg });
}

# Set switches; returns their values from before, so that a test can put them back.
sub settings
{
	my ($self, %values) = @_;
	my $before = $self->control('GET', 'settings');
	$self->control('POST', 'settings', \%values) if %values;
	return map { $_ => $before->{$_} } keys %values;
}

# Add a fault rule; match goes into its match, all else is the rule's own.  Returns its id.
#   $simulator->fault('cut_after', kind => 'write', every => 7);
#   $simulator->fault('code', kind => 'object', entity => 'Customer', body => 'Tremblay', code => '6240', times => 1);
sub fault
{
	my ($self, $fault, %arg) = @_;
	my %match = map { $_ => delete $arg{$_} } grep { exists $arg{$_} } qw(kind entity realm path body);
	return $self->control('POST', 'faults', { fault => $fault, match => \%match, %arg })->{rules}[0]{id};
}

# How often a rule has struck.
sub hits
{
	my ($self, $id) = @_;
	my ($rule) = grep { $_->{id} == $id } @{ $self->control('GET', 'faults')->{rules} };
	return $rule ? $rule->{hits} : undef;
}

# End one rule, or all; what they hold goes on.
sub clear_faults
{
	my ($self, $id) = @_;
	return $self->control('DELETE', 'faults' . (defined $id ? "?id=$id" : ''))->{cleared};
}

# Accepted writes after a number of the ledger; only: values its entries must have, e.g. source => 'api'.
sub ledger
{
	my ($self, $after, %only) = @_;
	my @entries = @{ $self->control('GET', 'ledger?after=' . ($after // 0))->{entries} };
	foreach my $name (keys %only)
	{
		@entries = grep { ($_->{$name} // '') eq $only{$name} } @entries;
	}
	return @entries;
}

# The number of the newest entry of the ledger.
sub ledger_end
{
	my ($self) = @_;
	return $self->control('GET', 'ledger?after=999999999')->{last};
}

# All counters.
sub stats
{
	my ($self) = @_;
	return $self->control('GET', 'stats');
}

# An object as it is now, or undef; the objects of an entity by id without one.
sub objects
{
	my ($self, $entity, $id) = @_;
	my %found = map { $_->{Id} => $_ } @{ decode_json($self->store($entity))->{objects} };
	return defined $id ? $found{$id} : \%found;
}

# Every state an object had, oldest first.
sub versions
{
	my ($self, $entity, $id) = @_;
	return @{ $self->control('GET', "versions?entity=$entity&id=$id")->{versions} };
}

# Let simulated time pass.
sub advance
{
	my ($self, $seconds) = @_;
	return $self->control('POST', 'clock', { advance => $seconds });
}

# A call of the accounting API as another client, with a consent of its own; returns status and decoded answer.
sub call
{
	my ($self, $method, $path, $body, $again) = @_;
	my $http = HTTP::Tiny->new(timeout => 60);
	unless ($self->{access_token})
	{
		my $before = ($self->settings(second_consent_ends_first => JSON::PP::false))[1];
		my $grant = $self->control('POST', 'grant', {});
		$self->settings(second_consent_ends_first => $before);
		my $answer = $http->post_form("$self->{base_url}/oauth2/v1/tokens/bearer",
			{ grant_type => 'refresh_token', refresh_token => $grant->{refresh_token},
				client_id => $self->{client_id}, client_secret => $self->{client_secret} });
		$self->{access_token} = decode_json($answer->{content})->{access_token};
	}
	my $answer = $http->request($method, "$self->{base_url}/v3/company/$self->{realm}/$path",
		{ headers => { Authorization => "Bearer $self->{access_token}", Accept => 'application/json',
				'Content-Type' => 'application/json' },
			$body ? (content => encode_json($body)) : () });
	if ($answer->{status} == 401 && !$again)
	{
		delete $self->{access_token};
		return $self->call($method, $path, $body, 1);
	}
	my $decoded = eval { decode_json($answer->{content}) };
	return ($answer->{status}, $decoded // $answer->{content});
}

# All objects of an entity, as JSON text.
sub store
{
	my ($self, $entity, $realm) = @_;
	$realm //= $self->{realm};
	my $answer = HTTP::Tiny->new(timeout => 60)->get("$self->{base_url}/control/store?realm=$realm&entity=$entity");
	die "control store: $answer->{status}" unless $answer->{success};
	return $answer->{content};
}

1;
