# An answer of QuickBooks that this database refuses to record, because of a constraint or trigger that somebody made on a table of
# qbsync: that record waits alone, visibly; the others of its batch are recorded, sending goes on, and nothing is made twice
# (EXT-1 to EXT-3, EXT-32, KAR-62 to KAR-66).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use JSON::PP;
use QbsyncCrm;
use QbsyncTest;
use Test::More;

my $crm = QbsyncCrm->new('settle', customers => 0, seed => 89);
my $linked = $crm->customer(DisplayName => 'Linked 1', PrimaryPhone => { FreeFormNumber => '0' });
$crm->sync;
$crm->sql(<<'SQL');
SET ROLE crm_app;
CREATE TABLE crm.contacts (id int PRIMARY KEY, name text, phone text);
INSERT INTO crm.contacts VALUES (1, 'Linked 1', '0');
RESET ROLE;
SELECT qbsync_map_table('crm.contacts', name => 'contacts', role => 'crm_app', columns => '{"display_name": "name", "primary_phone": "phone"}',
	policies => '{"pull_new_first": "none", "pull_new": "review", "push_new": "scope", "authority": "crm"}');
INSERT INTO qbsync.match_rule (mapping_id, rule, outcome) VALUES (1, 'name_only', 'auto');
SELECT qbsync_enable('contacts');
SQL
sub idle
{
	return if eval { $crm->sql("CALL qbsync_wait('acme', 'idle', '3 min')"); 1 };
	diag($crm->state, map { "\n" . $crm->sql("SELECT to_jsonb(t) FROM $_ t LIMIT 5") } qw(qbsync.request qbsync.send_error qbsync.outgoing qbsync.capture));
	die 'not idle';
}
sub theirs { my %n; $n{ $_->{DisplayName} }++ foreach @{ decode_json($crm->{simulator}->store('Customer'))->{objects} }; return \%n }
sub phone { my ($id) = @_; return (grep { $_->{Id} eq $id } @{ decode_json($crm->{simulator}->store('Customer'))->{objects} })[0]{PrimaryPhone}{FreeFormNumber} }
sub id_of { my ($name) = @_; return (grep { $_->{DisplayName} eq $name } @{ decode_json($crm->{simulator}->store('Customer'))->{objects} })[0]{Id} }
sub requests { return $crm->sql("SELECT coalesce(string_agg(crm_key || ' ' || state, ', ' ORDER BY crm_key), '') FROM qbsync.request") }
sub errors { return $crm->sql("SELECT coalesce(string_agg(crm_key || ' ' || problem, ', ' ORDER BY crm_key), '') FROM qbsync.error_open") }
sub links { return $crm->sql("SELECT string_agg(crm_key, ' ' ORDER BY crm_key) FROM qbsync.link") }
idle();
is(links(), '1', 'linked');

# --- a batch in which one answer cannot be recorded ----------------------------------------------------------------------

$crm->sql("ALTER TABLE qbsync.link ADD CONSTRAINT oops CHECK (crm_key <> '13')");
$crm->app("INSERT INTO crm.contacts SELECT i, 'New ' || i FROM generate_series(11, 40) i");
await('the others to be recorded', sub { links() eq join ' ', 1, grep { $_ != 13 } 11 .. 40 });
is(requests(), '13 sent', 'EXT-1: a batch: the others are recorded at once, the one that cannot be stays as it was sent');
await('people to be told', sub { errors() eq '13 settle_fails' });
like($crm->sql('SELECT detail FROM qbsync.error_open'), qr/^new row for relation "link" violates check constraint "oops"$/, 'what PostgreSQL says, without the row');
is($crm->sql("SELECT concat_ws('|', record_name, id = '" . id_of('New 13') . "', next_attempt_at > last_seen, meaning LIKE 'QuickBooks has carried out%', what_to_do LIKE '%SELECT qbsync_retry(' || error_id || ')%') FROM qbsync.error_open"),
	'New 13|t|t|t|t', 'EXT-32, KAR-62: which record, when it is tried again, what to do');
$crm->sql("SELECT qbsync_set(connection => 'acme', setting => 'language', value => 'fr')");
like($crm->sql('SELECT meaning FROM qbsync.error_open'), qr/^QuickBooks a fait/, 'in French');
idle();
pass('nobody waits for it');

