# The watch list: a query that fails for one row of a watched table is that row's error, and stops nobody else (CAP-1, KAR-62 to 66,
# EXT-32); one that cannot be run at all is the mapping's.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use JSON::PP;
use QbsyncCrm;
use QbsyncTest;
use Test::More;

my $crm = QbsyncCrm->new('watch', customers => 0, seed => 87);
$crm->customer(DisplayName => "Firm $_") foreach 1 .. 4;
$crm->sync;
$crm->sql(<<'SQL');
SET ROLE crm_app;
CREATE TABLE crm.regions (code text PRIMARY KEY, label text);
CREATE TABLE crm.firms (id int PRIMARY KEY, name text, region text, phone text);
INSERT INTO crm.regions VALUES ('n', 'North'), ('s', 'South'), ('w', 'West');
INSERT INTO crm.firms SELECT i, 'Firm ' || i, (ARRAY['n', 's', 's', 'w'])[i] FROM generate_series(1, 4) i;
CREATE VIEW crm.v AS SELECT f.id, f.name AS display_name, r.label AS notes, f.phone AS primary_phone FROM crm.firms f LEFT JOIN crm.regions r ON r.code = f.region;
CREATE TABLE crm.closed (code text);
CREATE FUNCTION crm.open_region(code text) RETURNS text STABLE LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM crm.closed c WHERE c.code = open_region.code) THEN
		RAISE EXCEPTION 'region % is closed', code;
	END IF;
	RETURN code;
END $$;
RESET ROLE;
SELECT qbsync_map('crm.v', 'customer', name => 'firms', role => 'crm_app', key => '{id}', crm_table => 'crm.firms', policies => '{"direction": "push", "authority": "crm", "pull_new_first": "none"}',
	watch => '{"crm.firms": {"key": ["id"]}, "crm.regions": {"key": ["code"], "query": "SELECT f.id FROM crm.firms f WHERE f.region = crm.open_region($1)"}}');
