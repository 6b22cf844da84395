# Commands that need a database for themselves, while its gateway runs; more than one database; qbsync.databases.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'qbsync'\nmax_worker_processes = 16\n");
$node->start;

# The database "postgres" never has the extension here.
sub gateways_are
{
	my ($expected, $name) = @_;
	ok( $node->poll_query_until(
			'postgres',
			"SELECT coalesce(string_agg(datname, ' ' ORDER BY datname), '') FROM pg_stat_activity WHERE backend_type = 'qbsync gateway'",
			$expected),
		$name);
	foreach my $database (split / /, $expected)
	{
		ok($node->poll_query_until($database, "SELECT qbsync.worker_state() = 'running'"), "gateway of $database runs");
	}
	return;
}

sub quick
{
	my ($sql, $name) = @_;
	my $start = time;
	my ($code, undef, $err) = $node->psql('postgres', $sql);
	is($code, 0, $name) or diag($err);
	note(sprintf '%.1f s', time - $start);		# it gives up after five
	return;
}

$node->safe_psql('postgres', "CREATE DATABASE $_") foreach qw(one two);
$node->safe_psql($_, 'CREATE EXTENSION qbsync') foreach qw(one two);
gateways_are('one two', 'two databases, two gateways');

quick('ALTER DATABASE one RENAME TO uno', 'RENAME DATABASE while its gateway runs');
gateways_are('two uno', 'the gateway is back after RENAME');

quick('BEGIN; ALTER DATABASE uno RENAME TO one; ROLLBACK', 'RENAME DATABASE rolled back');
gateways_are('two uno', 'the gateway is back after the rollback');

# The copy has the extension: it gets a gateway of its own.
quick('CREATE DATABASE copy TEMPLATE uno', 'CREATE DATABASE ... TEMPLATE while the gateway of the template runs');
gateways_are('copy two uno', 'both have a gateway after the copy');

{
	my ($code, undef, $err) = $node->psql('uno', 'CREATE DATABASE copy2 TEMPLATE uno');
	is($code, 0, 'a database can be copied from within') or diag($err);
	gateways_are('copy copy2 two uno', 'every copy has a gateway');
}

# A command that fails, and one that is not allowed, leave everything as it was.
{
	my ($code) = $node->psql('postgres', 'ALTER DATABASE uno RENAME TO two');
	isnt($code, 0, 'RENAME to a name that exists fails');
	gateways_are('copy copy2 two uno', 'the gateway is back after a command that failed');

	my $before = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'qbsync gateway' AND datname = 'uno'");
	$node->safe_psql('postgres', 'CREATE ROLE nobody CREATEDB');
	foreach my $sql ('DROP DATABASE uno', 'ALTER DATABASE uno RENAME TO due', 'CREATE DATABASE due TEMPLATE uno')
	{
		my (undef, undef, $err) = $node->psql('postgres', "SET ROLE nobody;\n$sql");
		like($err, qr/must be owner of database|permission denied to copy database/, "not allowed: $sql");
	}
	is( $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'qbsync gateway' AND datname = 'uno'"),
		$before, 'who may not run the command cannot end the gateway either (EXT-23)');
	my (undef, undef, $err) = $node->psql('uno', 'DROP DATABASE uno');
	like($err, qr/currently open/, 'the own database cannot be dropped');
}

# Tablespace
{
	my $dir = PostgreSQL::Test::Utils::tempdir;
	$node->safe_psql('postgres', "CREATE TABLESPACE elsewhere LOCATION '$dir'");
	quick('ALTER DATABASE uno SET TABLESPACE elsewhere', 'SET TABLESPACE while the gateway runs');
	gateways_are('copy copy2 two uno', 'the gateway is back after SET TABLESPACE');
}

quick('DROP DATABASE uno', 'DROP DATABASE while its gateway runs');
quick('DROP DATABASE copy2 WITH (FORCE)', 'DROP DATABASE WITH (FORCE)');
gateways_are('copy two', 'dropped databases are forgotten, others stay');
quick('DROP DATABASE IF EXISTS uno', 'DROP DATABASE IF EXISTS of none');
quick('CREATE DATABASE plain', 'a database without a gateway');
quick('DROP DATABASE plain', 'DROP of a database without a gateway is not delayed');

# The owner need not be a superuser, whose processes the gateways are.
$node->safe_psql('postgres', 'CREATE ROLE owner CREATEDB; ALTER DATABASE copy OWNER TO owner');
quick("SET ROLE owner;\nDROP DATABASE copy", 'an ordinary owner drops a database with a gateway');
gateways_are('two', 'one left');

# Over and over: no state is left behind.
for my $i (1 .. 5)
{
	quick('ALTER DATABASE two RENAME TO three', "rename forth, round $i");
	quick('ALTER DATABASE three RENAME TO two', "rename back, round $i");
}
gateways_are('two', 'the gateway is back after many renames');

# qbsync.databases
$node->safe_psql('postgres', 'CREATE DATABASE "Odd, name"');
$node->safe_psql('Odd, name', 'CREATE EXTENSION qbsync');
ok($node->poll_query_until('Odd, name', "SELECT qbsync.worker_state() = 'running'"), 'a database with a hostile name is served');
$node->append_conf('postgresql.conf', qq{qbsync.databases = '"Odd, name", nosuch'});
$node->reload;
ok($node->poll_query_until('two', "SELECT qbsync.worker_state() = 'absent'"), 'qbsync.databases ends other gateways at reload');
is($node->safe_psql('Odd, name', 'SELECT qbsync.worker_state()'), 'running', 'and leaves those it names');
$node->append_conf('postgresql.conf', q{qbsync.databases = ''});
$node->reload;
ok($node->poll_query_until('two', "SELECT qbsync.worker_state() = 'running'"), 'an empty list serves all again');

# A template and a closed database have no gateway.
$node->safe_psql('postgres', 'ALTER DATABASE two IS_TEMPLATE true');
$node->reload;
ok($node->poll_query_until('two', "SELECT qbsync.worker_state() = 'absent'"), 'a template has no gateway');
$node->safe_psql('postgres', 'ALTER DATABASE two IS_TEMPLATE false');
$node->reload;
ok($node->poll_query_until('two', "SELECT qbsync.worker_state() = 'running'"), 'and has one when it is no template any more');

$node->stop;
done_testing();
