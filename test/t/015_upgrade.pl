# ALTER EXTENSION UPDATE: what was updated equals what is installed fresh, and people's data, the CRM's triggers and the mirror go
# on (issue 4: capture goes on across versions of the library).
#
# There may be released versions whose install scripts are kept (sql/released): each is installed and updated.  An older version is
# also made of the present one (test/upgrade/older.sql), so that the machinery is tried even without: each kind of object is
# missing, differs or is too much in it, and its update script is written as people write them (test/upgrade/update.sql).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use PostgreSQL::Test::Utils;
use QbsyncCrm;
use QbsyncTest;
use QbsyncUpgrade;
use Test::More;

my $root = "$FindBin::Bin/../..";
my ($install_path, $folder) = private_installation(PostgreSQL::Test::Utils::tempdir());
my ($version) = slurp_file("$folder/qbsync.control") =~ /^default_version = '(.*)'/m;
my $older = '0.0.0';
append_to_file("$folder/qbsync--$version--$older.sql", slurp_file("$root/test/upgrade/older.sql"));
append_to_file("$folder/qbsync--$older--$version.sql", expand(slurp_file("$root/test/upgrade/update.sql"), slurp_file("$folder/qbsync--$version.sql")));

# And one that differs in nothing.
append_to_file("$folder/qbsync--$_.sql", "\n") foreach "$version--0.0.1", "0.0.1--$version";

my $crm = QbsyncCrm->new('upgrade', customers => 6, invoices => 10, install_path => $install_path,
	conf => "qbsync.databases = 'crm'\n");
my $node = $crm->{node};

# --- the same as a fresh installation ----------------------------------------------------------------------------------------

$node->safe_psql('postgres', 'CREATE DATABASE fresh');
$node->safe_psql('fresh', 'CREATE EXTENSION qbsync');
my @shipped = shipped_tables($node, 'fresh');
cmp_ok(scalar(@shipped), '>', 5, 'there are tables with rows that are shipped');
my $fresh = catalog($node, 'fresh', rows => \@shipped);
is(join(',', grep { !/^(table|view|function|sequence|type|schema|composite type) / } map { /^member (.*)/ } keys %$fresh), '',
	'test/upgrade/catalog.sql knows every kind of object there is');

# Those of released versions and the one made here; a release that was announced has to be among them.
my @versions = split /\n/, $node->safe_psql('postgres', "SELECT version FROM pg_available_extension_versions WHERE name = 'qbsync' AND version <> '$version'");
my ($newest, @announced) = slurp_file("$root/CHANGELOG.md") =~ /^## (\d[\w.]*)/mg;
is(join(', ', grep { my $announced = $_; !grep { $_ eq $announced } @versions, $version } $newest, @announced), '', 'every version of CHANGELOG.md can be installed');
is(scalar(grep { $_ eq $older } @versions), 1, 'and so can the older one');
foreach my $from (sort @versions)
{
	my $database = "from_$from" =~ s/\W/_/gr;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, "CREATE EXTENSION qbsync VERSION '$from'");
	isnt(differences(catalog($node, $database, rows => \@shipped), $fresh), '', "$from is another version");
	is(differences(catalog($node, $database, rows => \@shipped, before => 'ALTER EXTENSION qbsync UPDATE;'), $fresh), '', "$from updated equals $version installed fresh");
}