INSERT INTO qbsync.match_rule (mapping_id, rule, outcome) VALUES (1, 'name_only', 'auto');
SELECT qbsync_enable('firms');
SQL
sub idle
{
	return if eval { $crm->sql("CALL qbsync_wait('acme', 'idle', '3 min')"); 1 };
	diag($crm->state, map { "\n" . $crm->sql("SELECT to_jsonb(t) FROM $_ t LIMIT 5") } qw(qbsync.mapping qbsync.request qbsync.send_error qbsync.crm_error qbsync.capture));
	die 'not idle';
}
sub notes { my $all = decode_json($crm->{simulator}->store('Customer'))->{objects}; return join ' ', map { $_->{Notes} // '-' } sort { $a->{DisplayName} cmp $b->{DisplayName} } grep { $_->{DisplayName} =~ /^Firm / } @$all }
sub errors { return $crm->sql("SELECT coalesce(string_agg(concat_ws('|', crm_table, crm_key, problem, detail, occurrences), ' ' ORDER BY crm_key), '') FROM qbsync.error_open") }
sub mapping { return $crm->sql("SELECT concat_ws('|', ok, problem) FROM qbsync.mapping_status") }
# What is due by now.
sub due { $crm->sql("UPDATE qbsync.crm_error SET next_attempt_at = now(); SELECT qbsync.wake()") }
idle();
is(notes(), 'North South South West', 'all is agreed on');

# --- one row's error ---------------------------------------------------------------------------------------------------

$crm->app("INSERT INTO crm.closed VALUES ('s'); UPDATE crm.regions SET label = label || '!'");
idle();
is(notes(), 'North! South South West!', 'a query that fails for one row of the table: the others go on at once');
is(mapping(), 't', 'the mapping goes on');
is(errors(), 'crm.regions|s|watch_fails|region s is closed|1', 'KAR-62: what fails is said, with the watched table and its key');
is($crm->sql("SELECT concat_ws('|', id, entity, mapping, next_attempt_at BETWEEN last_seen + '4 s' AND last_seen + '6 s', what_to_do LIKE '%SELECT qbsync_retry(' || error_id || ')%') FROM qbsync.error_open"),
	'customer|firms|t|t', 'when it is tried again, and how it is tried at once');
$crm->sql("SELECT qbsync_set(connection => 'acme', setting => 'language', value => 'fr')");
like($crm->sql('SELECT meaning || what_to_do FROM qbsync.error_open'), qr/table surveillée.*qbsync_retry\(\d+\)/, 'in French');
due();
await('a second attempt', sub { errors() =~ /\|2$/ });
is($crm->sql("SELECT next_attempt_at - last_seen BETWEEN interval '9 s' AND interval '11 s' FROM qbsync.crm_error"), 't', 'KAR-66: later each time');
$crm->app("UPDATE crm.firms SET phone = '1' WHERE id = 2; UPDATE crm.regions SET label = 'Norte' WHERE code = 'n'");
idle();
is(notes(), 'Norte South! South West!', 'a firm of that region that changes itself goes with all it has');
like(errors(), qr/\|2$/, 'the row waits on');
$crm->app("UPDATE crm.regions SET label = 'Sud' WHERE code = 's'");
idle();
like(errors(), qr/\|3$/, 'it is tried when it changes');

# --- dismissed, retried, mended ----------------------------------------------------------------------------------------

is($crm->sql('SELECT qbsync_dismiss((SELECT error_id FROM qbsync.error_open))'), 'crm.regions s is left alone until it changes', 'qbsync_dismiss');
due();
idle();
is(errors() . $crm->sql('SELECT occurrences FROM qbsync.crm_error'), '3', 'KAR-65: dismissed, it is left alone');
$crm->app('DELETE FROM crm.closed');
is($crm->sql('SELECT qbsync_retry((SELECT error_id FROM qbsync.crm_error))'), 'crm.regions s is tried again', 'qbsync_retry');
await('it works', sub { $crm->sql('SELECT count(*) FROM qbsync.crm_error') eq '0' });
idle();
is(notes(), 'Norte Sud Sud West!', 'KAR-64: mended and tried, all of its records go');
$crm->app("INSERT INTO crm.closed VALUES ('w'); UPDATE crm.regions SET label = 'Ouest' WHERE code = 'w'");
idle();
like(errors(), qr/^crm.regions\|w/, 'again');
$crm->app('DELETE FROM crm.closed');
due();
await('it works', sub { errors() eq '' });
idle();
is(notes(), 'Norte Sud Sud Ouest', 'it goes by itself when its time has come');

# --- values, and what is no error of a row -----------------------------------------------------------------------------

$crm->sql(<<'SQL');
SELECT qbsync_map('crm.v', 'customer', name => 'firms', role => 'crm_app', key => '{id}', crm_table => 'crm.firms', policies => '{"direction": "push", "authority": "crm", "pull_new_first": "none"}',
	watch => '{"crm.firms": {"key": ["id"]}, "crm.regions": {"key": ["code"], "query": "SELECT f.id FROM crm.firms f WHERE ascii(f.region) = CASE WHEN $1 = ''n'' THEN $1::integer ELSE ascii($1) END"}}');
SELECT qbsync_enable('firms');
SQL
idle();
$crm->app("UPDATE crm.regions SET label = upper(label)");
idle();
is(notes(), 'Norte SUD SUD OUEST', 'a value that cannot be cast, perhaps while planning, is the row\'s error');
like(errors(), qr/^crm.regions\|n\|watch_fails\|invalid input syntax for type integer: "n"/, 'and said so');
$crm->app('ALTER TABLE crm.firms RENAME region TO area; UPDATE crm.regions SET label = lower(label)');
await('a broken mapping', sub { mapping() eq 'f|mapping_broken' });
like($crm->sql('SELECT detail FROM qbsync.mapping_status'), qr/column f\.region does not exist/, 'a query that cannot be run at all stops its mapping');
$crm->app('ALTER TABLE crm.firms RENAME area TO region');
$crm->sql("SELECT qbsync_retry_all('firms')");
await('the mapping goes on', sub { mapping() eq 't' });
idle();
is(notes(), 'Norte sud sud ouest', 'and goes on from there');
$crm->sql(<<'SQL');
SELECT qbsync_map('crm.v', 'customer', name => 'firms', role => 'crm_app', key => '{id}', crm_table => 'crm.firms', policies => '{"direction": "push", "authority": "crm", "pull_new_first": "none"}',
	watch => '{"crm.firms": {"key": ["id"]}}');
SQL
is(errors(), '', 'an error of a table that is watched no longer is gone');
idle();
is(notes(), 'norte sud sud ouest', 'and declaring it anew has all records looked at');
is_quiet($crm->{node}, 'the log is quiet', qr/mapping_broken|column f\.region|goes on|will not be noticed/);
done_testing();
