# CRM → QuickBooks: edits of linked contacts, new ones by request and by rule, what waits, what is refused before it is sent, deletions,
# and that nothing is sent twice, back, or though it was rolled back.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use JSON::PP;
use QbsyncCrm;
use QbsyncTest;
use Test::More;

my $crm = QbsyncCrm->new('out', customers => 3, seed => 81, conf => 'max_prepared_transactions = 5');
my $full = $crm->customer(DisplayName => 'Full Match', PrimaryEmailAddr => { Address => 'full@example.com' },
	BillAddr => { Line1 => '1 rue Longue', City => 'Lyon', Country => 'FR' }, Notes => 'theirs alone');
my $similar = $crm->customer(DisplayName => 'Name Only', PrimaryEmailAddr => { Address => 'z@example.com' });
$crm->sync;
$crm->sql(<<'SQL');
SET ROLE crm_app;
CREATE TABLE crm.contacts (id int PRIMARY KEY, name text, email text, phone text, city text, parent int, type text DEFAULT 'client', mood text);
INSERT INTO crm.contacts (id, name, email, phone, city) VALUES (1, 'Full Match', 'full@example.com', NULL, NULL), (2, 'Only in the CRM', 'only@example.com', '5', 'Oslo'),
	(3, 'Name Only', 'n@example.com', NULL, NULL), (4, 'Bad:name', 'bad', NULL, NULL), (5, 'The parent', NULL, NULL, NULL), (6, 'The child', NULL, NULL, NULL);
UPDATE crm.contacts SET parent = 5 WHERE id = 6;
CREATE VIEW crm.v AS SELECT id, name AS display_name, email AS emails, phone AS primary_phone, city AS bill_city, parent AS parent_key
	FROM crm.contacts WHERE type = 'client';
RESET ROLE;
SELECT qbsync_map('crm.v', 'customer', name => 'contacts', role => 'crm_app', key => '{id}', crm_table => 'crm.contacts',
	-- a record of the second in which the first sync ends counts as new
	policies => '{"pull_new": "none"}',
	watch => '{"crm.contacts": {"key": ["id"], "columns": ["name", "email", "phone", "city", "parent", "type"]}}');
SELECT qbsync_enable('contacts');
SQL
$crm->applied;

sub all_theirs { return @{ decode_json($crm->{simulator}->store('Customer'))->{objects} } }
sub theirs { my ($id) = @_; return (grep { $_->{Id} eq $id } @{ decode_json($crm->{simulator}->store('Customer'))->{objects} })[0] }
sub named { my ($name) = @_; return grep { $_->{DisplayName} eq $name } @{ decode_json($crm->{simulator}->store('Customer'))->{objects} } }
sub link_of { my ($key) = @_; return $crm->sql("SELECT coalesce(string_agg(id, ' '), '') FROM qbsync.link WHERE crm_key = '$key' AND state = 'linked'") }
sub errors { return $crm->sql("SELECT coalesce(string_agg(concat_ws('|', crm_key, problem, column_name), ' ' ORDER BY crm_key), '') FROM qbsync.error_open") }
sub idle { return if eval { $crm->sql("CALL qbsync_wait('acme', 'idle', '3 min')"); 1 }; diag($crm->state, map { "\n" . $crm->sql("SELECT to_jsonb(t) FROM $_ t LIMIT 5") } qw(qbsync.request qbsync.send_error qbsync.outgoing qbsync.job qbsync.lookup qbsync.capture)); die 'not idle' }

# What was written through the API since the last look.
my $seen = $crm->{simulator}->control('GET', 'ledger')->{last};
sub writes
{
	my $ledger = $crm->{simulator}->control('GET', "ledger?after=$seen");
	$seen = $ledger->{last};
	return grep { $_->{source} eq 'api' } @{ $ledger->{entries} };
}

idle();
is(scalar writes(), 0, 'KAR-36: the first sync creates nothing in QuickBooks, and sends nothing of what agrees');
is(link_of(1), $full, 'linked');

