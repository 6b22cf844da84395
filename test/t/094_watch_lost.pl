# Watched tables whose changes nobody hears of: made anew by a migration, their trigger dropped or disabled.  It is said as long as it is
# so, and qbsync_enable puts it right and brings what was missed (X-1, CAP-1, EXT-32, KAR-34).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use JSON::PP;
use QbsyncCrm;
use QbsyncTest;
use Test::More;

my $crm = QbsyncCrm->new('watch_lost', customers => 0, seed => 94);
my @id = map { $crm->customer(DisplayName => "Firm $_") } 1 .. 2;
$crm->sync;
$crm->sql(<<'SQL');
SET ROLE crm_app;
CREATE TABLE crm.firms (id int PRIMARY KEY, name text);
CREATE TABLE crm.phones (firm int, phone text);
CREATE TABLE crm.remarks (firm int, remark text) PARTITION BY LIST (firm);
CREATE TABLE crm.remarks_1 PARTITION OF crm.remarks FOR VALUES IN (1);
CREATE TABLE crm.remarks_rest PARTITION OF crm.remarks DEFAULT;
INSERT INTO crm.firms VALUES (1, 'Firm 1'), (2, 'Firm 2');
INSERT INTO crm.phones VALUES (1, '0'), (2, '0');
INSERT INTO crm.remarks VALUES (1, 'a'), (2, 'b');
CREATE VIEW crm.v AS SELECT f.id, f.name AS display_name, p.phone AS primary_phone, r.remark AS notes
	FROM crm.firms f LEFT JOIN crm.phones p ON p.firm = f.id LEFT JOIN crm.remarks r ON r.firm = f.id;
RESET ROLE;
SELECT qbsync_map('crm.v', 'customer', name => 'firms', role => 'crm_app', key => '{id}', crm_table => 'crm.firms',
	policies => '{"direction": "push", "authority": "crm", "push_new": "scope"}',
	watch => '{"crm.firms": {"key": ["id"]}, "crm.phones": {"key": ["firm"]}, "crm.remarks": {"key": ["firm"]}}');
