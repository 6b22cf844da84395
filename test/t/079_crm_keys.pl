# CRM records whose keys change are the same records: linked, on their way, asked about (X-1, X-4, X-13, EXT-2).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use QbsyncCrm;
use QbsyncTest;
use Test::More;

my $crm = QbsyncCrm->new('keys', customers => 3, seed => 79, conf => 'qbsync.request_timeout = 60s');
my $sim = $crm->{simulator};
$crm->app(<<'SQL');
CREATE TABLE crm.contact (id integer PRIMARY KEY, name text NOT NULL, phone text, notes text);
CREATE TABLE crm.email (contact_id integer REFERENCES crm.contact ON UPDATE CASCADE ON DELETE CASCADE, address text PRIMARY KEY);
CREATE SEQUENCE crm.ids START 1000;
ALTER TABLE crm.contact ALTER id SET DEFAULT nextval('crm.ids');
CREATE VIEW crm.person AS
	SELECT c.id, c.name AS display_name, c.phone AS primary_phone, c.notes, (SELECT array_agg(e.address ORDER BY e.address) FROM crm.email e WHERE e.contact_id = c.id) AS emails FROM crm.contact c;
CREATE FUNCTION crm.write() RETURNS trigger LANGUAGE plpgsql AS $fn$
BEGIN
	IF TG_OP = 'INSERT' THEN
		INSERT INTO crm.contact (name, phone, notes) VALUES (NEW.display_name, NEW.primary_phone, NEW.notes) RETURNING id INTO NEW.id;
	ELSE
		UPDATE crm.contact SET name = NEW.display_name, phone = NEW.primary_phone, notes = NEW.notes WHERE id = OLD.id;
	END IF;
	RETURN NEW;
END $fn$;
CREATE TRIGGER write INSTEAD OF INSERT OR UPDATE ON crm.person FOR EACH ROW EXECUTE FUNCTION crm.write();
SQL
$crm->sql(<<'SQL');
SELECT qbsync_map('crm.person', 'customer', name => 'persons', role => 'crm_app',
	watch => '{"crm.contact": {"key": ["id"], "columns": ["name", "phone", "notes"]}, "crm.email": {"key": ["contact_id"]}}',
	policies => '{"pull_new_first": "all", "push_new": "scope", "on_crm_delete": "deactivate", "lane_limit": "1000"}');
SELECT qbsync_enable('persons');
SQL
idle();
my $customers = keys %{ $sim->objects('Customer') };
my $inactive = inactive();

sub idle { $crm->sql("CALL qbsync_wait('acme', 'idle', '3 min')") }
sub insert { my ($id, $name) = @_; $crm->app("INSERT INTO crm.contact (id, name) VALUES ($id, '$name')"); $customers++ }
sub inactive { return scalar grep { !$_->{Active} } values %{ $sim->objects('Customer') } }
sub named { my ($name) = @_; return grep { $_->{DisplayName} eq $name } values %{ $sim->objects('Customer') } }
sub id_of { my ($name) = @_; return (named($name))[0]{Id} }
sub links { my (@keys) = @_; return $crm->sql("SELECT coalesce(string_agg(crm_key || '=' || id, ' ' ORDER BY crm_key), '') FROM qbsync.link WHERE state = 'linked' AND crm_key IN (" . join(',', map { "'$_'" } @keys) . ")") }
sub states { return $crm->sql("SELECT coalesce(string_agg(state, ' ' ORDER BY request_id), '') FROM qbsync.request") }

# Each customer is there once, none of them inactive, nothing waits.
sub is_whole
{
	my ($what) = @_;
	is(scalar(keys %{ $sim->objects('Customer') }) . ' ' . inactive(), "$customers $inactive", "$what: none is there twice, none was made inactive");
	is(states() . $crm->sql('SELECT count(*) FROM qbsync.error_open') . $crm->sql("SELECT count(*) FROM qbsync.link WHERE state <> 'linked'"), '00', "$what: nothing is left to be done")
	  or diag($crm->sql('SELECT problem, crm_key, detail FROM qbsync.error_open'));
}

# --- one record ---------------------------------------------------------------------------------------------------------------