# --- edits of linked records ----------------------------------------------------------------------------------------

$crm->app("UPDATE crm.contacts SET phone = '555-1', city = 'Paris' WHERE id = 1");
idle();
is(theirs($full)->{PrimaryPhone}{FreeFormNumber}, '555-1', 'CAP-1, CAP-10, KAR-27: an edit of the CRM reaches QuickBooks');
is(join('|', @{ theirs($full)->{BillAddr} }{qw(Line1 City Country)}), '1 rue Longue|Paris|FR', 'KAR-28: an address as a whole, with what the CRM does not know of it');
is(theirs($full)->{Notes}, 'theirs alone', 'EXT-6: what is not mapped stays');
is(scalar writes(), 1, 'in one write');
is($crm->sql("SELECT base ->> 'primary_phone' FROM qbsync.link WHERE crm_key = '1'"), '555-1', 'and both agree');
is($crm->sql("SELECT primary_phone || sync_token FROM qbsync.customer WHERE id = '$full'"), '555-11', 'the mirror has it from the answer');
$crm->sync;
idle();
is(scalar writes(), 0, 'EXT-31: its echo brings nothing about');

$crm->app("BEGIN; UPDATE crm.contacts SET phone = '555-2' WHERE id = 1; ROLLBACK");
$crm->app("UPDATE crm.contacts SET mood = 'good' WHERE id = 1");
$crm->app("UPDATE crm.contacts SET phone = phone WHERE id = 1");
idle();
is(scalar writes(), 0, 'nothing that was rolled back, is not mapped, or changes nothing');

$crm->app("BEGIN; UPDATE crm.contacts SET phone = '555-3' WHERE id = 1; SAVEPOINT a; UPDATE crm.contacts SET phone = '555-4' WHERE id = 1; ROLLBACK TO a; COMMIT");
idle();
is(theirs($full)->{PrimaryPhone}{FreeFormNumber}, '555-3', 'savepoints count');
$crm->app("BEGIN; UPDATE crm.contacts SET phone = '555-5' WHERE id = 1; PREPARE TRANSACTION 'p'");
idle();
$crm->sql("COMMIT PREPARED 'p'; SELECT qbsync.wake()");
idle();
is(theirs($full)->{PrimaryPhone}{FreeFormNumber}, '555-5', 'two-phase commit, too');

$crm->app("UPDATE crm.contacts SET phone = NULL WHERE id = 1");
idle();
is(theirs($full)->{PrimaryPhone}, undef, 'a field that the CRM empties is emptied');

# who wants no data changed there sets the direction; what is sent is what differs
$crm->sql("SELECT qbsync_set(mapping => 'contacts', setting => 'direction', value => 'pull')");
writes();
$crm->app("UPDATE crm.contacts SET email = 'new\@example.com', phone = phone, city = city WHERE id = 1");
idle();
is(scalar writes(), 0, 'PIP-20: linked, and nothing is changed in QuickBooks while the option is off');
$crm->{simulator}->fault('503_html', kind => 'write');
$crm->sql("SELECT qbsync_set(mapping => 'contacts', setting => 'direction', value => 'two_way')");
await('the request', sub { $crm->sql('SELECT count(*) FROM qbsync.request') eq '1' });
is($crm->sql("SELECT string_agg(key, ' ' ORDER BY key COLLATE \"C\") FROM qbsync.request, jsonb_each(body::jsonb)"), 'Id PrimaryEmailAddr SyncToken sparse', 'PIP-21: on: what differs is sent, and nothing else');
$crm->{simulator}->clear_faults;
idle();
is(theirs($full)->{PrimaryEmailAddr}{Address}, 'new@example.com', 'and it is there');

# --- both sides at once ----------------------------------------------------------------------------------------------

writes();
$crm->edit($full, Notes => 'new', PrimaryPhone => { FreeFormNumber => '555-6' });
$crm->app("UPDATE crm.contacts SET name = 'Full Match Ltd' WHERE id = 1");
idle();
is(theirs($full)->{DisplayName} . '|' . theirs($full)->{PrimaryPhone}{FreeFormNumber}, 'Full Match Ltd|555-6',
	'EXT-5, KAR-25: a stale SyncToken: read again, merged, sent again');