INSERT INTO qbsync.match_rule (mapping_id, rule, outcome) VALUES (1, 'name_only', 'auto');
SELECT qbsync_enable('firms');
SQL
sub idle
{
	return if eval { $crm->sql("CALL qbsync_wait('acme', 'idle', '3 min')"); 1 };
	diag($crm->state, map { "\n" . $crm->sql("SELECT to_jsonb(t) FROM $_ t LIMIT 5") } qw(qbsync.request qbsync.send_error qbsync.outgoing qbsync.capture));
	die 'not idle';
}
sub theirs { return join ' ', map { join '/', $_->{DisplayName}, $_->{PrimaryPhone}{FreeFormNumber} // '-', $_->{Notes} // '-' }
	sort { $a->{DisplayName} cmp $b->{DisplayName} } grep { $_->{DisplayName} =~ /^Firm/ } @{ decode_json($crm->{simulator}->store('Customer'))->{objects} } }
sub said { return $crm->sql("SELECT concat_ws('|', s.ok, s.problem, s.detail, c.broken_mapping_count) FROM qbsync.mapping_status s JOIN qbsync.status c USING (connection_id)") }
sub enable { $crm->sql("SELECT qbsync_enable('firms')"); idle() }
idle();
is(theirs(), 'Firm 1/0/a Firm 2/0/b', 'all is agreed on');
is(said(), 't|0', 'nothing is wrong');

# --- a migration ---------------------------------------------------------------------------------------------------------

$crm->app(<<'SQL');
BEGIN;
DROP VIEW crm.v;
CREATE TABLE crm.phones_new AS SELECT * FROM crm.phones;
DROP TABLE crm.phones;
ALTER TABLE crm.phones_new RENAME TO phones;
CREATE VIEW crm.v AS SELECT f.id, f.name AS display_name, p.phone AS primary_phone, r.remark AS notes
	FROM crm.firms f LEFT JOIN crm.phones p ON p.firm = f.id LEFT JOIN crm.remarks r ON r.firm = f.id;
COMMIT;
UPDATE crm.phones SET phone = '1' WHERE firm = 1;
SQL
is(said(), 'f|watch_lost|Table crm.phones has no trigger of qbsync.|1', 'a watched table that was made anew: what it lacks is said');
is($crm->sql('SELECT count(*) FROM qbsync.capture'), 0, 'changes are not noticed');
like($crm->sql('SELECT what_to_do FROM qbsync.mapping_status'), qr/SELECT qbsync_enable\(mapping => 'firms'\)/, 'and what to do');
$crm->sql("SELECT qbsync_set(connection => 'acme', setting => 'language', value => 'fr')");
like($crm->sql("SELECT concat_ws('|', problem_text, detail, what_to_do) FROM qbsync.mapping_status"),
	qr/^Une table surveillée.*\|La table crm\.phones n'a pas de déclencheur de qbsync\.\|Appelez.*qbsync_enable\(mapping => 'firms'\)/, 'in French');
$crm->sql("SELECT qbsync_set(connection => 'acme', setting => 'language', value => 'en')");
$crm->sql('CREATE ROLE reads LOGIN; GRANT qbsync_reader TO reads');
is($crm->sql('SET ROLE reads; SELECT problem FROM qbsync.mapping_status'), 'watch_lost', 'readers see it');
$crm->app("UPDATE crm.firms SET name = 'Firm 2 b' WHERE id = 2");
await('everything else to go on, with the view that was made anew', sub { theirs() eq 'Firm 1/0/a Firm 2 b/0/b' });
enable();
is(said(), 't|0', 'qbsync_enable puts it right');
is(theirs(), 'Firm 1/1/a Firm 2 b/0/b', 'and brings what was missed');
$crm->app("UPDATE crm.phones SET phone = '2' WHERE firm = 2");
idle();
is(theirs(), 'Firm 1/1/a Firm 2 b/2/b', 'the new table is heard of');
$crm->app('ALTER TABLE crm.phones RENAME TO telephones');
is(said(), 't|0', 'a table that was renamed keeps its trigger');
$crm->app("UPDATE crm.telephones SET phone = '3' WHERE firm = 2");
idle();
is(theirs(), 'Firm 1/1/a Firm 2 b/3/b', 'and is heard of');

# --- triggers that were disabled or dropped ------------------------------------------------------------------------------

$crm->app("ALTER TABLE crm.firms DISABLE TRIGGER ALL; INSERT INTO crm.firms VALUES (3, 'Firm 3'); UPDATE crm.firms SET name = 'Firm 2 c' WHERE id = 2");
is(said(), 'f|watch_lost|The trigger of qbsync on table crm.firms is disabled.|1', 'a trigger that somebody disabled');
enable();
is(said(), 't|0', 'qbsync_enable enables it');
is(theirs(), 'Firm 1/1/a Firm 2 c/3/b Firm 3/-/-', 'and brings what was missed, new records among it');
$crm->app("ALTER TABLE crm.remarks_1 DISABLE TRIGGER ALL; UPDATE crm.remarks SET remark = remark || '!'");
idle();
is(said() . '|' . theirs(), 'f|watch_lost|The trigger of qbsync on table crm.remarks is disabled.|1|Firm 1/1/a Firm 2 c/3/b! Firm 3/-/-', 'that of a partition alone');
enable();
is(said() . '|' . theirs(), 't|0|Firm 1/1/a! Firm 2 c/3/b! Firm 3/-/-', 'as well');
$crm->app("UPDATE crm.remarks SET remark = 'c'");
idle();
is(theirs(), 'Firm 1/1/c Firm 2 c/3/c Firm 3/-/-', 'it fires again');
$crm->app('ALTER TABLE crm.firms ENABLE REPLICA TRIGGER qbsync_capture_1_1');
like(said(), qr/watch_lost.*disabled/, 'one that fires for replication only');
$crm->app('ALTER TABLE crm.firms ENABLE ALWAYS TRIGGER qbsync_capture_1_1; DROP TRIGGER qbsync_capture_1_3 ON crm.remarks');
is(said(), 'f|watch_lost|Table crm.remarks has no trigger of qbsync.|1', 'one that was dropped');
$crm->sql("SELECT qbsync_disable('firms')");
is(said(), 't|0', 'a mapping that is disabled needs none');
enable();
is(said(), 't|0', 'enabled, it has all of them');
is_quiet($crm->{node}, 'the log is quiet', qr/will not be noticed|mapping_broken|goes on/);
done_testing();
