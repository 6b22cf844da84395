# Everything an application does works through pgbouncer with pool_mode = transaction and one server connection for each role:
# views, functions, waiting, edits that go out (CAP-9, CAP-10).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QbsyncTest;
use Test::More;

my ($pgbouncer) = grep { -x } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin';
plan skip_all => 'pgbouncer is not installed' unless $pgbouncer;

my $simulator = start_simulator(customers => 20, invoices => 20, seed => 98);
my $node = new_node('pooled');
install_qbsync($node, $simulator);
connect_company($node, $simulator, poll_interval => '7 days');

my $dir = PostgreSQL::Test::Utils::tempdir;
my $port = PostgreSQL::Test::Cluster::get_free_port();
append_to_file("$dir/users", qq("$_" ""\n)) for qw(app_reader app_admin);
append_to_file("$dir/pgbouncer.ini", sprintf(<<'INI', $node->host, $node->port, $port, $dir, $dir, $dir, $dir));
[databases]
postgres = host=%s port=%s
[pgbouncer]
listen_addr =
listen_port = %s
unix_socket_dir = %s
auth_type = trust
auth_file = %s/users
pool_mode = transaction
default_pool_size = 1
server_reset_query_always = 0
logfile = %s/log
pidfile = %s/pid
INI
my $pooler = IPC::Run::start([ $pgbouncer, '-q', "$dir/pgbouncer.ini" ], '>', "$dir/out", '2>&1');
sub pooled
{
	my ($user, $sql) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', "host=$dir port=$port dbname=postgres user=$user" ], '<', \$sql, '>', \$out, '2>', \$err) or return "error: $err";
	chomp $out;
	return $out;
}
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE app_reader LOGIN IN ROLE qbsync_reader;
CREATE ROLE app_admin LOGIN IN ROLE qbsync_admin, qbsync_operator, qbsync_reader;
CREATE SCHEMA crm AUTHORIZATION app_admin;
GRANT USAGE ON SCHEMA crm TO app_reader;
SQL
await('pgbouncer', sub { pooled('app_reader', 'SELECT 1') eq '1' });

# --- reading -----------------------------------------------------------------------------------------------------------------------

my @views = split /\n/, pooled('app_reader', "SELECT relname FROM pg_class WHERE relnamespace = 'qbsync'::regnamespace AND relkind = 'v' AND has_table_privilege(oid, 'SELECT')");
cmp_ok(scalar @views, '>', 25, 'views');
is(join(' ', grep { pooled('app_reader', "SELECT count(*) FROM qbsync.$_") !~ /^\d+$/ } @views), '', 'CAP-9: every view can be read');

# two sessions take turns on one server connection
my $one = IPC::Run::start([ 'psql', '-XAtq', '-d', "host=$dir port=$port dbname=postgres user=app_reader" ], '<', \my $in, '>', \my $out, '2>&1');
foreach my $turn (1 .. 3)
{
	$in .= "SELECT 'turn $turn', count(*) > 0 FROM qbsync.customer_summary;\n";
	$one->pump until $out =~ /turn $turn\|t\n/ || $out =~ /ERROR/;
	is(pooled('app_reader', "SELECT count(*) > 0 FROM qbsync.invoice_status"), 't', "turn $turn");
}
$in .= "\\q\n";
$one->finish;
unlike($out, qr/ERROR/, 'sessions in turns');

# --- mapping, waiting, writing -----------------------------------------------------------------------------------------------------

is(pooled('app_admin', <<'SQL'), 'contact', 'a mapping is declared');
CREATE TABLE crm.contact (id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY, name text, phone text);
SELECT qbsync_map_table('crm.contact', 'customer', columns => '{"display_name": "name", "primary_phone": "phone"}', name => 'contact');
SQL
is(pooled('app_admin', $_), '', $_) foreach "SELECT qbsync_set(mapping => 'contact', setting => 'pull_new_first', value => 'all')", "SELECT qbsync_enable('contact')";
is(pooled('app_admin', "SELECT qbsync_sync_now('acme') > 0; CALL qbsync_wait('acme', 'synced', '3 min');"), 't', 'qbsync_wait as a statement of its own');
await('the CRM', sub { pooled('app_admin', 'SELECT count(*) FROM crm.contact') eq pooled('app_reader', 'SELECT count(*) FROM qbsync.customer_summary WHERE active') });
is(pooled('app_admin', "BEGIN; UPDATE crm.contact SET phone = '555 0100' WHERE id = 1; COMMIT"), '', 'an edit');
await('the edit in QuickBooks', sub { pooled('app_reader', "SELECT count(*) FROM qbsync.customer_summary WHERE phone = '555 0100'") eq '1' });
is(pooled('app_reader', "SELECT text ~ '^Sent to QuickBooks' FROM qbsync.timeline WHERE kind = 'sent'"), 't', 'CAP-10: it was sent, and the timeline says so');

$pooler->signal('INT');
$pooler->finish;
$simulator->stop;
$node->stop;
is_quiet($node, 'nothing unexpected in the server log');
done_testing();
