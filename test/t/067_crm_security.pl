# The CRM's code means harm, wherever it can be attached, whoever owns it, and whoever makes it run: an apply worker, a plan, a
# superuser who maps or looks.  It is the mapping's role each time and gets nothing.  Then roles that lose their rights or gain
# too many, row-level security without its setting, and who may call what.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use PostgreSQL::Test::Utils;
use QbsyncCrm;
use QbsyncTest;
use Test::More;

# The attacks take their time in each way in; how long writing may take is tested elsewhere.
my $crm = QbsyncCrm->new('crm_security', hold => 1, customers => 3, seed => 67, conf => <<'CONF');
deadlock_timeout = 20s
qbsync.apply_time_box = 3s
max_worker_processes = 12
CONF
my $node = $crm->{node};
my $owner = $crm->sql('SELECT current_user');
my $gateway = gateway_pid($node, 'crm');

# As a role that logs in by itself: exit code, output, errors.
sub as
{
	my ($user, $sql) = @_;
	return $node->psql('crm', $sql, connstr => $node->connstr('crm') . " user=$user");
}
sub phase { $crm->sql("UPDATE crm.plot SET phase = '$_[0]'") }

# --- the plot -----------------------------------------------------------------------------------------------------------------

# What must not work, wherever it is tried.
my @plot = (
	'RESET ROLE', 'SET ROLE NONE', "SET ROLE $owner", 'SET ROLE qbsync_admin', 'RESET SESSION AUTHORIZATION', 'SET SESSION AUTHORIZATION DEFAULT',
	"SET SESSION AUTHORIZATION $owner", "SELECT set_config('role', 'none', false)", "SELECT set_config('session_authorization', '$owner', true)",
	'SET LOCAL ROLE NONE',
	# rights
	'ALTER ROLE crm_app SUPERUSER', 'ALTER ROLE crm_guest SUPERUSER', 'CREATE ROLE escaped SUPERUSER', 'GRANT qbsync_admin TO crm_app, crm_guest',
	'GRANT pg_execute_server_program TO crm_app, crm_guest', "ALTER ROLE $owner SET search_path = crm", 'CREATE SCHEMA escaped AUTHORIZATION SESSION_USER',
	"REASSIGN OWNED BY $owner TO crm_app", 'ALTER DATABASE crm SET search_path = crm', "ALTER SYSTEM SET work_mem = '1MB'",
	"SET session_replication_role = replica", "SET log_statement = 'all'", "SET session_preload_libraries = 'escaped'", 'SET lo_compat_privileges = on',
	"SET qbsync.paused = on", "SET qbsync.credentials_file = '/etc/passwd'",
	# ours
	'SELECT * FROM qbsync.secret', 'SELECT rolpassword FROM pg_authid', 'SELECT * FROM pg_shadow', 'SELECT * FROM qbsync.customer', 'SELECT * FROM qbsync.link',
	'UPDATE qbsync.mapping SET role = session_user', 'UPDATE qbsync.link SET crm_key = 1', 'DELETE FROM qbsync.link', 'DELETE FROM qbsync.arrival',
	"INSERT INTO qbsync.arrival VALUES (1, '1')", 'TRUNCATE qbsync.history', 'LOCK TABLE qbsync.link IN ACCESS EXCLUSIVE MODE NOWAIT',
	'CREATE TRIGGER escaped BEFORE INSERT ON qbsync.link FOR EACH ROW EXECUTE FUNCTION crm.harm()',
	'CREATE RULE escaped AS ON INSERT TO qbsync.link DO ALSO SELECT 1', 'CREATE TABLE qbsync.escaped ()', 'CREATE TABLE public.escaped ()',
	'CREATE OR REPLACE FUNCTION qbsync.normalize_name(text) RETURNS text LANGUAGE sql AS $$SELECT 1::text$$',
	'ALTER FUNCTION qbsync.normalize_name(text) SET search_path = crm', 'ALTER EXTENSION qbsync ADD TABLE crm.seen',
	"SELECT public.qbsync_pause('acme')", "SELECT public.qbsync_unmap('own', true)", "SELECT public.qbsync_disable('own')", 'SELECT qbsync.wake()',
	"SELECT qbsync.query_as_role('crm_other', NULL, NULL, 'SELECT current_user::text')", 'SELECT qbsync.in_apply_worker()',
	"SELECT count(*) FROM public.qbsync_plan('own')", "SELECT count(*) FROM public.qbsync_plan('foreign')",
	# the server
	"COPY crm.loot FROM PROGRAM 'id'", "COPY crm.loot FROM '/etc/passwd'", "COPY (SELECT 1) TO '/tmp/escaped'", "SELECT pg_read_file('PG_VERSION')",
	"SELECT pg_read_binary_file('PG_VERSION')", "SELECT pg_ls_dir('.')", "SELECT lo_import('/etc/passwd')", "SELECT lo_export(1, '/tmp/escaped')",
	"SELECT pg_stat_file('.')", 'SELECT pg_reload_conf()', 'SELECT pg_switch_wal()', "LOAD '\$libdir/pgoutput'",
	"CREATE FUNCTION crm.c() RETURNS void LANGUAGE c AS '\$libdir/qbsync', 'qbsync_plan'", "CREATE FUNCTION crm.i() RETURNS void LANGUAGE internal AS 'pg_reload_conf'",
	'CREATE EVENT TRIGGER escaped ON ddl_command_end EXECUTE FUNCTION crm.harm()', 'CREATE PUBLICATION escaped FOR ALL TABLES',
	"SELECT pg_create_logical_replication_slot('escaped', 'pgoutput')",
	# the process
	'SELECT 1 / pg_terminate_backend(pg_backend_pid())::integer',
	"SELECT 1 / pg_terminate_backend($gateway)::integer", "SELECT 1 / pg_cancel_backend($gateway)::integer",
	'DISCARD ALL', 'COMMIT', 'ROLLBACK', 'DO $$BEGIN COMMIT; END$$', 'CALL crm.commit()', "PREPARE TRANSACTION 'escaped'", 'LISTEN escaped', 'VACUUM crm.seen',
	"SELECT dblink_connect('dbname=crm')");