is($crm->sql('SELECT name, phone FROM crm.contacts WHERE id = 1'), 'Full Match Ltd|555-6', 'and QuickBooks\' edit arrived');
$crm->edit($full, PrimaryPhone => { FreeFormNumber => '555-7' });
$crm->app("UPDATE crm.contacts SET phone = '555-8' WHERE id = 1");
$crm->sync;
idle();
is($crm->sql("SELECT string_agg(unit, ' ') FROM qbsync.conflict_open"), 'primary_phone', 'both changed one field: a person decides');
$crm->sql("SELECT qbsync_resolve_conflicts('crm', 'contacts')");
idle();
is(theirs($full)->{PrimaryPhone}{FreeFormNumber}, '555-8', 'and what he decides is sent');
is($crm->sql('SELECT count(*) FROM qbsync.conflict_open'), '0', 'the conflict is over');

# --- records that QuickBooks does not have -----------------------------------------------------------------------------

writes();
$crm->app("UPDATE crm.contacts SET phone = '6' WHERE id = 2; INSERT INTO crm.contacts (id, name) VALUES (7, 'Another')");
idle();
is(scalar writes(), 0, 'CAP-11: nothing is created before somebody asks (push_new on_demand)');
$crm->sql("SELECT qbsync_push('contacts', '2')");
idle();
my @made = named('Only in the CRM');
is(@made . '|' . join('|', map { $_->{PrimaryEmailAddr}{Address}, $_->{PrimaryPhone}{FreeFormNumber}, $_->{BillAddr}{City} } @made),
	'1|only@example.com|6|Oslo', 'CAP-40, CAP-42, CAP-44 to 46: qbsync_push creates it, with its name, address, e-mail and phone');
is(link_of(2), $made[0]{Id}, 'and links it');
is($crm->sql("SELECT origin FROM qbsync.link WHERE crm_key = '2'"), 'created_in_quickbooks', 'with how that came about');
$crm->sql("SELECT qbsync_push('contacts', '2')");
idle();
is(scalar(named('Only in the CRM')), 1, 'asked for once more it is not made once more');

$crm->sql("SELECT qbsync_push('contacts', '3')");
idle();
is(errors(), '3|send_may_exist', 'CAP-49: what may be there already waits for a person');
is($crm->sql("SELECT id FROM qbsync.duplicate WHERE crm_key = '3'"), $similar, 'in qbsync.duplicate');
$crm->sql("SELECT qbsync_resolve_match('$similar', 'reject', '3', 'contacts')");
idle();
like($crm->sql("SELECT problem || '|' || column_name || '|' || code FROM qbsync.error_open WHERE crm_key = '3'"), qr/^send_name_taken\|display_name\|6240$/,
	'CAP-47: a name that is taken is said by QuickBooks\' own code');
$crm->app("UPDATE crm.contacts SET name = 'Name Only (2)' WHERE id = 3");
idle();
is(scalar(named('Name Only (2)')) . errors(), '1', 'renamed it goes by itself, and the error leaves');