insert(1, 'First');
$crm->app("INSERT INTO crm.email VALUES (1, 'first\@example.com')");
idle();
my $first = id_of('First');
$crm->app("UPDATE crm.contact SET id = 11, name = 'First, renamed' WHERE id = 1");
idle();
is(links(1, 11), "11=$first", 'X-4: another key and another name in one statement: the same record');
is($sim->objects('Customer', $first)->{DisplayName} . ' ' . $sim->objects('Customer', $first)->{PrimaryEmailAddr}{Address}, 'First, renamed first@example.com', 'which is renamed in QuickBooks');
is_whole('one record');
is($crm->sql("SELECT detail ->> 'was' FROM qbsync.timeline WHERE kind = 'rekeyed' AND crm_key = '11'"), '1', 'its timeline says so');
like($crm->sql("SELECT text FROM qbsync.timeline WHERE kind = 'rekeyed'"), qr/where it was 1 before/, 'in words');
is($crm->sql("SELECT count(*) FROM qbsync.activity WHERE crm_key = '1'"), 0, 'and goes on with what was');
$crm->edit($first, PrimaryPhone => { FreeFormNumber => '555' });
$crm->sync;
$crm->applied;
is($crm->sql('SELECT phone FROM crm.contact WHERE id = 11'), '555', 'what changes there arrives under the new key');

insert(1, 'Second under the old key');
idle();
is(scalar(named('Second under the old key')), 1, 'EXT-2: who gets the old key is another record, made by another requestid');
isnt(links(1), "1=$first", 'linked with its own');
is_whole('the old key');

# a row that was a part of one, and is one of another: neither has another key
$crm->app("UPDATE crm.email SET contact_id = 1 WHERE contact_id = 11");
idle();
is(links(1, 11), '1=' . id_of('Second under the old key') . " 11=$first", 'parts of records that move change nothing about who they are');
is_whole('parts');

# --- many ------------------------------------------------------------------------------------------------------------------------

$crm->app("INSERT INTO crm.contact (id, name) SELECT 100 + n, 'Many ' || n FROM generate_series(1, 300) n");
$customers += 300;
idle();
my %id = map { $_ => id_of("Many $_") } 1, 2, 300;
$crm->app("UPDATE crm.contact SET id = id + 5000, name = name || ' again' WHERE name LIKE 'Many %'");
idle();
is(links(5101, 5400), "5101=$id{1} 5400=$id{300}", 'keys of many records change at once');
is(scalar(grep { /^Many \d+ again$/ } map { $_->{DisplayName} } values %{ $sim->objects('Customer') }), 300, 'with their names');
is_whole('many');
$crm->app(<<'SQL');
BEGIN;
UPDATE crm.contact SET id = 1 - id WHERE id > 5100;
UPDATE crm.contact SET id = 2 - id WHERE id < -5000;
COMMIT;
SQL
idle();
is(links(5101, 5102, 5103), "5102=$id{1} 5103=$id{2}", 'every record gets the key that its neighbour had');
is_whole('neighbours');
$crm->app(<<'SQL');
BEGIN;
UPDATE crm.contact SET id = 9999 WHERE id = 5102;
UPDATE crm.contact SET id = 5102 WHERE id = 5103;
UPDATE crm.contact SET id = 5103 WHERE id = 9999;
COMMIT;
SQL
idle();
is(links(5102, 5103, 9999), "5102=$id{2} 5103=$id{1}", 'two records exchange their keys');
is(join(' ', map { $sim->objects('Customer', $id{$_})->{DisplayName} } 1, 2), 'Many 1 again Many 2 again', 'and keep their names');
is_whole('exchanged');
$crm->app(<<'SQL');
BEGIN;
UPDATE crm.contact SET id = 9999 WHERE id = 5102;
UPDATE crm.contact SET id = 5102 WHERE id = 9999;
COMMIT;
SQL
idle();
is(links(5102, 9999), "5102=$id{2}", 'one that comes back has not moved');
is_whole('back');

# --- on their way ------------------------------------------------------------------------------------------------------------------

$sim->fault('hang', kind => 'write', times => 1, seconds => 60);
insert(2, 'Being made');
await('the request', sub { states() eq 'sent' });
$crm->app("UPDATE crm.contact SET id = 12, name = 'Being made, renamed' WHERE id = 2");
await('it is known', sub { $crm->sql('SELECT crm_key FROM qbsync.request') eq '12' });
$sim->clear_faults;
idle();
is(scalar(named('Being made')) . scalar(named('Being made, renamed')), '01', 'a record whose creation is on its way gets another key: it is made once');
is(links(2, 12), '12=' . id_of('Being made, renamed'), 'and linked under its key');
is_whole('being made');