# What he may do in a session of his own, and which must not reach ours.
my $mischief = <<'SQL';
	SET search_path = crm, pg_catalog;
	SET DateStyle = 'German';
	SET TimeZone = 'Asia/Tokyo';
	SET IntervalStyle = 'sql_standard';
	SET bytea_output = 'escape';
	SET transform_null_equals = on;
	SET row_security = off;
	SET statement_timeout = '1ms';
	SET lock_timeout = 0;
	SET idle_in_transaction_session_timeout = '1ms';
	SET check_function_bodies = off;
	SET default_transaction_isolation = 'serializable';
	SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY;
	SET default_tablespace = '';
	SET synchronous_commit = off;
	SET LOCAL transaction_read_only = on;
	PERFORM pg_catalog.set_config('app.leak', 'leaked', false);
SQL

$crm->sql(<<'SQL');
CREATE ROLE crm_dba;
CREATE ROLE crm_guest;
CREATE ROLE crm_other;
CREATE ROLE crm_planner LOGIN IN ROLE crm_app;
CREATE ROLE crm_reader LOGIN IN ROLE qbsync_reader;
CREATE ROLE crm_operator LOGIN IN ROLE qbsync_operator;
CREATE ROLE crm_admin LOGIN IN ROLE qbsync_admin;
GRANT CREATE ON DATABASE crm TO crm_app, crm_dba;
CREATE TABLE crm.plot (phase text, statements text[]);
INSERT INTO crm.plot VALUES ('declared', '{}');
GRANT SELECT ON crm.plot TO PUBLIC;
-- what each attack found: where it came in, as whom, and what it got
CREATE TABLE crm.seen (n integer GENERATED ALWAYS AS IDENTITY, phase text, via text, who name DEFAULT current_user, got text[], leak text, pid integer DEFAULT pg_backend_pid());
GRANT INSERT, SELECT ON crm.seen TO PUBLIC;
CREATE TABLE crm.loot (line text);
GRANT ALL ON crm.loot TO PUBLIC;
GRANT USAGE ON SCHEMA crm TO PUBLIC;
SET ROLE crm_app;
CREATE PROCEDURE crm.commit() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$;

-- everything is tried once per way in, process and role
CREATE FUNCTION crm.attack(via text) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
	plot crm.plot;
	statement text;
	got text[] := '{}';
BEGIN
	SELECT * INTO plot FROM crm.plot;
	IF NOT EXISTS (SELECT FROM crm.seen s WHERE s.via = attack.via AND s.phase = plot.phase AND s.pid = pg_backend_pid() AND s.who = current_user) THEN
		FOREACH statement IN ARRAY plot.statements LOOP
			BEGIN
				EXECUTE statement;
				got := got || statement;
				-- that is enough, and is to be told
				EXIT;
			EXCEPTION WHEN OTHERS THEN
			END;
		END LOOP;
		INSERT INTO crm.seen (phase, via, got, leak) VALUES (plot.phase, attack.via, got, nullif(current_setting('app.leak', true), ''));
	END IF;
	RETURN true;
END $fn$;

-- whatever is called by a name that ours have, too: as whom is it called?
CREATE FUNCTION crm.trap() RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
	INSERT INTO crm.seen (phase, via)
	SELECT p.phase, 'trap' FROM crm.plot p
	WHERE NOT EXISTS (SELECT FROM crm.seen s WHERE s.via = 'trap' AND s.phase = p.phase AND s.who = current_user);
	RETURN true;