$crm->sql("SELECT qbsync_push('contacts', '6')");
idle();
my ($parent) = named('The parent');
my ($child) = named('The child');
is(($child->{ParentRef}{value} // '') . '|' . ($child->{Job} ? 1 : 0), "$parent->{Id}|1", 'CAP-40, CAP-44: parents before children, by themselves');

writes();
$crm->sql("SELECT qbsync_push('contacts', '4')");
idle();
is(errors(), '4|send_bad_characters|display_name', 'what QuickBooks would refuse is told before it is sent');
$crm->app("UPDATE crm.contacts SET name = 'Good name' WHERE id = 4");
idle();
is(errors(), '4|send_bad_email|emails', 'one thing after the other');
is(scalar writes(), 0, 'no call was made');
$crm->app("UPDATE crm.contacts SET email = 'good\@example.com' WHERE id = 4");
idle();
is(scalar(named('Good name')) . errors(), '1', 'and leaves when it is mended');

# --- somebody asks for a record while an apply worker looks at it ---------------------------------------------------------

$crm->app("INSERT INTO crm.contacts (id, name) VALUES (8, 'Asked for meanwhile')");
idle();
$crm->sql("INSERT INTO qbsync.outgoing (mapping_id, crm_key, next_attempt_at) SELECT mapping_id, '8', clock_timestamp() + interval '1 s' FROM qbsync.mapping; SELECT qbsync.wake()");
$crm->sql(<<'SQL');
BEGIN;
UPDATE qbsync.outgoing SET asked_at = clock_timestamp() WHERE crm_key = '8';
DO $$
BEGIN
	WHILE NOT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.backend_type = 'qbsync apply worker') LOOP
		PERFORM pg_sleep(0.005), pg_stat_clear_snapshot();
	END LOOP;
END $$;
COMMIT;
SQL
idle();
is(scalar(named('Asked for meanwhile')) . errors(), '1', 'KAR-36: asking for a record that a worker looks at right now delays it by a moment, and is no error');

# --- by rule ------------------------------------------------------------------------------------------------------------

$crm->sql("SELECT qbsync_set(mapping => 'contacts', setting => 'push_new', value => 'scope')");
$crm->app("INSERT INTO crm.contacts (id, name, type) VALUES (20, 'In scope', 'client'), (21, 'Out of scope', 'lead')");
idle();
is(scalar(named('In scope')) . scalar(named('Out of scope')), '10', 'KAR-33, KAR-34, KAR-38: a new contact in scope is created');
$crm->app("UPDATE crm.contacts SET type = 'client' WHERE id = 21");
idle();
is(scalar(named('Out of scope')), 1, 'KAR-37, CEN-36: one that enters the scope, too');
my $outside = link_of(21);
$crm->app("UPDATE crm.contacts SET type = 'lead', phone = '9' WHERE id = 21");
idle();
is(theirs($outside)->{PrimaryPhone}, undef, 'outside of it nothing is sent');
ok(theirs($outside)->{Active}, 'and it stays as it is in QuickBooks');
$crm->app("UPDATE crm.contacts SET type = 'client' WHERE id = 21");
idle();
is(theirs($outside)->{PrimaryPhone}{FreeFormNumber}, '9', 'back in it, it goes on');

$crm->sql("SELECT qbsync_set(mapping => 'contacts', setting => 'on_crm_delete', value => 'deactivate')");
$crm->app("DELETE FROM crm.contacts WHERE id = 20; UPDATE crm.contacts SET type = 'lead' WHERE id = 21");
idle();
is(join('|', map { $_->{Active} ? 'active' : 'inactive' } theirs($crm->sql("SELECT id FROM qbsync.link WHERE crm_key = '20'")), theirs($outside)), 'inactive|active',
	'CAP-57, X-13: deleted in the CRM it is made inactive, out of scope it is not');

$crm->sql("SELECT qbsync_set(mapping => 'contacts', setting => 'lane_limit', value => '10')");
writes();
$crm->app("INSERT INTO crm.contacts (id, name) SELECT i, 'Import ' || i FROM generate_series(101, 130) i");
await('the guard', sub { $crm->sql("SELECT paused_lanes FROM qbsync.mapping_status") eq '{rule}' });
idle();
is(scalar writes() . '|' . $crm->sql("SELECT count(*) FROM qbsync.pending WHERE paused"), '0|30', 'an import by accident waits for a person');
$crm->app("UPDATE crm.contacts SET phone = '555-9' WHERE id = 1");
idle();
is(theirs($full)->{PrimaryPhone}{FreeFormNumber}, '555-9', 'while edits go on');
is($crm->sql("SELECT qbsync_confirm_lane('contacts')"), '30', 'who has seen it lets them go');
idle();
is(scalar(grep { $_->{DisplayName} =~ /^Import/ } @{ decode_json($crm->{simulator}->store('Customer'))->{objects} }), 30, 'and all are there, once');

$crm->sql("UPDATE qbsync.mapping SET lane_confirmed_at = NULL");
$crm->app("DELETE FROM crm.contacts WHERE name LIKE 'Import %'");
await('the guard', sub { $crm->sql("SELECT paused_lanes FROM qbsync.mapping_status") eq '{rule}' });
idle();
is($crm->sql("SELECT count(*) FROM qbsync.pending WHERE paused"), '30', 'so does a deletion by accident');
$crm->sql("SELECT qbsync_set(mapping => 'contacts', setting => 'on_crm_delete', value => 'tombstone')");
idle();
is($crm->sql("SELECT count(*) FROM qbsync.pending") . scalar(grep { $_->{DisplayName} =~ /^Import/ && $_->{Active} } all_theirs()), '030', 'who wants none of it says so by the policy');
is($crm->sql("SELECT qbsync_confirm_lane('contacts')"), '0', 'and nothing is left to go');

$crm->sql("SELECT qbsync_set(mapping => 'contacts', setting => 'push_new', value => 'on_demand')");
$crm->app("INSERT INTO crm.contacts (id, name) SELECT i, 'Backfill ' || i FROM generate_series(201, 260) i");
idle();
$crm->sql("SELECT qbsync_backfill_pause('contacts'); SELECT qbsync_backfill('contacts'); SELECT qbsync_backfill_pause('contacts')");
idle();
is(scalar(grep { $_->{DisplayName} =~ /^Backfill/ } @{ decode_json($crm->{simulator}->store('Customer'))->{objects} }), 0, 'a backfill can rest');
$crm->sql("SELECT qbsync_backfill_pause('contacts', pause => false)");
idle();
is(scalar(grep { $_->{DisplayName} =~ /^Backfill/ } @{ decode_json($crm->{simulator}->store('Customer'))->{objects} }), 60, 'KAR-36, Q-12: and go on: all are created, once');
is($crm->sql('SELECT count(*) FROM qbsync.request') . $crm->sql('SELECT count(*) FROM qbsync.capture') . errors(), '00', 'nothing is left to be done');

# --- what no trigger saw ------------------------------------------------------------------------------------------------

$crm->sql("SET session_replication_role = replica; UPDATE crm.contacts SET phone = '555-10' WHERE id = 1");
idle();
is(theirs($full)->{PrimaryPhone}{FreeFormNumber}, '555-9', 'what no trigger saw is not sent at once');
is($crm->sql("SELECT qbsync_sync_now('acme', 'push') IS NULL"), 't', 'X-18: compared when asked for');
idle();
is(theirs($full)->{PrimaryPhone}{FreeFormNumber}, '555-10', 'it goes');
$crm->sql("SET session_replication_role = replica; UPDATE crm.contacts SET phone = '555-11' WHERE id = 1; UPDATE qbsync.mapping SET scan_at = now(); SELECT qbsync.wake()");
idle();
is(theirs($full)->{PrimaryPhone}{FreeFormNumber}, '555-11', 'and by itself in the night');
writes();
$crm->edit($full, PrimaryPhone => { FreeFormNumber => '555-12' });
$crm->sql("SELECT qbsync_refresh('contacts', '1')");
await('the record', sub { $crm->sql('SELECT phone FROM crm.contacts WHERE id = 1') eq '555-12' });
pass('PIP-36: read again when asked for');
idle();
is(scalar writes(), 0, 'and nothing of it goes back');

is($crm->{node}->psql('crm', "SELECT qbsync_push('contacts', NULL)"), 3, 'bad input is an error');
$crm->app('TRUNCATE crm.contacts');
$crm->sql("UPDATE qbsync.mapping SET sweep_after = ''; SELECT qbsync.wake()");
idle();
ok(theirs($full)->{Active}, 'TRUNCATE sends nothing');

is_quiet($crm->{node}, 'nothing unexpected in the server log', qr/crm_key is missing|have no value for some columns/);
done_testing;
