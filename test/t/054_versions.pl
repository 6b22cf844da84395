# Superseded versions: what the records of the mirror were (EXT-24).  As in 050, test/module applies pages without a gateway, so
# that each says when its request started; the gateway's part is at the end, with the simulator.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use Cwd qw(abs_path);
use IPC::Run ();
use PostgreSQL::Test::Utils;
use QbsyncTest;
use Test::More;

my $module = abs_path("$FindBin::Bin/../module");
{
	local @ENV{qw(MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL)};
	delete @ENV{qw(MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL)};
	my ($out, $err);
	IPC::Run::run([ 'make', '-s', '-C', $module, 'PG_CONFIG=' . ($ENV{PG_CONFIG} || 'pg_config') ],
		'>', \$out, '2>', \$err) or BAIL_OUT("the test module cannot be built: $err");
}
my $library = "$module/qbsync_mirror_test.so";

my $node = new_node('versions', conf => "qbsync.paused = on\nqbsync.credentials_file = ''\ntimezone = 'UTC'\n");
$node->safe_psql('postgres', <<"SQL");
CREATE EXTENSION qbsync;
CREATE SCHEMA mirror_test;
CREATE FUNCTION mirror_test.apply(connection_id integer, entity text, body bytea, started timestamptz, notify boolean)
	RETURNS text LANGUAGE c STRICT AS '$library', 'qbsync_mirror_test_apply';
CREATE FUNCTION mirror_test.mark_deleted(connection_id integer, entity text, ids text[], started timestamptz, notify boolean)
	RETURNS text LANGUAGE c STRICT AS '$library', 'qbsync_mirror_test_mark_deleted';
SELECT qbsync_app('app', environment => 'sandbox', client_id => 'id', redirect_uri => 'https://crm.example/cb');
INSERT INTO qbsync.connection (connection_id, name, app, realm_id, state) VALUES (1, 'acme', 'app', '1', 'live'), (2, 'other', 'app', '2', 'live');
INSERT INTO qbsync.cursor (connection_id, entity, phase, known_since)
	SELECT c, entity, 'loaded', now() - interval '300 days' FROM qbsync.catalogue, unnest('{1,2}'::integer[]) c;
SQL
my $session = $node->background_psql('postgres', on_error_stop => 0);

sub sql
{
	my ($query) = @_;
	my $out = $session->query($query);
	my $error = $session->{stderr};
	$session->{stderr} = '';
	return $error eq '' ? $out : $error;
}

sub shows
{
	my ($name, $expected, $query) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(sql($query), $expected, $name);
}

# A time, so many seconds after a noon that has passed.
sql("CREATE FUNCTION public.at(seconds numeric) RETURNS timestamptz LANGUAGE sql STABLE AS \$\$ SELECT (current_date - 2) + interval '12 h' + seconds * interval '1 s' \$\$");

my $pages = 0;