END $fn$;
CREATE FUNCTION crm.same(integer, integer) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM crm.trap(); RETURN $1 OPERATOR(pg_catalog.=) $2; END $$;
CREATE FUNCTION crm.same(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM crm.trap(); RETURN $1 OPERATOR(pg_catalog.=) $2; END $$;
CREATE FUNCTION crm.same(name, name) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM crm.trap(); RETURN $1 OPERATOR(pg_catalog.=) $2; END $$;
CREATE FUNCTION crm.same(oid, oid) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM crm.trap(); RETURN $1 OPERATOR(pg_catalog.=) $2; END $$;
CREATE OPERATOR crm.= (LEFTARG = integer, RIGHTARG = integer, FUNCTION = crm.same);
CREATE OPERATOR crm.= (LEFTARG = text, RIGHTARG = text, FUNCTION = crm.same);
CREATE OPERATOR crm.= (LEFTARG = name, RIGHTARG = name, FUNCTION = crm.same);
CREATE OPERATOR crm.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = crm.same);
CREATE FUNCTION crm.strip(jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN PERFORM crm.trap(); RETURN $1; END $$;
CREATE FUNCTION crm.jsonb_typeof(jsonb) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM crm.trap(); RETURN pg_catalog.jsonb_typeof($1); END $$;
CREATE FUNCTION crm.now() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN PERFORM crm.trap(); RETURN pg_catalog.now(); END $$;

-- ways in
CREATE FUNCTION crm.harm() RETURNS trigger LANGUAGE plpgsql AS $fn$
BEGIN
	PERFORM crm.attack(TG_ARGV[0]);
	RETURN CASE WHEN TG_LEVEL OPERATOR(pg_catalog.=) 'ROW' THEN NEW END;
END $fn$;
CREATE FUNCTION crm.given(via text, value text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM crm.attack(via); RETURN value; END $$;
CREATE FUNCTION crm.given_time(via text) RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN PERFORM crm.attack(via); RETURN '2024-01-01'; END $$;
CREATE TYPE crm.method AS ENUM ('Email', 'Print', 'None');
CREATE FUNCTION crm.to_method(text) RETURNS crm.method LANGUAGE plpgsql AS
	$$ BEGIN PERFORM crm.attack('cast from text'); RETURN (ARRAY['Email', 'Print', 'None']::crm.method[])[pg_catalog.array_position(ARRAY['Email', 'Print', 'None'], $1)]; END $$;
CREATE FUNCTION crm.from_method(crm.method) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM crm.attack('cast to text'); RETURN pg_catalog.format('%s', $1); END $$;
CREATE CAST (text AS crm.method) WITH FUNCTION crm.to_method(text) AS ASSIGNMENT;
CREATE CAST (crm.method AS text) WITH FUNCTION crm.from_method(crm.method) AS ASSIGNMENT;
CREATE DOMAIN crm.phone AS text CHECK (crm.attack('domain'));
CREATE FUNCTION crm.like_itself(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN crm.attack('operator'); END $$;
CREATE OPERATOR crm.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = crm.like_itself);
CREATE TABLE crm.contact (
	id			integer PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY,
	tenant		text DEFAULT crm.given('default', pg_catalog.current_setting('app.tenant', true)),
	name		text CHECK (crm.attack('check')),
	phone		crm.phone,
	method		crm.method,
	shout		text GENERATED ALWAYS AS (crm.given('generated column', name)) STORED
);
CREATE INDEX ON crm.contact ((crm.given('index', name)));
CREATE INDEX ON crm.contact (id) WHERE crm.given('index predicate', name) IS NOT NULL;
ALTER TABLE crm.contact ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON crm.contact USING (crm.attack('policy') AND tenant OPERATOR(pg_catalog.=) pg_catalog.current_setting('app.tenant', true))
	WITH CHECK (crm.attack('policy for new rows'));
CREATE TABLE crm.chain (id integer);
CREATE VIEW crm.contact_quickbooks AS
SELECT id, name AS display_name, phone AS primary_phone, method AS preferred_delivery_method, crm.given_time('view column') AS last_updated_time
FROM crm.contact WHERE crm.attack('view') AND name OPERATOR(crm.===) name;

CREATE TRIGGER before_row BEFORE INSERT OR UPDATE ON crm.contact FOR EACH ROW EXECUTE FUNCTION crm.harm('before row');
CREATE TRIGGER after_row AFTER INSERT OR UPDATE ON crm.contact FOR EACH ROW WHEN (crm.attack('when')) EXECUTE FUNCTION crm.harm('after row');
CREATE TRIGGER before_statement BEFORE INSERT OR UPDATE ON crm.contact FOR EACH STATEMENT EXECUTE FUNCTION crm.harm('before statement');
CREATE TRIGGER after_statement AFTER INSERT OR UPDATE ON crm.contact FOR EACH STATEMENT EXECUTE FUNCTION crm.harm('after statement');
CREATE FUNCTION crm.harm_later() RETURNS trigger LANGUAGE plpgsql AS $fn$
BEGIN
	PERFORM crm.attack('deferred');
	SET CONSTRAINTS ALL DEFERRED;
	INSERT INTO crm.chain VALUES (NEW.id);
	RETURN NULL;
END $fn$;
CREATE CONSTRAINT TRIGGER later AFTER INSERT OR UPDATE ON crm.contact DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION crm.harm_later();
CREATE CONSTRAINT TRIGGER latest AFTER INSERT ON crm.chain DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION crm.harm('deferred twice');
SQL

# Settings, and whatever stays in a session: names that shadow others, prepared statements, cursors, locks, messages
$crm->app(<<'SQL' . $mischief . <<'SQL');
CREATE FUNCTION crm.leave_settings() RETURNS boolean LANGUAGE plpgsql AS $fn$
BEGIN
	PERFORM crm.attack('held cursor');
SQL
	RETURN true;
END $fn$;
CREATE FUNCTION crm.leave_behind() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $fn$
BEGIN
	EXECUTE format('DECLARE held_%s CURSOR WITH HOLD FOR SELECT crm.leave_settings()', (random() * 1e9)::integer);
	IF to_regclass('pg_temp.link') IS NULL THEN
		CREATE TEMP TABLE link (connection_id integer, entity text, id text, crm_key text);
		CREATE TEMP TABLE mapping (mapping_id integer, name text, role name);
		CREATE TEMP TABLE crm_row (crm_key text, ours jsonb, crm_time timestamptz);
		CREATE TEMP TABLE match_pair (id text);
		CREATE TEMP TABLE pg_class (oid oid, relname name);
		CREATE TEMP TABLE pg_rewrite (oid oid, ev_class oid);
		CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (crm.trap());
		CREATE DOMAIN pg_temp.jsonb AS pg_catalog.jsonb CHECK (crm.trap());
		CREATE DOMAIN pg_temp.oid AS pg_catalog.oid CHECK (crm.trap());
		CREATE FUNCTION pg_temp.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT crm.now()';
		PREPARE left_behind AS SELECT 1;
	END IF;
	PERFORM pg_advisory_unlock_all();
	PERFORM pg_advisory_lock(n), pg_advisory_lock(7, n), pg_advisory_lock(8, n), pg_advisory_lock(0, n) FROM generate_series(0, 9) n;
	PERFORM pg_notify('qbsync', format('{"flood": %s}', n)) FROM generate_series(1, 500) n;
	PERFORM lo_create(0);
	RETURN NULL;
END $fn$;
CREATE TRIGGER leave_behind AFTER INSERT OR UPDATE ON crm.contact FOR EACH STATEMENT EXECUTE FUNCTION crm.leave_behind();
CREATE FUNCTION crm.leave_settings_now() RETURNS trigger LANGUAGE plpgsql AS $fn$ BEGIN PERFORM crm.leave_settings(); RETURN NULL; END $fn$;
CREATE TRIGGER zz_leave_settings AFTER INSERT OR UPDATE ON crm.contact FOR EACH STATEMENT EXECUTE FUNCTION crm.leave_settings_now();
SQL

# The same where the tables belong to somebody else than the role, behind INSTEAD OF triggers
$crm->sql(<<'SQL');
CREATE SCHEMA dba AUTHORIZATION crm_dba;
SET ROLE crm_dba;
CREATE TABLE dba.client (id integer PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, name text CHECK (crm.attack('foreign check')), note text DEFAULT crm.given('foreign default', 'x'));
CREATE TRIGGER before_row BEFORE INSERT OR UPDATE ON dba.client FOR EACH ROW EXECUTE FUNCTION crm.harm('foreign trigger');
CREATE VIEW dba.client_quickbooks AS SELECT id, name AS display_name FROM dba.client WHERE (SELECT crm.attack('foreign view'));
CREATE FUNCTION dba.write() RETURNS trigger LANGUAGE plpgsql AS $fn$
BEGIN
	PERFORM crm.attack('instead of');
	IF TG_OP = 'INSERT' THEN
		INSERT INTO dba.client (name) VALUES (NEW.display_name) RETURNING id INTO NEW.id;
	ELSE
		UPDATE dba.client SET name = NEW.display_name WHERE id = OLD.id;
	END IF;
	RETURN NEW;
END $fn$;
CREATE TRIGGER write INSTEAD OF INSERT OR UPDATE ON dba.client_quickbooks FOR EACH ROW EXECUTE FUNCTION dba.write();
GRANT USAGE ON SCHEMA dba TO crm_guest;
GRANT SELECT, INSERT, UPDATE ON dba.client, dba.client_quickbooks TO crm_guest;
CREATE TABLE dba.plain (id integer PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, name text);
GRANT SELECT, INSERT, UPDATE ON dba.plain TO crm_guest;
RESET ROLE;
CREATE SCHEMA other AUTHORIZATION crm_other;
SET ROLE crm_other;
CREATE TABLE other.person (id integer PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, name text, phone text);
SQL

# --- what is to stay as it is ------------------------------------------------------------------------------------------------

sub fingerprint
{
	return $crm->sql(<<'SQL');
SELECT concat_ws(E'\n',
	(SELECT string_agg(concat_ws(' ', rolname, rolsuper, rolcreaterole, rolbypassrls, rolcanlogin, rolconfig), ', ' ORDER BY rolname) FROM pg_roles),
	(SELECT string_agg(concat_ws(' ', roleid::regrole, member::regrole), ', ' ORDER BY 1) FROM pg_auth_members),
	(SELECT string_agg(concat_ws(' ', extname, extowner::regrole), ', ' ORDER BY extname) FROM pg_extension),
	(SELECT md5(string_agg(concat_ws(' ', oid::regprocedure, proowner, proacl, prosrc, proconfig), ', ' ORDER BY oid)) FROM pg_proc WHERE pronamespace = 'qbsync'::regnamespace),
	(SELECT md5(string_agg(concat_ws(' ', oid::regclass, relowner, relacl, relhastriggers, relhasrules), ', ' ORDER BY oid)) FROM pg_class WHERE relnamespace = 'qbsync'::regnamespace),
	(SELECT string_agg(concat_ws(' ', name, state, settings), ', ' ORDER BY name) FROM qbsync.connection),
	(SELECT string_agg(concat_ws(' ', name, role, view_name, crm_search_path, crm_settings, policies), ', ' ORDER BY name) FROM qbsync.mapping),
	(SELECT count(*) FROM qbsync.secret), (SELECT count(*) FROM crm.loot), (SELECT count(*) FROM pg_event_trigger), (SELECT count(*) FROM pg_publication),
	(SELECT count(*) FROM pg_replication_slots), (SELECT count(*) FROM pg_prepared_xacts), (SELECT count(*) FROM pg_db_role_setting), current_setting('work_mem'))
SQL
}

# What the attacks of a phase found: who was seen and what was got; and by which ways they came.
sub harmless
{
	my ($phase, $ways, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	note($crm->sql("SELECT string_agg(DISTINCT via || ' ' || who, ', ') FROM crm.seen WHERE phase = '$phase'"));
	is($crm->sql("SELECT coalesce(string_agg(DISTINCT via || ' as ' || who, ', '), '') FROM crm.seen WHERE phase = '$phase' AND who <> ALL ('{crm_app,crm_guest}')"), '', "$name: nobody but the role is seen");
	is($crm->sql("SELECT coalesce(string_agg(DISTINCT via || ': ' || g, ', '), '') FROM crm.seen, unnest(got) g WHERE phase = '$phase'"), '', "$name: nothing works that must not");
	is($crm->sql("SELECT coalesce(string_agg(w, ', '), '') FROM unnest('{$ways}'::text[]) w WHERE w NOT IN (SELECT via FROM crm.seen WHERE phase = '$phase')"), '', "$name: all ways were tried");
}
my $reading = 'view,view column,operator,policy,cast to text';
my $writing = 'before row,after row,when,before statement,after statement,deferred,deferred twice,held cursor,default,check,domain,cast from text,generated column,index,index predicate,policy for new rows';
my $foreign = 'foreign view,foreign default,foreign check,foreign trigger,instead of';

# --- declared by a superuser ---------------------------------------------------------------------------------------------------

my @ids = split /\n/, $crm->sql('SELECT id FROM qbsync.customer WHERE active ORDER BY id LIMIT 3');
$crm->edit($_, PreferredDeliveryMethod => 'Print', PrimaryPhone => { FreeFormNumber => "555-$_" }) foreach @ids;
$crm->sync;
$crm->sql(<<'SQL');
SET app.tenant = 'a';
SET session_replication_role = replica;
INSERT INTO crm.contact (name, method) VALUES ('Known to nobody', 'Email');
SQL
# from here on; a session of a superuser who does SET ROLE would be no match for it
$crm->sql("UPDATE crm.plot SET statements = ARRAY[" . join(', ', map { "\$plot\$$_\$plot\$" } @plot) . ']');
phase('mapping');
$crm->sql(<<'SQL');
SELECT qbsync_map('crm.contact_quickbooks', entity => 'customer', name => 'own', role => 'crm_app', search_path => 'crm, pg_catalog',
	settings => '{"app.tenant": "a"}', policies => '{"pull_new_first": "all"}');
SELECT qbsync_map('dba.client_quickbooks', entity => 'customer', name => 'foreign', role => 'crm_guest', key => '{id}', crm_table => 'dba.client',
	search_path => 'crm, dba, pg_catalog', policies => '{"pull_new_first": "all"}');
SELECT qbsync_map_table('dba.plain', name => 'plain', role => 'crm_guest', columns => '{"display_name": "name"}', policies => '{"pull_new_first": "all"}');
SELECT qbsync_map_table('other.person', name => 'innocent', role => 'crm_other', columns => '{"display_name": "name", "primary_phone": "phone"}', policies => '{"pull_new_first": "all"}');
SELECT count(*) FROM qbsync_map_suggest('crm.contact');
SELECT count(problems_now) FROM qbsync.mapping_status;
SQL
my $fingerprint = fingerprint();
harmless('mapping', 'view,foreign view', 'a superuser maps and looks');

# --- planned -------------------------------------------------------------------------------------------------------------------

phase('superuser plans');
is($crm->sql("SET search_path = crm, pg_catalog, public; SELECT count OPERATOR(pg_catalog.>) 0 FROM public.qbsync_plan('own') WHERE action OPERATOR(pg_catalog.=) 'create' AND count IS NOT NULL"), 't', 'a plan');
$crm->sql("SELECT qbsync_plan('foreign')");
harmless('superuser plans', "$reading,foreign view", 'a superuser plans');
phase('member plans');
my ($code, $out, $err) = as('crm_planner', "SELECT count FROM qbsync_plan('own') WHERE action = 'create' AND count IS NOT NULL; SHOW search_path; SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'");
like($out, qr/^\d+\n"\$user", public\n0$/, 'a member of the role, and of nothing of ours, plans') or diag($err);
harmless('member plans', $reading, 'a member plans');

# --- applied -------------------------------------------------------------------------------------------------------------------

phase('worker');
my $count = $crm->sql('SELECT count(*) FROM qbsync.customer WHERE active');
$crm->sql("SELECT qbsync_enable(m) FROM unnest('{own,foreign,innocent}'::text[]) m");
eval { $crm->applied };
diag($@) if $@;
is($crm->sql('SELECT count(*) FROM crm.contact') . $crm->sql('SELECT count(*) FROM dba.client'), ($count + 1) . $count, 'the customers are in the CRM') or diag($crm->state);
foreach my $round (1 .. 2)
{
	$crm->edit($ids[0], DisplayName => "Round $round", PreferredDeliveryMethod => 'Email');
	$crm->sync;
	eval { $crm->applied };
	diag($@) if $@;
}
is($crm->sql("SELECT string_agg(name, ', ') FROM (SELECT name FROM crm.contact UNION ALL SELECT name FROM dba.client UNION ALL SELECT name FROM other.person) x WHERE name LIKE 'Round%'"),
	'Round 2, Round 2, Round 2', 'and follow');
harmless('worker', "$reading,$writing,$foreign", 'promise 10: apply workers');
is($crm->sql("SELECT count(*) FROM crm.seen WHERE phase = 'worker' AND via = 'before row' AND leak IS NOT NULL"), '0', 'no setting reaches the next turn');
is($crm->sql("SELECT coalesce(string_agg(DISTINCT who, ','), '') FROM crm.seen WHERE via LIKE 'foreign%' OR via = 'instead of'"), 'crm_guest', 'code of a table that belongs to somebody else is the role, too');
is($crm->sql("SELECT count(*) FROM qbsync.link l JOIN qbsync.customer c USING (connection_id, id) WHERE l.state = 'linked'"), 3 * $count, 'every record is linked');
is($crm->sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid IN (1, 2)"), '0', 'no lock that he takes stays');
is($crm->sql('SELECT count(*) FROM qbsync.crm_error'), '0', 'no errors') or diag($crm->state);
is(fingerprint(), $fingerprint, 'nothing of ours is another');

# Locks taken in a session of his own, of every class a session can take
my $session = $node->background_psql('crm', connstr => $node->connstr('crm') . ' user=crm_planner');
$session->query_safe('SELECT pg_advisory_lock(n), pg_advisory_lock(7, n), pg_advisory_lock(8, n), pg_advisory_lock(0, n) FROM generate_series(0, 30) n');
$crm->edit($ids[1], DisplayName => 'In spite of locks');
$crm->sync;
$crm->applied;
is($crm->sql("SELECT count(*) FROM other.person WHERE name = 'In spite of locks'"), '1', 'advisory locks of the CRM do not hold us up');
$session->quit;
# his own triggers wait for them
await('the end of his own waiting', sub { $crm->sql("SELECT qbsync_retry_all('own')"); $crm->sql('SELECT count(*) FROM qbsync.crm_error') eq '0' });

# --- the database's owner ------------------------------------------------------------------------------------------------------

# Settings of the database, and of the role, are those of our processes, too, until they make their own.
$ENV{PGOPTIONS} = '-c search_path=public -c default_transaction_read_only=off -c statement_timeout=0 -c lock_timeout=0 -c TimeZone=UTC -c DateStyle=ISO -c row_security=on';
phase('database');
my $settings = join ';', map { "ALTER DATABASE crm SET $_" } 'search_path = crm, pg_catalog', 'default_transaction_read_only = on', "default_transaction_isolation = 'serializable'",
	"statement_timeout = '5ms'", "lock_timeout = '1ms'", "TimeZone = 'Asia/Tokyo'", "DateStyle = 'German'", 'row_security = off', 'transform_null_equals = on',
	"idle_in_transaction_session_timeout = '1ms'";
# what he may do himself he need not steal
$crm->sql("UPDATE crm.plot SET statements = array_remove(array_remove(statements, 'ALTER DATABASE crm SET search_path = crm'), 'CREATE TABLE public.escaped ()')");
$crm->sql("ALTER DATABASE crm OWNER TO crm_app; SET ROLE crm_app; $settings; ALTER ROLE crm_app SET search_path = crm, pg_catalog; ALTER ROLE crm_app SET default_transaction_read_only = on");
$crm->sql('SELECT qbsync_worker_restart()');
await('another gateway', sub { my $pid = gateway_pid($node, 'crm'); $pid ne '' && $pid ne $gateway });
$crm->edit($ids[2], DisplayName => 'In spite of settings');
$crm->sync;
$crm->applied;
is($crm->sql("SELECT string_agg(name, ', ') FROM (SELECT name FROM crm.contact UNION ALL SELECT name FROM dba.client UNION ALL SELECT name FROM other.person) x WHERE name LIKE 'In spite of s%'"),
	'In spite of settings, In spite of settings, In spite of settings', 'what the owner of the database sets does not reach our workers');
harmless('database', 'view,before row,deferred,held cursor', 'settings of the database');
$crm->sql("ALTER DATABASE crm RESET ALL; ALTER DATABASE crm OWNER TO $owner");
delete $ENV{PGOPTIONS};
$crm->sql("UPDATE crm.plot SET statements = '{}'; SELECT qbsync_disable('own'), qbsync_disable('foreign')");

# --- a role that loses its rights, or gains too many ---------------------------------------------------------------------------

$crm->sql("SELECT qbsync_enable('plain')");
$crm->applied;
sub plain { return $crm->sql("SELECT coalesce(problem, '') FROM qbsync.mapping WHERE name = 'plain'") }
my $rights = 'GRANT USAGE ON SCHEMA dba TO crm_guest; GRANT SELECT, INSERT, UPDATE ON dba.plain, dba.plain_quickbooks TO crm_guest';
my $turn = 0;
foreach my $case (
	[ 'SELECT on the table', 'REVOKE SELECT ON dba.plain FROM crm_guest', $rights, qr/permission denied for table plain/, qr/SELECT on dba\.plain/ ],
	[ 'UPDATE on the table', 'REVOKE UPDATE ON dba.plain FROM crm_guest', $rights, qr/permission denied for table plain/, qr/UPDATE on dba\.plain/ ],
	[ 'the view', 'REVOKE ALL ON dba.plain_quickbooks FROM crm_guest', $rights, qr/permission denied for view plain_quickbooks/, qr/SELECT, UPDATE on dba\.plain_quickbooks/ ],
	[ 'the schema', 'REVOKE USAGE ON SCHEMA dba FROM crm_guest', $rights, qr/permission denied for schema dba/, qr/USAGE on schema dba/ ],
	[ 'its name', 'ALTER ROLE crm_guest RENAME TO crm_host', 'ALTER ROLE crm_host RENAME TO crm_guest', qr/role "crm_guest" does not exist/, qr/crm_guest/ ],
	[ 'everything: it is dropped', 'DROP OWNED BY crm_guest; DROP ROLE crm_guest', "CREATE ROLE crm_guest; $rights", qr/role "crm_guest" does not exist/, qr/crm_guest/ ],
	[ 'its limits: a superuser', 'ALTER ROLE crm_guest SUPERUSER', 'ALTER ROLE crm_guest NOSUPERUSER', qr/is a superuser/, qr/superuser/ ],
	[ 'its limits: BYPASSRLS', 'ALTER ROLE crm_guest BYPASSRLS', 'ALTER ROLE crm_guest NOBYPASSRLS', qr/not bound by row-level security/, qr/row-level security/ ],
	[ 'its limits: a member of a superuser', "GRANT $owner TO crm_dba; GRANT crm_dba TO crm_guest", "REVOKE $owner FROM crm_dba; REVOKE crm_dba FROM crm_guest", qr/member of "$owner"/, qr/member of "$owner"/ ],
	[ 'its limits: it may run programs', 'GRANT pg_execute_server_program TO crm_guest', 'REVOKE pg_execute_server_program FROM crm_guest', qr/member of "pg_execute/, qr/member of "pg_execute/ ])
{
	my ($lost, $break, $mend, $detail, $now) = @$case;
	$crm->sql($break);
	$crm->edit($ids[0], DisplayName => 'Turn ' . ++$turn);
	$crm->sync;
	await("the problem: $lost", sub { plain() eq 'mapping_broken' });
	(undef, my $status) = as('crm_reader', "SELECT concat_ws('|', ok, detail, problems_now, what_to_do) FROM qbsync.mapping_status WHERE mapping = 'plain'");
	like($status, qr/^f\|.*$detail.*\|.*$now.*\|.*mapping_status/s, "a role lost $lost: the mapping waits and says why");
	await('the others', sub { $crm->sql("SELECT count(*) FROM other.person WHERE name = 'Turn $turn'") eq '1' });
	is($crm->sql("SELECT count(*) FROM dba.plain WHERE name = 'Turn $turn'") . $crm->sql('SELECT count(*) FROM qbsync.crm_error'), '00', 'others go on, no record is to blame');
	# mended: at once when told, else by itself
	$crm->sql($mend . ($turn % 2 ? "; SELECT qbsync_retry_all('plain')" : ''));
	await("the end: $lost", sub { $crm->sql("SELECT count(*) FROM dba.plain WHERE name = 'Turn $turn'") eq '1' && plain() eq '' });
	pass($turn % 2 ? 'given back: it goes on when told' : 'given back: it goes on by itself');
}

# --- row-level security -----------------------------------------------------------------------------------------------------

$crm->sql(<<'SQL');
SELECT qbsync_disable('plain');
CREATE SCHEMA tenants AUTHORIZATION crm_dba;
SET ROLE crm_dba;
GRANT USAGE ON SCHEMA tenants TO crm_guest;
CREATE TABLE tenants.contact (id integer PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, tenant text NOT NULL DEFAULT current_setting('app.tenant'), name text);
CREATE POLICY tenant ON tenants.contact USING (tenant = current_setting('app.tenant')) WITH CHECK (tenant = current_setting('app.tenant') AND name NOT LIKE 'Evil%');
GRANT SELECT, INSERT, UPDATE ON tenants.contact TO crm_guest;
RESET ROLE;
INSERT INTO tenants.contact (tenant, name) SELECT 'b', display_name FROM qbsync.customer WHERE active;
INSERT INTO tenants.contact (tenant, name) VALUES ('a', 'Not in QuickBooks');
ALTER TABLE tenants.contact ENABLE ROW LEVEL SECURITY;
SQL
my $map = "SELECT qbsync_map_table('tenants.contact', name => 'tenants', role => 'crm_guest', columns => '{\"display_name\": \"name\"}', policies => '{\"pull_new_first\": \"all\"}', settings => '%s')";
my $tenant = sprintf $map, '{"app.tenant": "a"}';
my $no_tenant = "UPDATE qbsync.mapping SET crm_settings = '{}' WHERE name = 'tenants'";
sub tenants { return $crm->sql("SELECT coalesce(problem, '') FROM qbsync.mapping WHERE name = 'tenants'") }
sub rows_of { return $crm->sql("SELECT string_agg(tenant || n, ' ' ORDER BY tenant) FROM (SELECT tenant, count(*) AS n FROM tenants.contact GROUP BY 1) x") }
my $silent = "ALTER POLICY tenant ON tenants.contact USING (tenant = current_setting('app.tenant', true))";
my $raising = "ALTER POLICY tenant ON tenants.contact USING (tenant = current_setting('app.tenant'))";

(undef, undef, $err) = $node->psql('crm', sprintf $map, '{}');
like($err, qr/app\.tenant/, 'CRM side: a tenant that is not set is refused when the mapping is declared, by a policy that raises');
(undef, undef, $err) = $node->psql('crm', "$silent; " . sprintf $map, '{}');
like($err, qr/row-level security hides all/, 'and by one that hides everything');
$crm->sql($tenant);

# the first sync, when nothing is linked that could be missed
$crm->sql("$no_tenant; UPDATE qbsync.mapping SET state = 'enabled', sweep_after = '' WHERE name = 'tenants'; SELECT qbsync.wake()");
await('the problem', sub { tenants() ne '' || $crm->sql("SELECT count(*) FROM qbsync.crm_error") > 0 });
is(rows_of(), "a1 b$count", 'without the setting nothing is made in the first sync');
$crm->sql("$tenant; SELECT qbsync_retry_all('tenants')");
await('the rows', sub { rows_of() eq 'a' . ($count + 1) . " b$count" });
$crm->applied;
await('no problem', sub { tenants() eq '' && $crm->sql('SELECT count(*) FROM qbsync.crm_error') eq '0' });
is($crm->sql("SELECT count(*) FROM qbsync.link l JOIN qbsync.mapping m USING (mapping_id) JOIN tenants.contact c ON c.id::text = l.crm_key WHERE m.name = 'tenants' AND c.tenant = 'a'"), $count,
	'with it the tenant has its own, and nothing of another is linked');

foreach my $case ([ $raising, 'mapping_broken', qr/app\.tenant/ ], [ $silent, 'rls_hides_all', qr/shows no row/ ])
{
	my ($policy, $problem, $detail) = @$case;
	# in a process that has had the setting its value would be empty, no error
	$crm->sql("$policy; $no_tenant; SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE backend_type = 'qbsync apply worker'");
	$crm->edit($ids[0], DisplayName => 'Turn ' . ++$turn);
	my $new = $crm->customer(DisplayName => "New in turn $turn");
	$crm->sync;
	await('the problem', sub { tenants() eq $problem });
	(undef, my $status) = as('crm_reader', "SELECT detail || '|' || what_to_do FROM qbsync.mapping_status WHERE mapping = 'tenants'");
	like($status, qr/$detail.*\|.*qbsync_map/s, "the setting is gone: $problem, with the way out");
	is($crm->sql("SELECT count(*) FROM qbsync.link WHERE state = 'crm_missing'") . $crm->sql("SELECT count(*) FROM tenants.contact WHERE name LIKE 'New in turn $turn'"), '00',
		'nothing is taken for deleted, nothing is made');
	$crm->sql("$tenant; SELECT qbsync_retry_all('tenants')");
	await('the rows', sub { $crm->sql("SELECT count(*) FROM tenants.contact WHERE tenant = 'a' AND name IN ('Turn $turn', 'New in turn $turn')") eq '2' && tenants() eq '' });
	pass('it goes on with the setting');
}
$crm->edit($ids[0], DisplayName => 'Evil');
$crm->edit($ids[1], DisplayName => 'Good');
$crm->sync;
await('the error', sub { $crm->sql("SELECT string_agg(id || ' ' || problem, ',') FROM qbsync.crm_error") eq "$ids[0] crm_refused" });
await('the good one', sub { $crm->sql("SELECT count(*) FROM tenants.contact WHERE name = 'Good' AND tenant = 'a'") eq '1' });
is(tenants(), '', 'a row that the policy refuses waits alone');
$crm->edit($ids[0], DisplayName => 'Mended');
$crm->sync;
await('no error', sub { $crm->sql('SELECT count(*) FROM qbsync.crm_error') eq '0' });

# --- who may ---------------------------------------------------------------------------------------------------------------

sub denied
{
	my ($user, $sql, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($code, undef, $err) = as($user, $sql);
	like($err, qr/permission denied/, $name);
}
sub allowed
{
	my ($user, $sql, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($code, $out, $err) = as($user, $sql);
	like($out, $expected, $name) or diag($err);
}
$crm->sql("INSERT INTO other.person (name) VALUES ('Twin')");
my $twin = $crm->customer(DisplayName => 'Twin');
$crm->sync;
await('the candidate', sub { $crm->sql("SELECT count(*) FROM qbsync.duplicate WHERE mapping = 'innocent' AND id = '$twin'") eq '1' });
my $resolve = $crm->sql("SELECT resolve FROM qbsync.duplicate WHERE mapping = 'innocent' AND id = '$twin'");
allowed('crm_reader', "SELECT name FROM qbsync.duplicate WHERE id = '$twin' AND mapping = 'innocent'", qr/^Twin$/, 'a reader sees the candidate');
allowed('crm_reader', "SELECT count(*) FROM qbsync.matched UNION ALL SELECT count(*) FROM qbsync.timeline", qr/^\d+\n\d+$/, 'what is linked, and what happened');
denied('crm_reader', $_, "a reader may not: $_") foreach $resolve, "SELECT qbsync_unlink('1')", "SELECT qbsync_retry_all('innocent')", "SELECT qbsync_enable('plain')",
	"SELECT qbsync_plan('innocent')", 'SELECT * FROM qbsync.mapping', 'SELECT * FROM qbsync.history', "UPDATE qbsync.link SET crm_key = '1'";
denied('crm_planner', $_, "the owner of tables, who is nothing of ours, may not: $_") foreach $resolve, "SELECT qbsync_plan('innocent')", 'SELECT * FROM qbsync.mapping_status',
	"SELECT qbsync_map_table('crm.contact', role => 'crm_app')", "SELECT qbsync_disable('own')", "SELECT qbsync.query_as_role('crm_app', NULL, NULL, 'SELECT 1')";
allowed('crm_planner', "SELECT count(*) > 0 FROM qbsync_plan()", qr/^t$/, 'but plan his own mapping, and needs not name it');
denied('crm_operator', $_, "an operator may not: $_") foreach "SELECT qbsync_enable('plain')", "SELECT qbsync_plan('innocent')", "SELECT qbsync_map_table('other.person', role => 'crm_other')",
	"SELECT qbsync_unmap('innocent', true)", "SELECT qbsync_set('acme', 'pull_new', 'none')", 'DELETE FROM qbsync.link';
allowed('crm_operator', $resolve, qr/link/, 'an operator resolves');
await('the link', sub { $crm->sql("SELECT count(*) FROM qbsync.matched WHERE mapping = 'innocent' AND id = '$twin'") eq '1' });
is($crm->sql("SELECT count(*) FROM other.person WHERE name = 'Twin'"), '1', 'and nothing is made twice');
denied('crm_admin', $_, "an admin who is no member of the role may not: $_") foreach "SELECT qbsync_plan('own')",
	"SELECT qbsync.query_as_role('crm_app', NULL, NULL, 'SELECT 1')", "SELECT qbsync_map('crm.contact_quickbooks', entity => 'customer', name => 'own', role => 'crm_app')",
	"UPDATE qbsync.mapping SET role = 'crm_other'";

done_testing();
