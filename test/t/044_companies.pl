# Several companies in one database, several databases, disconnecting and coming back, rights (X-27, X-28, EXT-28, EXT-29).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use JSON::PP;
use PostgreSQL::Test::Utils;
use QbsyncListener;
use QbsyncTest;
use Test::More;

# three companies whose ids are the same
my $simulator = start_simulator(customers => 50, invoices => 50, seed => 44,
	options => [ '--no-limits', '--company', 'Paysages Laval inc.', '--company', "L'Atelier d'O'Brien", '--company', 'Serres & fils' ]);
my @names = qw(acme beta gamma);
my $node = new_node('companies');
$node->safe_psql('postgres', 'CREATE DATABASE crm; CREATE DATABASE other');
install_qbsync($node, $simulator, database => 'crm');

sub sql { return $node->safe_psql('crm', $_[0]) }
sub connect_number { my ($number, %more) = @_; connect_company($node, $simulator, database => 'crm', number => $number, connection => $names[$number], poll_interval => '7 days', %more) }
sub metered { my ($number) = @_; return $simulator->control('GET', 'stats')->{metered}{ $simulator->{companies}[$number]{realm_id} } // 0 }
sub change { my ($number, $seed) = @_; $simulator->control('POST', 'random', { realm => $simulator->{companies}[$number]{realm_id}, seed => $seed, n => 25 }) }
sub mirrored { my ($number, $name) = @_; is_mirrored($node, $simulator, $name, database => 'crm', number => $number, connection => $names[$number]) }

# all three at once
connect_number($_, no_wait => 1) for 0 .. 2;
wait_synced($node, database => 'crm', connection => $_) for @names;
mirrored($_, "X-27, ORD-5, EXT-29: $names[$_] is mirrored among companies with the same ids") for 0 .. 2;
is(sql("SELECT count(*) FROM qbsync.customer WHERE id = '1'"), '3', 'each has a customer 1');
is(sql('SELECT string_agg(company_name, \', \' ORDER BY connection) FROM qbsync.status'), "Paysages Laval inc., L'Atelier d'O'Brien, Serres & fils", 'each has its own name');

# changes of one are changes of one
my $listener = QbsyncListener->new($node, 'crm');
change(1, 1);
$simulator->control('POST', 'act', { realm => $simulator->{companies}[2]{realm_id}, act => 'edit', entity => 'Customer', id => '1', set => { DisplayName => 'Seulement chez gamma' } });
sql("SELECT qbsync_sync_now('$_')") for @names;
wait_synced($node, database => 'crm', connection => $_) for @names;
is(sql("SELECT string_agg(connection, ',') FROM qbsync.customer_summary WHERE display_name = 'Seulement chez gamma'"), 'gamma', 'EXT-28: a change stays in its company');
is(join(',', do { my %seen; grep { !$seen{$_}++ } map { $_->{connection} } $listener->heard }), 'beta,gamma', 'and listeners are told of the right ones');
mirrored($_, "EXT-28: $names[$_] after changes of some") for 0 .. 2;
my ($code, undef, $error) = $node->psql('crm', 'SELECT qbsync_sync_now()');
like($error, qr/several connections.*acme.*beta.*gamma/s, 'with several connections one must be named');
($code, undef, $error) = $node->psql('crm', "SELECT qbsync_connect(connection => 'twin', app => 'my-app', realm_id => '$simulator->{realm}')");
like($error, qr/acme/, 'a company is connected once only');

# what goes wrong with one does not touch the others
$simulator->control('POST', 'act', { realm => $simulator->{companies}[1]{realm_id}, act => 'disconnect' });
change(2, 2);
sql("SELECT qbsync_sync_now('beta'); SELECT qbsync_sync_now('gamma')");
wait_synced($node, database => 'crm', connection => 'gamma');
await('beta', sub { sql("SELECT state FROM qbsync.connection WHERE name = 'beta'") eq 'reauthorize' });
is(sql("SELECT string_agg(connection || ' ' || state || ' ' || ok, ',' ORDER BY connection) FROM qbsync.status"),
	'acme live true,beta reauthorize false,gamma live true', 'EXT-28: a grant that was revoked stops its company only');
mirrored(2, 'the others go on');
cmp_ok(sql("SELECT count(*) FROM qbsync.customer_summary WHERE connection = 'beta'"), '>', 40, 'and its data stays in the views');
like(sql("SELECT what_to_do FROM qbsync.status WHERE connection = 'beta'"), qr/qbsync_authorize_url\(connection => 'beta'\)/, 'its status names it');

# A new consent for a company: its token into the credentials file.
sub reconnect
{
	my ($number) = @_;
	my $grant = $simulator->control('POST', 'grant', { realm => $simulator->{companies}[$number]{realm_id} });
	write_credentials($node, $simulator, connections => [ { app => 'my-app', realm_id => $grant->{realm_id}, refresh_token => $grant->{refresh_token} } ]);
	# a company that is disconnected gets its token when it is connected, others when the file is read
	my $disconnected = sql("SELECT state = 'disconnected' FROM qbsync.connection WHERE name = '$names[$number]'") eq 't';
	my $token = sub { sql("SELECT coalesce(max(s.updated_at)::text, '') FROM qbsync.secret s JOIN qbsync.connection c ON s.owner = c.connection_id::text
		WHERE s.owner_kind = 'connection' AND s.kind = 'refresh_token' AND c.name = '$names[$number]'") };
	my $before = $token->();
	$node->reload;
	await('the token', sub { $disconnected || $token->() ne $before });
	sql("SELECT qbsync_connect(connection => '$names[$number]', realm_id => '$grant->{realm_id}')");
	$node->safe_psql('crm', "CALL qbsync_wait('$names[$number]', 'connected', '3 min')");
	wait_synced($node, database => 'crm', connection => $names[$number]);
}
my $others = sql("SELECT md5(string_agg(c::text || c.xmin::text, ',' ORDER BY connection_id, id)) FROM qbsync.customer c WHERE connection_id <> 2");
change(1, 3);
reconnect(1);
mirrored(1, 'X-28: after a new sign-in it goes on and has what changed meanwhile');

# pausing one
sql("SELECT qbsync_pause('acme')");
my $metered = metered(0);
change($_, 4) for 0, 1;
wait_synced($node, database => 'crm', connection => 'beta', sync => 1);
is(metered(0), $metered, 'a paused company is not read');
mirrored(1, 'the others are');
sql("SELECT qbsync_resume('acme')");
wait_synced($node, database => 'crm', connection => 'acme', sync => 1);
mirrored(0, 'and it goes on afterwards');

# --- disconnecting (CAP-61, CAP-62, X-28) -------------------------------------------------------------------------------------

sub disconnect
{
	my ($number, $mode) = @_;
	sql("SELECT qbsync_disconnect('$names[$number]', confirm => true, mode => '$mode')");
	$node->safe_psql('crm', "CALL qbsync_wait('$names[$number]', 'disconnected', '3 min')");
}
sub shown { return sql("SELECT count(*) FROM qbsync.customer_summary WHERE connection = '$names[$_[0]]'") . ' ' . sql("SELECT count(*) FROM qbsync.invoice_status WHERE connection = '$names[$_[0]]'") }
sub kept { return sql("SELECT count(*) FROM qbsync.customer JOIN qbsync.connection USING (connection_id) WHERE name = '$names[$_[0]]'") }

my $customers = kept(0);
my %rest = map { $_ => shown($_) } 0 .. 2;
foreach my $mode (qw(hide pause purge_mirror))
{
	disconnect(0, $mode);
	my $grants = $simulator->control('GET', 'tokens')->{grants};
	is(sql("SELECT count(*) FROM qbsync.secret WHERE owner_kind = 'connection' AND owner = '1'"), '0', "X-28 $mode: no token is left");
	is(shown(0), $mode eq 'pause' ? $rest{0} : '0 0', "CAP-62 $mode: " . ($mode eq 'pause' ? 'the views go on showing it' : 'the views do not show it'));
	is(kept(0), $mode eq 'purge_mirror' ? 0 : $customers, "X-28 $mode: the mirror " . ($mode eq 'purge_mirror' ? 'is empty' : 'is kept'));
	is(shown(1) . shown(2), "$rest{1}$rest{2}", "EXT-28 $mode: the other companies are untouched");
	$metered = metered(0);
	change($_, length $mode) for 0, 2;
	wait_synced($node, database => 'crm', connection => 'gamma', sync => 1);
	is(metered(0), $metered, "$mode: it is not read any more");
	mirrored(2, "$mode: another one is");
	reconnect(0);
	is(sql("SELECT count(*), min(connection_id) FROM qbsync.connection WHERE name = 'acme'"), '1|1', "X-28 $mode: connected again, it is the same connection");
	mirrored(0, "X-28 $mode: it goes on, without duplicates and with what changed meanwhile");
	is(sql("SELECT count(*) FROM qbsync.customer_summary WHERE connection = 'acme'"), sql("SELECT count(*) FROM qbsync.customer WHERE connection_id = 1 AND deleted_at IS NULL"), "$mode: shown again");
	$customers = kept(0);
	sql("SELECT qbsync_set('acme', 'keep_visible', NULL)");
	%rest = map { $_ => shown($_) } 0 .. 2;
}

# --- another database ---------------------------------------------------------------------------------------------------------------

disconnect(2, 'purge_mirror');
my $grant = $simulator->control('POST', 'grant', { realm => $simulator->{companies}[2]{realm_id} });
write_credentials($node, $simulator, connections => [ { app => 'my-app', realm_id => $grant->{realm_id}, refresh_token => $grant->{refresh_token} } ]);
install_qbsync($node, $simulator, database => 'other', keep_credentials => 1);
$node->safe_psql('other', "SELECT qbsync_connect(connection => 'acme', app => 'my-app', realm_id => '$grant->{realm_id}')");
$node->safe_psql('other', "CALL qbsync_wait('acme', 'connected', '3 min')");
$node->safe_psql('other', "SELECT qbsync_confirm_company('acme', 'Serres & fils')");
wait_synced($node, database => 'other');
is_mirrored($node, $simulator, 'X-27: a second database has its own company', database => 'other', number => 2);
change($_, 9) for 0, 2;
wait_synced($node, database => $_, sync => 1) for qw(crm other);
mirrored(0, 'and the first one its own');
is_mirrored($node, $simulator, 'both under the same name of connection', database => 'other', number => 2);
is($node->safe_psql('postgres', "SELECT count(DISTINCT pid) FROM pg_stat_activity WHERE backend_type = 'qbsync gateway'"), '2', 'each has a gateway');

# --- rights ---------------------------------------------------------------------------------------------------------------------------

sql('CREATE ROLE stranger; CREATE ROLE reader; CREATE ROLE operator; CREATE ROLE admin;
	GRANT qbsync_reader TO reader; GRANT qbsync_operator TO operator; GRANT qbsync_admin TO admin');
# statement, who may: r(eader), o(perator), a(dmin)
my @rights = (
	[ 'SELECT count(*) FROM qbsync.status', 'roa' ], [ 'SELECT count(*) FROM qbsync.customer_summary', 'roa' ],
	[ 'SELECT count(*) FROM qbsync.invoice_status', 'roa' ], [ 'SELECT count(*) FROM qbsync.invoice_payment', 'roa' ],
	[ 'SELECT count(*) FROM qbsync.progress', 'roa' ], [ 'SELECT count(*) FROM qbsync.error_open', 'roa' ],
	[ 'SELECT count(*) FROM qbsync.customer', 'roa' ], [ "SELECT qbsync_open_url('invoice', '1', 'acme')", 'roa' ],
	[ 'SELECT count(*) FROM qbsync.job', 'oa' ], [ 'SELECT count(*) FROM qbsync.cursor', 'oa' ],
	[ 'SELECT count(*) FROM qbsync.http_log', 'oa' ], [ 'SELECT count(*) FROM qbsync.error', 'oa' ],
	[ "SELECT qbsync_sync_now('acme')", 'oa' ], [ "SELECT qbsync_pause('acme')", 'oa' ], [ "SELECT qbsync_resume('acme')", 'oa' ],
	[ "CALL qbsync_wait('acme')", 'oa' ], [ "SELECT qbsync_disconnect_notice('1')", 'oa' ],
	[ 'SELECT count(*) FROM qbsync.connection', 'a' ], [ 'SELECT count(*) FROM qbsync.app', 'a' ], [ 'SELECT count(*) FROM qbsync.environment', 'a' ],
	[ "SELECT qbsync_set('acme', 'poll_interval', '7 days')", 'a' ], [ "SELECT qbsync_authorize_url('acme')", 'a' ],
	[ "SELECT qbsync_app('my-app', monthly_reads => 500000)", 'a' ], [ "SELECT qbsync_confirm_company('acme', 'Paysages Laval inc.')", 'a' ],
	[ 'SELECT qbsync_worker_restart()', 'a' ],
	[ 'SELECT count(*) FROM qbsync.secret', '' ], [ 'SELECT count(*) FROM qbsync."authorization"', '' ],
	[ "UPDATE qbsync.connection SET state = 'live'", '' ], [ 'DELETE FROM qbsync.customer', '' ], [ "INSERT INTO qbsync.job (connection_id, kind) VALUES (1, 'sync')", '' ],
	[ "SELECT qbsync.store_secret('connection', '1', 'refresh_token', md5('x'))", '' ], [ 'SELECT qbsync.purge_mirror(1)', '' ]);
foreach my $right (@rights)
{
	my ($statement, $who) = @$right;
	my $may = join ' ', map {
		my $role = $_;
		my (undef, undef, $refusal) = $node->psql('crm', "SET ROLE $role;\n$statement");
		$refusal =~ /permission denied/ ? () : $refusal =~ /ERROR/ ? "$role: $refusal" : $role
	} qw(stranger reader operator admin);
	my %roles = (r => 'reader', o => 'operator', a => 'admin');
	is($may, join(' ', map { $roles{$_} } split //, $who), "EXT-28: who may: $statement");
}

$listener->quit;
$node->stop;
is_quiet($node, 'nothing unexpected in the server log', qr/permission denied|several connections|is connected|already/);
done_testing();