insert(2, 'The next one');
idle();
is(scalar(named('The next one')), 1, 'EXT-2: who gets that key is another');
is_whole('the next one');

$sim->fault('hang', kind => 'write', times => 1, seconds => 60);
$crm->app("UPDATE crm.contact SET phone = '1' WHERE id = 12");
await('the request', sub { states() eq 'sent' });
$crm->app("UPDATE crm.contact SET id = 13, phone = '2' WHERE id = 12");
await('it is known', sub { $crm->sql('SELECT crm_key FROM qbsync.request') eq '13' });
$sim->clear_faults;
idle();
is((named('Being made, renamed'))[0]{PrimaryPhone}{FreeFormNumber}, '2', 'so does one whose edit is on its way');
is(links(2, 12, 13), '13=' . id_of('Being made, renamed') . ' 2=' . id_of('The next one'), 'linked under its key');
is_whole('edited');

# the answer is being recorded, and waits for somebody's lock, when the key changes
$crm->sql('CREATE TABLE crm.held AS SELECT true AS held');
my $holder = $crm->session(<<'SQL');
BEGIN;
SELECT FROM qbsync.link WHERE crm_key = '13' FOR UPDATE;
SELECT pg_advisory_lock(79);
DO $$ BEGIN WHILE EXISTS (SELECT FROM crm.held h WHERE h.held) LOOP PERFORM pg_sleep(0.05); END LOOP; END $$;
COMMIT;
SQL
await('the lock', sub { $crm->sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 79 AND objsubid = 1") eq '1' });
$crm->app("UPDATE crm.contact SET phone = '3' WHERE id = 13");
await('the answer', sub { (named('Being made, renamed'))[0]{PrimaryPhone}{FreeFormNumber} eq '3' });
await('somebody who waits', sub { $crm->sql('SELECT count(*) FROM pg_locks WHERE NOT granted') ne '0' });
$crm->app("UPDATE crm.contact SET id = 15, phone = '4' WHERE id = 13");
await('its capture is read, or waits for the same', sub { $crm->sql("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN (SELECT pid FROM pg_stat_activity WHERE backend_type = 'qbsync apply worker')") ne '0' });
$crm->sql('UPDATE crm.held SET held = false');
$holder->finish;
idle();
is((named('Being made, renamed'))[0]{PrimaryPhone}{FreeFormNumber}, '4', 'and one whose answer waits for a lock');
is(links(13, 15), '15=' . id_of('Being made, renamed'), 'linked under its key');
is_whole('locked');

$sim->fault('hang', kind => 'write', times => 1, seconds => 60);
insert(3, 'Deleted');
await('the request', sub { states() eq 'sent' });
$crm->app('UPDATE crm.contact SET id = 14 WHERE id = 3');
await('it is known', sub { $crm->sql('SELECT crm_key FROM qbsync.request') eq '14' });
$crm->app('DELETE FROM crm.contact WHERE id = 14');
await('the captures', sub { $crm->sql('SELECT count(*) FROM qbsync.capture') eq '0' });
$sim->clear_faults;
idle();
is(scalar(grep { $_->{Active} } named('Deleted')), 0, 'X-13: deleted under its new key while its creation is on its way: it is made inactive');

# --- what people are asked -----------------------------------------------------------------------------------------------------------

my $asked = id_of('The next one');
$crm->edit($asked, Notes => 'theirs');
$crm->app("UPDATE crm.contact SET notes = 'ours' WHERE id = 2");
idle();
$crm->sync;
$crm->applied;
is($crm->sql("SELECT crm_key, unit FROM qbsync.conflict_open"), '2|notes', 'a conflict');
$crm->app('UPDATE crm.contact SET id = 22 WHERE id = 2');
idle();
is($crm->sql("SELECT crm_key, crm ->> 'notes', quickbooks ->> 'notes' FROM qbsync.conflict_open"), '22|ours|theirs', 'X-1: is asked about under the new key');
$crm->sql("SELECT qbsync_resolve_conflict((SELECT conflict_id FROM qbsync.conflict_open), 'quickbooks')");
$crm->applied;
is($crm->sql('SELECT notes FROM crm.contact WHERE id = 22'), 'theirs', 'and resolved there');

done_testing;