# The call that applies records of an entity asked for at a second; arguments: connection_id.
sub call
{
	my ($entity, $records, $second, %arg) = @_;
	my $object = { customer => 'Customer', invoice => 'Invoice', preferences => 'Preferences' }->{$entity};
	my $file = $node->basedir . '/page-' . ++$pages . '.json';
	open(my $out, '>:raw', $file) or die "$file: $!";
	print $out qq({"QueryResponse":{"$object":[) . join(',', @$records) . ']},"time":"2026-11-22T03:14:15.926-08:00"}';
	close $out or die "$file: $!";
	return sprintf q{mirror_test.apply(%d, '%s', pg_read_binary_file('%s'), public.at(%s), false)}, $arg{connection_id} // 1, $entity, $file, $second;
}

sub applies
{
	my ($name, $expected, @page) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(sql('SELECT ' . call(@page)), $expected, $name);
}

# A customer, or an invoice with that many lines, as of a token.
sub record
{
	my ($entity, $id, $token, $words, $lines) = @_;
	my $meta = sprintf '"SyncToken":"%d","Id":"%s","MetaData":{"CreateTime":"2026-01-05T09:00:00-08:00","LastUpdatedTime":"2026-%02d-%02dT10:%02d:12-08:00"}',
	  $token, $id, 2 + int($token / 1680), 1 + int($token / 60) % 28, $token % 60;
	return qq({"DisplayName":"N$id","Notes":"$words","Balance":$token.50,"PrimaryEmailAddr":{"Address":"a\@b.c,d\@e.f"},$meta}) if $entity eq 'customer';
	return qq({"CustomerRef":{"value":"1"},"TotalAmt":$token,"Balance":$token,"PrivateNote":"$words","Line":[)
	  . join(',', map { qq({"Id":"$_","LineNum":$_,"Amount":$token.$_,"DetailType":"SalesItemLineDetail","SalesItemLineDetail":{"Qty":$_}}) } 1 .. $lines // 1)
	  . "],$meta}";
}

sub stub
{
	my ($id) = @_;
	return qq({"domain":"QBO","status":"Deleted","Id":"$id","MetaData":{"LastUpdatedTime":"2026-11-22T09:00:01-08:00"}});
}

sub versions { return sql('SELECT count(*) FROM qbsync.record_version') }

# --- a record's life ----------------------------------------------------------------------------------------------------

applies('a first load', '2 inserted', 'customer', [ record('customer', 1, 0, 'first'), record('customer', 2, 0, 'other') ], 1);
applies('an invoice', '1 inserted', 'invoice', [ record('invoice', 7, 0, 'first', 2) ], 1);
applies('the same again', '2 unchanged', 'customer', [ record('customer', 1, 0, 'first'), record('customer', 2, 0, 'other') ], 2);
is(versions(), '0', 'EXT-24: a first load keeps no versions, nor does what did not change');
applies('edited', '1 updated', 'customer', [ record('customer', 1, 1, 'second') ], 10);
applies('edited again', '1 updated', 'customer', [ record('customer', 1, 2, 'third') ], 20);
applies('an older one', '1 stale', 'customer', [ record('customer', 1, 1, 'second') ], 21);
shows('deleted', '1 deleted', "SELECT mirror_test.mark_deleted(1, 'customer', '{1}', public.at(30), false)");
shows('still deleted', '1 unchanged', "SELECT mirror_test.mark_deleted(1, 'customer', '{1}', public.at(35), false)");
applies('back again', '1 updated', 'customer', [ record('customer', 1, 3, 'fourth') ], 40);
applies('the invoice has other lines', '1 updated', 'invoice', [ record('invoice', 7, 1, 'second', 3) ], 20);
shows('EXT-24: each version held until the next one', "1|t|first|0|\n10|t|second|1|\n20|t|third|2|\n30|t|third|2|deleted",
	"SELECT extract(epoch FROM valid_from - public.at(0))::integer, lead(valid_from, 1, valid_to) OVER (ORDER BY valid_from) = valid_to, raw ->> 'Notes', sync_token, "
	  . "CASE WHEN deleted_at IS NOT NULL THEN 'deleted' END FROM qbsync.record_version WHERE entity = 'customer' ORDER BY valid_from");
foreach my $is ([ 1, 'first|0.50|' ], [ 9.99, 'first|0.50|' ], [ 10, 'second|1.50|' ], [ 29, 'third|2.50|' ], [ 30, 'third|2.50|deleted' ], [ 40, 'fourth|3.50|' ])
{
	shows("EXT-24: as of $is->[0]", $is->[1],
		"SELECT notes, balance, CASE WHEN deleted_at IS NOT NULL THEN 'deleted' END FROM qbsync.customer_as_of(public.at($is->[0]), 'acme') WHERE id = '1'");
}
shows('EXT-24: before it was there it was not', '0', "SELECT count(*) FROM qbsync.customer_as_of(public.at(0.5), 'acme')");
shows('EXT-24: the lines, too', "7|1|0.1|1\n7|2|0.2|2", "SELECT invoice_id, position, amount, qty FROM qbsync.invoice_line_as_of(public.at(5), 'acme') ORDER BY position");
shows('EXT-24: and as they are', '3', "SELECT count(*) FROM qbsync.invoice_line_as_of(now(), 'acme')");
shows('EXT-24: a record with its lines as one value', '{"id": "7", "lines": [1, 2], "balance": 0}',
	"SELECT jsonb_build_object('id', r -> 'id', 'balance', r -> 'balance', 'lines', (SELECT jsonb_agg(l -> 'line_num') FROM jsonb_array_elements(r -> 'invoice_line') l)) "
	  . "FROM qbsync_as_of('acme', 'invoice', '7', public.at(5)) r");
shows('EXT-24: null when there was none', 't', "SELECT qbsync_as_of('acme', 'invoice', '8', now()) IS NULL");
shows('EXT-29: the other company is another', '0', "SELECT count(*) FROM qbsync.customer_as_of(now(), 'other')");

# --- what cannot be known -----------------------------------------------------------------------------------------------

like(sql("SELECT count(*) FROM qbsync.customer_as_of(now() - interval '301 days', 'acme')"),
	qr/what "customer" was in "acme" is not known at that time\nDETAIL:  It is known since /, 'EXT-24: before the first load was complete nothing is known');
like(sql("SELECT count(*) FROM qbsync.customer_as_of(now())"), qr/there are several connections and none was named/, 'one of several connections must be named');
like(sql("SELECT qbsync_as_of('acme', 'custumer', '1', now())"), qr/entity "custumer" does not exist/, 'a wrong entity is said');
like(sql("SELECT qbsync_as_of('acme', 'customer', '1')"), qr/no time was given/, 'a missing time is said');
like(sql("SELECT qbsync_set('acme', 'version_days', '-1')"), qr/version_days is not valid: "-1"/, 'EXT-24: a wrong number of days is refused');
like(sql("SELECT qbsync_set('acme', 'version_days', 'many')"), qr/version_days is not valid: "many".*It is a number of days/s, 'EXT-24: no number, too');
sql("SELECT qbsync_set('acme', 'version_days', '100')");
like(sql("SELECT count(*) FROM qbsync.customer_as_of(now() - interval '101 days', 'acme')"), qr/is not known at that time/, 'EXT-24: nor what is older than versions are kept');
shows('EXT-24: version_status says since when', 't|100', "SELECT known_since = now() - interval '100 days', version_days FROM qbsync.version_status WHERE connection = 'acme' AND entity = 'customer'");
sql("SELECT qbsync_set('acme', 'version_days', NULL)");
my $before;
sql("UPDATE qbsync.connection SET state = 'disconnected' WHERE name = 'other'");
sql("UPDATE qbsync.cursor SET known_since = NULL WHERE connection_id = 2");
shows('CAP-62: nothing is shown of a disconnected company', '0', "SELECT count(*) FROM qbsync.customer_as_of(now(), 'other')");

# --- a page with a bad record, a long value ---------------------------------------------------------------------------------

my $noise = join '', do { srand(1); map { ('a' .. 'z', 'A' .. 'Z', 0 .. 9)[ int rand 62 ] } 1 .. 20000 };
my @page = map { record('invoice', $_, 0, 'good') } 100 .. 139;
applies('some invoices', '40 inserted', 'invoice', \@page, 50);
@page = map { record('invoice', $_, 1, 'good') } 100 .. 139;
$page[17] =~ s/"CustomerRef":\{"value":"1"\}/"CustomerRef":{"value":"$noise"}/;
$before = versions();
applies('one of them is bad', '39 updated, 1 bad', 'invoice', \@page, 51);
is(versions() - $before, 39, 'promise 9: only what was replaced is kept, and once');
applies('a long value', '1 inserted', 'customer', [ record('customer', 3, 0, $noise) ], 50);
applies('another one', '1 updated', 'customer', [ record('customer', 3, 1, scalar reverse $noise) ], 51);
shows('a long value is kept as it was', 't|t', "SELECT (SELECT notes FROM qbsync.customer_as_of(public.at(50), 'acme') WHERE id = '3') = '$noise', "
	  . "(SELECT notes FROM qbsync.customer_as_of(public.at(51), 'acme') WHERE id = '3') = reverse('$noise')");
shows('a page that fails keeps nothing', '0', 'BEGIN; SELECT ' . call('customer', [ record('customer', 3, 9, 'gone') ], 52)
	  . q{ \gset \\\\ ROLLBACK; SELECT count(*) FROM qbsync.record_version WHERE valid_to >= public.at(52)});

# --- as of any time: what the mirror was ----------------------------------------------------------------------------------------

# Each second a page with random edits, deletions and revivals of a few records, some of them stale or unchanged; then, now
# and then, the answer to a write that was asked for before the page.  Half a second later the mirror is copied.
my $seed = $ENV{QBSYNC_SEED} // 20261122;
srand($seed);
note("seed $seed");
my %token;
my @tables = qw(customer invoice invoice_line);
sql("CREATE TABLE public.shown_$_ AS SELECT 0::numeric AS second, m.* FROM qbsync.$_ m WHERE false") foreach @tables;
my $script = '';
foreach my $second (1000 .. 1119)
{
	foreach my $entity ('customer', 'invoice')
	{
		my (@records, @gone);
		foreach my $id (map { 500 + int rand 12 } 1 .. int rand 5)
		{
			my $known = $token{$entity}{$id} // -1;
			my $dice = rand;
			if ($dice < 0.15) { push @records, stub($id) }
			elsif ($dice < 0.25) { push @gone, $id }
			elsif ($dice < 0.35 && $known > 0) { push @records, record($entity, $id, $known - 1, 'old', 1) }
			elsif ($dice < 0.45 && $known >= 0) { push @records, record($entity, $id, $known, "t$known", 1 + $known % 3) }
			else
			{
				$known = $token{$entity}{$id} = $known + 1;
				push @records, record($entity, $id, $known, rand() < 0.1 ? $noise . $known : rand() < 0.2 ? 'packed ' x 200 . $known : "t$known", 1 + $known % 3);
			}
		}
		$script .= 'SELECT ' . call($entity, \@records, $second) . ";\n" if @records;
		$script .= "SELECT mirror_test.mark_deleted(1, '$entity', '{" . join(',', @gone) . "}', public.at($second), false);\n" if @gone;
		if (rand() < 0.3)
		{
			my $id = 500 + int rand 12;
			my $known = $token{$entity}{$id} = ($token{$entity}{$id} // -1) + 1;
			$script .= 'SELECT ' . call($entity, [ record($entity, $id, $known, "w$known", 2) ], $second - 0.3) . ";\n";
		}
	}
	$script .= "INSERT INTO public.shown_$_ SELECT $second, * FROM qbsync.$_;\n" foreach @tables;
}
$node->safe_psql('postgres', $script);
cmp_ok(versions(), '>', 200, 'there are many versions');
foreach my $table (@tables)
{
	shows("EXT-24: as of each time, $table is what it was then, whole", '0', "SELECT count(*) FROM generate_series(1000, 1119) s(second) CROSS JOIN LATERAL ("
		  . "(SELECT to_jsonb(a) FROM qbsync.${table}_as_of(public.at(s.second + 0.5), 'acme') a EXCEPT ALL SELECT to_jsonb(m) - 'second' FROM public.shown_$table m WHERE m.second = s.second) UNION ALL "
		  . "(SELECT to_jsonb(m) - 'second' FROM public.shown_$table m WHERE m.second = s.second EXCEPT ALL SELECT to_jsonb(a) FROM qbsync.${table}_as_of(public.at(s.second + 0.5), 'acme') a)) d");
}
shows('EXT-24: no two versions of a record hold at once', '0', 'SELECT count(*) FROM qbsync.record_version a JOIN qbsync.record_version b '
	  . 'ON (a.connection_id, a.entity, a.id) = (b.connection_id, b.entity, b.id) AND a.ctid < b.ctid AND a.valid_from < b.valid_to AND b.valid_from < a.valid_to');

# --- asked while pages arrive -----------------------------------------------------------------------------------------------------

my $asked = "SELECT count(*), md5(string_agg(to_jsonb(a)::text, '' ORDER BY id)) FROM qbsync.customer_as_of(public.at(1119.5), 'acme') a";
my $then = sql($asked);
my $pages_script = join '', map { my $s = $_; 'SELECT ' . call('customer', [ map { record('customer', $_, 10000 + $s, "later $s") } 500 .. 511 ], $s) . ";\n" } 2000 .. 2149;
my ($written, $problem) = ('', '');
my $writer = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres') ],
	'<', \$pages_script, '>', \$written, '2>', \$problem, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
my ($answers, $others) = (0, 0);
while ($answers == 0 || ($problem eq '' && ($written =~ tr/\n//) < 150))
{
	$writer->pump_nb;
	$answers++;
	$others++ if sql($asked) ne $then;
}
$writer->finish;
is($problem, '', 'pages are applied');
cmp_ok($answers, '>', 1, "the past was asked for $answers times meanwhile");
is($others, 0, 'EXT-24: and was the same each time');

# --- who may read it ------------------------------------------------------------------------------------------------------------------

sql('CREATE ROLE reader IN ROLE qbsync_reader; CREATE ROLE nobody');
shows('a reader may', "12\n1\n1", "SET ROLE reader; SELECT count(*) FROM qbsync.customer_as_of(public.at(1200), 'acme') WHERE id >= '500'; "
	  . "SELECT count(*) FROM qbsync.version_status WHERE connection = 'acme' AND entity = 'customer' AND known_since < now(); SELECT 1 WHERE qbsync_as_of('acme', 'customer', '1', now()) IS NOT NULL; RESET ROLE");
like(sql("SET ROLE nobody; SELECT count(*) FROM qbsync.customer_as_of(now(), 'acme'); RESET ROLE"), qr/permission denied/, 'nobody else may');
sql('RESET ROLE; REVOKE SELECT ON qbsync.customer FROM qbsync_reader');
shows('CAP-2: whoever may not read a mirror table may not read its past', '0|t',
	"SET ROLE reader; SELECT count(*) FILTER (WHERE entity = 'customer'), count(*) > 0 FROM qbsync.record_version; RESET ROLE");
sql('GRANT SELECT ON qbsync.customer TO qbsync_reader');

# --- switched off and on -------------------------------------------------------------------------------------------------------------

sql("SELECT qbsync_set('acme', 'version_days', '0')");
like(sql("SELECT count(*) FROM qbsync.customer_as_of(now(), 'acme')"), qr/No versions are kept \(version_days is 0\)/, 'EXT-24: switched off, nothing is said of the past');
applies('an edit while no versions are kept', '1 updated', 'customer', [ record('customer', 2, 1, 'unseen') ], 3000);
await('the gateway to remove them', sub { sql('SELECT count(*) = 0 AND (SELECT bool_and(known_since IS NULL) FROM qbsync.cursor WHERE connection_id = 1) FROM qbsync.record_version WHERE connection_id = 1') eq 't' });
pass('EXT-24: those that were kept are removed, and nothing is kept');
my $on = sql("SELECT qbsync_set('acme', 'version_days', NULL) \\gset \\\\ SELECT clock_timestamp()");
await('the gateway to know since when', sub { sql("SELECT known_since IS NOT NULL FROM qbsync.cursor WHERE connection_id = 1 AND entity = 'customer'") eq 't' });
shows('EXT-24: switched on again, the past begins then', 't|t',
	"SELECT known_since >= '$on'::timestamptz - interval '1 minute', version_days = 400 FROM qbsync.version_status WHERE connection = 'acme' AND entity = 'customer'");
like(sql("SELECT count(*) FROM qbsync.customer_as_of(public.at(3100), 'acme')"), qr/is not known at that time/, 'EXT-24: and not before');

# --- forgetting -------------------------------------------------------------------------------------------------------------------------

shows('CAP-63: what is purged has no past', '0', "SELECT qbsync.purge_mirror(1) \\gset \\\\ SELECT count(*) FROM qbsync.record_version WHERE connection_id = 1");
$session->quit;
$node->stop;
is_quiet($node, 'nothing unexpected in the server log', qr/ERROR:  (?:what "customer"|there are several|entity "custumer"|no time|version_days|permission denied)/);
done_testing();