# --- meanwhile -------------------------------------------------------------------------------------------------------------

foreach my $i (41 .. 43)
{
	$crm->app("INSERT INTO crm.contacts VALUES ($i, 'New $i'); UPDATE crm.contacts SET phone = '$i' WHERE id = 1");
	await("record $i", sub { links() =~ / $i$/ && phone($linked) eq $i });
}
idle();
is(requests() . '|' . errors(), '13 sent|13 settle_fails', 'sending goes on beside it');
$crm->app("UPDATE crm.contacts SET phone = '13' WHERE id = 13");
idle();
is(errors() . '|' . requests(), '13 settle_fails|13 sent', 'an edit of the record does not send it again, nor hide why it waits');
is($crm->sql("SELECT qbsync_retry((SELECT error_id FROM qbsync.error_open))"), 'customer ' . id_of('New 13') . ' is tried again', 'qbsync_retry');
my $attempts = $crm->sql('SELECT attempts FROM qbsync.send_error');
await('another attempt', sub { $crm->sql('SELECT attempts FROM qbsync.send_error') > $attempts });
is(requests(), '13 sent', 'which fails again');

# --- the gateway ends: the answer is asked for once more -------------------------------------------------------------------

$crm->sql('SELECT qbsync_worker_restart()');
await('the gateway', sub { $crm->sql('SELECT qbsync.worker_state()') eq 'running' });
$attempts = $crm->sql('SELECT attempts FROM qbsync.send_error');
await('another attempt', sub { $crm->sql('SELECT attempts FROM qbsync.send_error') > $attempts });
is(theirs()->{'New 13'}, 1, 'EXT-2, EXT-3: asked for again under the same requestid, it is not made again');
$crm->sql('ALTER TABLE qbsync.link DROP CONSTRAINT oops');
$crm->sql('SELECT qbsync_retry_all(NULL, \'settle_fails\')');
await('it is recorded', sub { requests() !~ /13 sent/ && errors() eq '' });
idle();
is(links(), join(' ', 1, 11 .. 43), 'KAR-64: mended and tried, it is linked');
is(phone($crm->sql("SELECT id FROM qbsync.link WHERE crm_key = '13'")), '13', 'and what the CRM changed meanwhile follows');
is(join(' ', grep { theirs()->{$_} != 1 } keys %{ theirs() }), '', 'nothing is there twice');

# --- an edit, by itself --------------------------------------------------------------------------------------------------

$crm->sql(<<'SQL');
CREATE FUNCTION crm.oops() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not %', NEW.crm_key; END $$;
CREATE TRIGGER oops BEFORE UPDATE ON qbsync.link FOR EACH ROW WHEN (NEW.crm_key = '1') EXECUTE FUNCTION crm.oops();
SQL
$crm->app("UPDATE crm.contacts SET phone = '1' WHERE id = 1");
await('people to be told', sub { errors() eq '1 settle_fails' });
is($crm->sql('SELECT detail || id FROM qbsync.error_open') . '|' . phone($linked), "not 1$linked|1", 'an edit that QuickBooks has taken');
$crm->sql('DROP TRIGGER oops ON qbsync.link');
await('it is recorded by itself', sub { requests() eq '' && errors() eq '' });
idle();
is($crm->sql("SELECT base ->> 'primary_phone' FROM qbsync.link WHERE crm_key = '1'"), '1', 'and agreed on');

# --- when it is no record's trouble --------------------------------------------------------------------------------------

$crm->sql("ALTER TABLE qbsync.activity ADD CONSTRAINT oops CHECK (kind <> 'sent') NOT VALID");
$crm->app("INSERT INTO crm.contacts SELECT i, 'New ' || i FROM generate_series(101, 140) i");
await('all of them to wait', sub { $crm->sql("SELECT count(*) FROM qbsync.send_error WHERE problem = 'settle_fails'") >= 30 });
$crm->app("INSERT INTO crm.contacts VALUES (141, 'New 141')");
await('a request', sub { requests() =~ /141 / });
like(requests(), qr/141 ready/, 'nothing more is sent when recording fails for many');
$crm->sql('ALTER TABLE qbsync.activity DROP CONSTRAINT oops; SELECT qbsync_retry_all()');
await('all of them', sub { requests() eq '' && errors() eq '' });
idle();
is($crm->sql('SELECT count(*) FROM qbsync.link'), 75, 'all are linked');
is(join(' ', grep { theirs()->{$_} != 1 } keys %{ theirs() }), '', 'EXT-3: nothing is there twice');