# The comparison is worth something: it finds all that the older one lacks, has otherwise or has too much, so it would find what an
# update script forgets.
my $found = differences(catalog($node, 'from_0_0_0', rows => \@shipped), $fresh);
my @unnoticed = grep { $found !~ /^\Q$_\E/m } split /\n/, <<'END';
differs: function qbsync.slot_name(jsonb,text,text)
missing: function public.qbsync_handle_change(text,text,text,text)
too much: function qbsync.retired(integer)
differs: function qbsync.normalize_name(text)
differs: initial rights of function qbsync.normalize_name(text)
differs: function public.qbsync_pause(text)
missing: relation qbsync.sale_line
missing: column qbsync.sale_line.amount
differs: relation qbsync.progress
missing: column qbsync.progress.done
too much: column qbsync.progress.company
missing: relation qbsync.event_rule
missing: initial rights of table qbsync.event_rule
missing: sequence qbsync.event_rule_event_rule_id_seq
missing: constraint event_rule_event_check on qbsync.event_rule
missing: dumped qbsync.event_rule
missing: dumped qbsync.event_rule_event_rule_id_seq
missing: column qbsync.http_log.elapsed
too much: column qbsync.http_log.retired
differs: column qbsync.lookup.missing
differs: constraint match_rule_outcome_check on qbsync.match_rule
differs: relation qbsync.webhook_event
missing: index qbsync.history_at_idx
missing: trigger keep_referenced on qbsync.app
differs: column qbsync.connection.realm_id
differs: sequence qbsync.http_log_http_log_id_seq
missing: column qbsync.wanted_trigger.event
differs: dumped qbsync.stage
missing: row of qbsync.label {"kind": "way_out"
missing: row of qbsync.problem {"code": "no_slot"
too much: row of qbsync.problem {"code": "no_slot"
too much: row of qbsync.problem {"code": "retired"
missing: policy may_see on qbsync.lookup
differs: relation qbsync.lookup
missing: column qbsync.item.unit_price
missing: column qbsync.tax_code_sales_rate.tax_rate_id
missing: relation qbsync.tax_rate_period
missing: function qbsync.tax_rate_period_as_of(timestamp with time zone,text)
missing: relation qbsync.payment_method
differs: relation qbsync.record
differs: function qbsync.version_columns(qbsync.record_version)
END
is(join("\n", @unnoticed), '', 'and every kind of difference between two installations is found');

# --- a database in use ---------------------------------------------------------------------------------------------------------

$crm->app('CREATE TABLE crm.contact (id integer PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, name text, email text)');
$crm->sql(<<'SQL');
SELECT qbsync_map_table('crm.contact', role => 'crm_app', columns => '{"display_name": "name", "emails": "email"}',
	policies => '{"pull_new_first": "all", "on_crm_delete": "block"}');
SELECT qbsync_enable('contact');
SELECT qbsync_set('acme', 'language', 'fr');
SQL
$crm->applied;
my ($key, $id) = split /\|/, $crm->sql('SELECT crm_key, id FROM qbsync.link ORDER BY id::bigint LIMIT 1');

# Every row of the mirror, and what people made, whatever the order of its columns.
sub content
{
	my %found;
	foreach my $table (split /\n/, $crm->sql("SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'qbsync'::regnamespace AND c.relkind = 'r'
		AND (c.relname IN ('connection', 'app', 'environment', 'mapping', 'watch', 'link', 'secret', 'column_policy', 'record_version')
			OR EXISTS (SELECT FROM qbsync.catalogue e LEFT JOIN qbsync.catalogue_line l USING (entity) WHERE c.relname IN (e.entity, l.\"table\")))"))
	{
		# payment_method is read anew: it is seen later
		$found{$table} = $crm->sql("SELECT count(*) || ' ' || md5(coalesce(string_agg(k::text, '' ORDER BY k::text COLLATE \"C\"), '')) FROM $table t, LATERAL (SELECT to_jsonb(t) - '{seen_at,attempts,sweep_after,checked_at}'::text[] AS k) k");
	}
	return \%found;
}

$crm->qb(act => 'create', entity => 'PaymentMethod', object => { Name => 'Before' });
$crm->sync;
is_mirrored($node, $crm->{simulator}, 'the mirror is whole', database => 'crm');
my $before = content();
like($before->{'qbsync.tax_rate_period'}, qr/^[1-9]/, 'it has rows of a table of lines that did not exist in the older version');
is($crm->sql('SELECT count(*) > 0 FROM qbsync.item WHERE unit_price IS NOT NULL') . $crm->sql('SELECT count(*) > 0 FROM qbsync.tax_code_sales_rate WHERE tax_rate_id IS NOT NULL'), 'tt', 'and values in columns that did not');

# Nothing but the version changes: it is the command that the gateway hears of.
$crm->sql("ALTER EXTENSION qbsync UPDATE TO '0.0.1'");
await('the gateway to idle', sub { $crm->sql('SELECT qbsync.worker_state()') eq 'versions_apart' });
$crm->sql('ALTER EXTENSION qbsync UPDATE');
await('the gateway to run', sub { $crm->sql('SELECT qbsync.worker_state()') eq 'running' });
pass('the gateway hears of an update, without asking every few seconds');

# The library is newer than what is installed in the database.
$crm->sql("ALTER EXTENSION qbsync UPDATE TO '$older'");
await('the gateway to notice', sub { $crm->sql('SELECT qbsync.worker_state()') eq 'versions_apart' });
pass('older: the gateway notices by itself, and idles');
like($crm->sql('SELECT what_to_do FROM qbsync.status'), qr/ALTER EXTENSION qbsync UPDATE/, 'status says what to do');
my $pid = gateway_pid($node, 'crm');
$crm->app("UPDATE crm.contact SET name = 'Edited meanwhile' WHERE id = $key");
is($crm->sql('SELECT string_agg(key, $$,$$) FROM qbsync.capture'), $key, 'what the CRM writes is captured');
my ($code, undef, $error) = $node->psql('crm', "SET ROLE crm_app; DELETE FROM crm.contact WHERE id = $key");
like($error, qr/linked/, 'and what is locked stays locked');
$crm->qb(act => 'edit', entity => 'Customer', id => "$id", set => { CompanyName => 'Changed meanwhile' });
is(gateway_pid($node, 'crm'), $pid, 'the gateway is still there');

# ALTER EXTENSION UPDATE, and nobody has to do anything else.
$crm->sql('ALTER EXTENSION qbsync UPDATE');
await('the gateway to go on', sub { $crm->sql('SELECT qbsync.worker_state()') eq 'running' });
pass('updated: the gateway goes on by itself');
is(differences(catalog($node, 'crm'), { map { $_ => $fresh->{$_} } grep { !/^row of / } keys %$fresh }), '', 'a database in use equals a fresh one, too');
is($crm->sql("SELECT string_agg(DISTINCT unit_price::text, '') IS NOT NULL FROM qbsync.item"), 't', 'new columns of the mirror are filled at once, without asking QuickBooks');
wait_synced($node, database => 'crm', sync => 1);
$crm->applied;
await('the edit to arrive', sub { $crm->{simulator}->objects('Customer', $id)->{DisplayName} eq 'Edited meanwhile' });
pass('what was captured meanwhile reaches QuickBooks');
wait_synced($node, database => 'crm', sync => 1);
is_mirrored($node, $crm->{simulator}, 'what changed there meanwhile, and an entity that is new, are in the mirror', database => 'crm');
my $after = content();
my @changed = grep { $before->{$_} ne $after->{$_} } sort keys %$before;
is(join(' ', grep { !/^qbsync\.(customer|mapping|link|record_version|connection)$/ } @changed), '', 'every other row is as it was');
is($crm->sql("SELECT settings ->> 'language' FROM qbsync.connection") . $crm->sql('SELECT count(*) FROM qbsync.link'), 'fr' . $crm->sql('SELECT count(*) FROM crm.contact'), 'and so are decisions and links');

$node->stop;
is_quiet($node, 'nothing unexpected in the server log', qr/differ in version|of different versions|nothing can talk to Intuit|must be owner|linked|ERROR:.*(event_rule|payment_method|tax_rate_period)/);
done_testing();
