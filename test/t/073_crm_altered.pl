# What a mapping must not get wrong quietly: values that a column cuts, views that lose their triggers or columns, a tenant that is
# left out when a mapping is declared again, records that people make in the CRM during a first sync.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use QbsyncCrm;
use QbsyncTest;
use Test::More;

my $crm = QbsyncCrm->new('altered', hold => 1, customers => 30);
my $policies = q{policies => '{"pull_new_first": "all", "pull_new": "all"}'};

sub map_view { my ($more) = @_; $crm->sql("SELECT qbsync_map('crm.v', 'customer', name => 'm', role => 'crm_app', $policies" . ($more // '') . ')') }
sub enable { $crm->sql("SELECT qbsync_enable('m')"); $crm->applied }
sub unmap { $crm->sql("SELECT qbsync_unmap('m', confirm => true)"); $crm->app('DROP VIEW crm.v') }
sub problem { return $crm->sql('SELECT problem FROM qbsync.mapping') }

# --- types that cut -----------------------------------------------------------------------------------------------------------

my $long = $crm->customer(DisplayName => 'Long', CompanyName => 'Company Limited', GivenName => 'Alphonse');
my $short = $crm->customer(DisplayName => 'Short', CompanyName => 'Company Limited', GivenName => 'Al');
$crm->sync;
$crm->app(<<'SQL');
CREATE DOMAIN crm.short AS varchar(5);
CREATE TABLE crm.a (id serial PRIMARY KEY, name text, company char(30), first crm.short);
CREATE VIEW crm.v AS SELECT id, name AS display_name, company AS company_name, first AS given_name FROM crm.a;
SQL
map_view();
enable();
is($crm->sql("SELECT company FROM crm.a WHERE name = 'Short'"), sprintf('%-30s', 'Company Limited'), 'character(n): the whole value');
is($crm->sql("SELECT problem, sqlstate FROM qbsync.crm_error WHERE id = '$long'"), 'crm_refused|22001', 'a value too long for a domain is refused, not cut');
unmap();

# the elements of a list
my %mails = ('crm.short[]' => 'list of a domain', 'crm.shorts' => 'domain of a list', 'varchar(5)[]' => 'list');
my $listed = $crm->customer(DisplayName => 'Listed', PrimaryEmailAddr => { Address => 'too.long@example.com' });
my $fits = $crm->customer(DisplayName => 'Fits', PrimaryEmailAddr => { Address => 'a@b.c' });
$crm->sync;
$crm->app('CREATE DOMAIN crm.shorts AS varchar(5)[]');
my $n = 0;
for my $type (sort keys %mails)
{
	$n++;
	$crm->app("CREATE TABLE crm.l$n (id serial PRIMARY KEY, name text, mails $type); CREATE VIEW crm.v AS SELECT id, name AS display_name, mails AS emails FROM crm.l$n");
	map_view();
	enable();
	is($crm->sql("SELECT mails FROM crm.l$n WHERE name = 'Fits'") . ' ' . $crm->sql("SELECT problem, sqlstate FROM qbsync.crm_error WHERE id = '$listed'"),
		'{a@b.c} crm_refused|22001', "promise 10: what is too long for a $mails{$type} is refused, not cut");
	unmap();
}

# --- views that are made again ------------------------------------------------------------------------------------------------

my $view = 'CREATE VIEW crm.v AS SELECT c.id, c.name AS display_name, p.phone AS primary_phone FROM crm.c LEFT JOIN crm.p USING (id)';
my $triggers = <<'SQL';
CREATE TRIGGER i INSTEAD OF INSERT ON crm.v FOR EACH ROW EXECUTE FUNCTION crm.i();
CREATE TRIGGER u INSTEAD OF UPDATE ON crm.v FOR EACH ROW EXECUTE FUNCTION crm.u();
SQL
$crm->app(<<"SQL");
CREATE TABLE crm.c (id serial PRIMARY KEY, name text);
CREATE TABLE crm.p (id integer PRIMARY KEY REFERENCES crm.c, phone text);
CREATE FUNCTION crm.i() RETURNS trigger LANGUAGE plpgsql AS \$\$
BEGIN
	INSERT INTO crm.c (name) VALUES (NEW.display_name) RETURNING id INTO NEW.id;
	INSERT INTO crm.p VALUES (NEW.id, NEW.primary_phone);
	RETURN NEW;
END \$\$;
CREATE FUNCTION crm.u() RETURNS trigger LANGUAGE plpgsql AS \$\$
BEGIN
	UPDATE crm.c SET name = NEW.display_name WHERE id = NEW.id;
	UPDATE crm.p SET phone = NEW.primary_phone WHERE id = NEW.id;
	RETURN NEW;
END \$\$;
$view;
$triggers
SQL
map_view();
enable();
sub phone { return $crm->sql("SELECT primary_phone FROM crm.v WHERE display_name = 'Long'") }
is($crm->sql("SELECT count(*) FROM crm.v WHERE display_name = 'Long'"), '1', 'a view that cannot be deleted from takes what comes in');
$crm->app("DROP VIEW crm.v; $view");
$crm->edit($long, PrimaryPhone => { FreeFormNumber => '2' });
$crm->sync;
await('the problem', sub { problem() eq 'mapping_broken' });
is(phone(), '', 'a view without its triggers: nothing comes in');
ok(await('the reason', sub { $crm->sql('SELECT problem_detail FROM qbsync.mapping') =~ /UPDATE is not possible/ }), 'and it is said why');
$crm->app($triggers);
$crm->sql('SELECT qbsync_retry_all()');
$crm->applied;
is(phone() . '|' . problem(), '2|', 'with triggers again what waited comes in');
$crm->app('DROP VIEW crm.v; CREATE VIEW crm.v AS SELECT id, name AS display_name FROM crm.c');
$crm->edit($long, PrimaryPhone => { FreeFormNumber => '3' });
$crm->sync;
await('the problem', sub { problem() eq 'mapping_broken' });
ok(await('the reason', sub { $crm->sql('SELECT problem_detail FROM qbsync.mapping') =~ /Column primary_phone of crm.v does not exist/ }), 'a column that is gone: the mapping waits');
unmap();

# a column that could be written
sub show { my ($phone) = @_; $crm->app("CREATE OR REPLACE VIEW crm.v AS SELECT id, name AS display_name, $phone AS primary_phone, 'of ' || name AS notes FROM crm.e") }
sub retried { $crm->sql('SELECT qbsync_retry_all()'); $crm->applied }
$crm->app('CREATE TABLE crm.e (id serial PRIMARY KEY, name text, phone text)');
show('phone');
map_view();
enable();
is(phone() . problem(), '3', 'a column that the view computed from the beginning only goes out');
show('trim(phone)');
$crm->edit($long, PrimaryPhone => { FreeFormNumber => '4' });
$crm->sync;
ok(await('the reason', sub { $crm->sql('SELECT problem_detail FROM qbsync.mapping') =~ /Column primary_phone of crm.v cannot be written any more/ }), 'a column that becomes an expression: the mapping waits');
like($crm->sql('SELECT problems_now FROM qbsync.mapping_status'), qr/primary_phone of crm.v cannot be written any more.*qbsync_map/s, 'and people read why, and the ways out');
show('phone');
retried();
is(phone() . problem(), '4', 'when it can be written again what waited comes in');
show('trim(phone)');
$crm->sql("SELECT qbsync_set(setting => 'direction', value => 'push', mapping => 'm', \"column\" => 'primary_phone')");
is($crm->sql('SELECT problems_now FROM qbsync.mapping_status'), '', 'one that only goes out may be an expression');
$crm->sql("SELECT qbsync_set(setting => 'direction', mapping => 'm', \"column\" => 'primary_phone')");
like($crm->sql('SELECT problems_now FROM qbsync.mapping_status'), qr/cannot be written any more/, 'one that comes in may not');
map_view();
retried();
is($crm->sql('SELECT problems_now FROM qbsync.mapping_status') . problem(), '', 'declared anew, it may');
unmap();

# --- a tenant -----------------------------------------------------------------------------------------------------------------

$crm->app(<<'SQL');
CREATE TABLE crm.t (id serial PRIMARY KEY, tenant integer NOT NULL DEFAULT current_setting('app.tenant')::integer, name text);
CREATE VIEW crm.v AS SELECT id, name AS display_name FROM crm.t WHERE tenant = nullif(current_setting('app.tenant', true), '')::integer;
SQL
map_view(q{, settings => '{"app.tenant": "7"}'});
enable();
my $linked = $crm->sql("SELECT count(*) FROM qbsync.link WHERE state = 'linked'");
map_view();
$crm->applied;
is($crm->sql('SELECT crm_settings FROM qbsync.mapping'), '{"app.tenant": "7"}', 'declared again: what is left out stays');
$crm->sql("UPDATE qbsync.mapping SET crm_settings = '{}', sweep_after = ''; SELECT qbsync.wake()");
await('the problem', sub { problem() eq 'rls_hides_all' });
is($crm->sql("SELECT count(*) FROM qbsync.link WHERE state = 'linked'"), $linked, 'a view that asks for a tenant and has none: no record counts as gone');
unmap();

# --- who may ------------------------------------------------------------------------------------------------------------------

$crm->app('CREATE TABLE crm.d (id serial PRIMARY KEY, name text); CREATE VIEW crm.v AS SELECT id, name AS display_name FROM crm.d');
map_view();
$crm->sql('CREATE ROLE other; GRANT qbsync_admin TO other; GRANT USAGE ON SCHEMA crm TO other; GRANT ALL ON crm.v TO other');
my ($result, $out, $err) = $crm->{node}->psql('crm', 'SET ROLE other; SELECT qbsync.set_mapping_state(mapping_id, true) FROM qbsync.mapping');
like($err, qr/permission denied for role "crm_app"/, 'nobody lets a mapping run as a role he is no member of');
$crm->sql(<<'SQL');
SET ROLE other;
INSERT INTO qbsync.mapping_request (mapping, watches)
SELECT to_jsonb(qbsync.compose_mapping('{"view": "crm.v", "entity": "customer", "name": "his", "role": "other", "named": true, "made_view": true}', 'other')), '[]';
RESET ROLE;
SELECT qbsync_unmap('his', confirm => true);
SQL
is($crm->sql("SELECT to_regclass('crm.v')"), 'crm.v', 'nor has he the view of another dropped by whoever unmaps');

# --- a record made during a first sync ------------------------------------------------------------------------------------------

my ($last) = $crm->sql('SELECT id FROM qbsync.customer WHERE active ORDER BY id DESC LIMIT 1');
$crm->edit($last, DisplayName => 'Made by people', PrimaryEmailAddr => { Address => 'people@example.com' });
$crm->sync;
unmap();
$crm->app(<<'SQL');
ALTER TABLE crm.d ADD mail text;
CREATE FUNCTION crm.slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.3); RETURN NEW; END $$;
CREATE TRIGGER slow BEFORE INSERT ON crm.d FOR EACH ROW EXECUTE FUNCTION crm.slow();
CREATE VIEW crm.v AS SELECT id, name AS display_name, mail AS emails FROM crm.d;
SQL
$crm->sql('ALTER SYSTEM SET qbsync.apply_time_box = 1000');
$crm->sql('ALTER SYSTEM SET deadlock_timeout = 10000');
$crm->sql('SELECT pg_reload_conf()');
map_view();
$crm->sql("SELECT qbsync_enable('m')");
await('the first records', sub { $crm->sql('SELECT count(*) FROM crm.d') > 0 });
$crm->app("INSERT INTO crm.d (name, mail) VALUES ('Made by people', 'people\@example.com')");
$crm->applied;
is($crm->sql("SELECT count(*) FROM crm.d WHERE name = 'Made by people'"), '1', 'CAP-20: a record made in the CRM during a first sync is linked, not made again');

done_testing;