# --- what is next leaves first ---------------------------------------------------------------------------------------------

$crm->sql("UPDATE qbsync.environment SET concurrency = 1; UPDATE qbsync.mapping SET paused_lanes = '{rule}'");
$crm->app("INSERT INTO crm.contacts SELECT i, 'New ' || i FROM generate_series(201, 240) i");
await('more than a batch', sub { $crm->sql("SELECT count(*) FROM qbsync.request WHERE state = 'ready'") == 40 });
my $before = $crm->sql('SELECT max(activity_id) FROM qbsync.activity');
$crm->sql("UPDATE qbsync.mapping SET paused_lanes = '{}'; SELECT qbsync.wake()");
await('both batches', sub { $crm->sql("SELECT count(*) FROM qbsync.activity WHERE kind = 'sent' AND activity_id > $before") == 40 });
is($crm->sql(<<"SQL"), '2|t', 'the second of two batches leaves before the answer to the first is recorded');
SELECT count(DISTINCT c.seen_at), max(c.seen_at) < min(a.at) FROM qbsync.activity a JOIN qbsync.customer c USING (connection_id, id)
WHERE a.kind = 'sent' AND a.activity_id > $before
SQL
idle();
# --- somebody has locked what is to be recorded -----------------------------------------------------------------------------

$crm->sql("UPDATE qbsync.environment SET concurrency = 2; UPDATE qbsync.mapping SET paused_lanes = '{rule}'");
$crm->app("INSERT INTO crm.contacts SELECT i, 'New ' || i FROM generate_series(1001, 1500) i");
await('the requests', sub { $crm->sql("SELECT count(*) FROM qbsync.request WHERE state = 'ready'") == 500 });
my $holder = $crm->{node}->background_psql('crm');
$holder->query_safe('BEGIN');
$holder->query_safe('LOCK TABLE qbsync.link IN SHARE MODE');
$crm->sql("UPDATE qbsync.mapping SET paused_lanes = '{}'; SELECT qbsync.wake()");
sub sent { return $crm->sql("SELECT count(*) FROM qbsync.request WHERE state = 'sent'") }
await('that nothing more is sent', sub { sent() >= 240 });
await('that all of it is answered', sub { scalar(keys %{ theirs() }) >= sent() });
ok(eval { $crm->sql("CALL qbsync_wait('acme', 'job', '3 min', qbsync_sync_now('acme', 'pull'))"); 1 }, 'while nothing can be recorded the gateway does what else there is: it polls') or diag($@);
$crm->sql("CALL qbsync_wait('acme', 'job', '3 min', qbsync_sync_now('acme', 'pull'))");
cmp_ok(sent(), '<=', 300, 'EXT-19: what is answered and not recorded is bounded');
cmp_ok($crm->sql("SELECT count(*) FROM qbsync.request WHERE state = 'ready'"), '>=', 200, 'the rest waits, and may change');
is(errors(), '', 'and it is no trouble of the records');
$holder->query_safe('ROLLBACK');
await('all of them', sub { requests() eq '' });
idle();
is($crm->sql('SELECT count(*) FROM qbsync.link'), 615, 'all are linked');

# only one of them is locked, and for long
$holder->query_safe('BEGIN');
$holder->query_safe("SELECT FROM qbsync.link WHERE crm_key = '1' FOR UPDATE");
$crm->app("UPDATE crm.contacts SET phone = 'locked' WHERE id IN (1, 11, 12, 13)");
await('the others', sub { requests() eq '1 sent' });
pass('a row that somebody holds keeps the others waiting for a moment only');
$holder->query_safe('ROLLBACK');
await('this one', sub { requests() eq '' });
idle();
is(errors(), '', 'recorded as soon as it is free');
$holder->quit;

is_mirrored($crm->{node}, $crm->{simulator}, 'the mirror is right', database => 'crm');
is_quiet($crm->{node}, 'the log is quiet', qr/could not record what was written|has to wait before it records|lock timeout|violates check constraint|not 1|oops|have no value for some columns/);
done_testing();
