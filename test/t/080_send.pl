# The sender: requests reach QuickBooks, singly and in batches; what it answers is recorded; what it refuses is said.  The rows of
# qbsync.request are made here, as apply workers make them.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use JSON::PP;
use QbsyncCrm;
use QbsyncSend;
use QbsyncTest;
use Test::More;

my $crm = QbsyncSend->new('send', customers => 6, seed => 80);
my $sim = $crm->{simulator};

# --- one update ------------------------------------------------------------------------------------------------------------

my ($id, $key) = $crm->linked(0);
$crm->sql("UPDATE crm.contacts SET phone = '555-0101' WHERE id = $key");
$crm->update($key, $id, { primary_phone => '555-0101' });
$crm->sent;
is($crm->theirs($id)->{PrimaryPhone}{FreeFormNumber}, '555-0101', 'CAP-10, KAR-28: a changed phone number is in QuickBooks');
is($crm->sql("SELECT primary_phone, sync_token FROM qbsync.customer WHERE id = '$id'"), '555-0101|' . $crm->theirs($id)->{SyncToken}, 'the answer is in the mirror');
is($crm->sql("SELECT base ->> 'primary_phone', crm_base FROM qbsync.link WHERE id = '$id'"), '555-0101|', 'and agreed on');
is($crm->sql("SELECT text FROM qbsync.timeline WHERE kind = 'sent'"), "Sent to QuickBooks customer $id: primary_phone.", 'the timeline says so');
is($crm->sql("SELECT method, path, status, intuit_tid <> '' FROM qbsync.http_log ORDER BY http_log_id DESC LIMIT 1"), 'POST|customer|200|t', 'EXT-4: and the log, with the trace id');
is($crm->sql("SELECT changed_by, crm_key, text ~ '→ 555-0101' FROM qbsync.record_change WHERE id = '$id'"), "qbsync|$key|t", 'EXT-24: what changed in QuickBooks says that it was us');
is(scalar($crm->writes), 1, 'one write');

my $versions = $crm->sql("SELECT xmin, sync_token FROM qbsync.customer WHERE id = '$id'");
$crm->sync;
$crm->applied;
is($crm->sql("SELECT xmin, sync_token FROM qbsync.customer WHERE id = '$id'"), $versions, 'its echo changes nothing in the mirror');
is($crm->sql("SELECT count(*) FROM qbsync.history"), '0', 'EXT-31: nor in the CRM');
is(scalar($crm->writes), 1, 'and is not sent back');

# QuickBooks rewrites what it is sent, the CRM changes what was sent meanwhile.
$crm->update($key, $id, { display_name => ' Blank Before ' }, body => { DisplayName => ' Blank Before ' });
$crm->sent;
is($crm->sql("SELECT base ->> 'display_name', crm_base ->> 'display_name' FROM qbsync.link WHERE id = '$id'"), 'Blank Before| Blank Before ',
	'what QuickBooks rewrites is no edit: the base has both forms');

# --- one creation ----------------------------------------------------------------------------------------------------------

$crm->contact(101, 'Made Here', email => 'made@example.com');
$crm->sql("INSERT INTO qbsync.outgoing (mapping_id, crm_key, next_attempt_at) SELECT mapping_id, '101', 'infinity' FROM qbsync.mapping");
$crm->sql("INSERT INTO qbsync.send_error (mapping_id, connection_id, entity, crm_key, problem, next_attempt_at)
	SELECT mapping_id, connection_id, entity, '101', 'send_refused', 'infinity' FROM qbsync.mapping");
$crm->create(101, { display_name => 'Made Here', emails => ['made@example.com'] });
$crm->sent;
my ($made) = $crm->named('Made Here');
is($made->{PrimaryEmailAddr}{Address}, 'made@example.com', 'CAP-41: a contact is made in QuickBooks');
is($crm->sql("SELECT id, state, origin FROM qbsync.link WHERE crm_key = '101'"), "$made->{Id}|linked|created_in_quickbooks", 'and linked');
is($crm->sql("SELECT base ->> 'display_name', base -> 'emails' FROM qbsync.link WHERE crm_key = '101'"), 'Made Here|["made@example.com"]', 'with what both agree on');
is($crm->sql("SELECT count(*) FROM qbsync.outgoing") . $crm->sql("SELECT count(*) FROM qbsync.send_error"), '00', 'nothing is asked for any more, no error is left');
is($crm->sql("SELECT text FROM qbsync.timeline WHERE crm_key = '101' AND kind = 'sent'"), "Made in QuickBooks: customer $made->{Id}.", 'the timeline says so');
$crm->applied;
is($crm->sql("SELECT count(*) FROM crm.contacts WHERE name = 'Made Here'"), '1', 'the CRM has it once');

# --- many ------------------------------------------------------------------------------------------------------------------

my $before = $sim->control('GET', 'stats')->{requests}{write} // 0;
$crm->sql("INSERT INTO crm.contacts (id, name) SELECT i, 'Bulk ' || i FROM generate_series(1001, 1100) i;
	SELECT crm.request_create(i::text, jsonb_build_object('display_name', 'Bulk ' || i)) FROM generate_series(1001, 1100) i; SELECT qbsync.wake()");
$crm->sent;
is(scalar(grep { $_->{DisplayName} =~ /^Bulk / } $crm->all_theirs), 100, 'KAR-36: a hundred are made');
is($crm->sql("SELECT count(*) FROM qbsync.link l JOIN qbsync.customer c USING (connection_id, id) JOIN crm.contacts k ON k.id::text = l.crm_key
	WHERE c.display_name = k.name AND k.name LIKE 'Bulk %'"), '100', 'and linked, each with its own');
is($crm->sql("SELECT count(*) FROM qbsync.http_log WHERE path = 'batch'"), '4', 'in four batches');

# Mixed: some are refused, the others go.
$crm->sql("INSERT INTO crm.contacts (id, name) SELECT i, 'Mixed ' || i FROM generate_series(1201, 1220) i;
	SELECT crm.request_create(i::text, CASE WHEN i % 5 = 0 THEN jsonb_build_object('display_name', 'Bulk ' || i - 200) ELSE jsonb_build_object('display_name', 'Mixed ' || i) END)
	FROM generate_series(1201, 1220) i; SELECT qbsync.wake()");
$crm->sent;
is(scalar(grep { $_->{DisplayName} =~ /^Mixed / } $crm->all_theirs), 16, 'X-29: items of a batch fail alone');
is($crm->sql("SELECT string_agg(crm_key || ' ' || problem || ' ' || code || ' ' || column_name, ', ' ORDER BY crm_key) FROM qbsync.send_error"),
	join(', ', map { "$_ send_name_taken 6240 display_name" } 1205, 1210, 1215, 1220), 'KAR-62: and each says why');
is($crm->sql("SELECT count(*) FROM qbsync.request WHERE state = 'refused'"), '4', 'their requests wait');
is($crm->sql("SELECT count(*), min(g.generation) FROM qbsync.create_generation g JOIN qbsync.request USING (mapping_id, crm_key)"), '4|1', 'for another generation');
is($crm->sql("SELECT count(*) FROM qbsync.send_error WHERE record_name LIKE 'Bulk %' AND message <> '' AND detail <> '' AND intuit_tid <> ''
	AND next_attempt_at BETWEEN now() AND now() + interval '1 hour'"), '4', 'KAR-63: with QuickBooks\' words, and are tried again in an hour');
$crm->sql('DELETE FROM qbsync.request; DELETE FROM qbsync.send_error');

# --- refusals --------------------------------------------------------------------------------------------------------------

# Stale: the record is read again, and what it means is the apply worker's to say (nothing is to be sent of a mapping that pulls).
($id, $key) = $crm->linked(1);
my $raced = $crm->request_update($key, $id, { primary_phone => '555-0202' });
$crm->edit($id, Notes => 'somebody was faster');
$crm->sql("$raced; SELECT qbsync.wake()");
await('the record', sub { $crm->sql("SELECT raw ->> 'Notes' FROM qbsync.customer WHERE id = '$id'") eq 'somebody was faster' });
pass('EXT-5: the record of a stale request is read again at once');
is($crm->sql("SELECT count(*) FROM qbsync.lookup"), '0', 'by its id');
isnt($crm->theirs($id)->{PrimaryPhone}{FreeFormNumber} // '', '555-0202', 'and was not overwritten');
is($crm->sql("SELECT count(*) FROM qbsync.send_error"), '0', 'that is no error');
$crm->applied;
$crm->sql('DELETE FROM qbsync.request');

# Stale without reason: sent again three times, then it is said.
$crm->faults({ match => { kind => 'object', body => '555-0303' }, fault => 'code', code => '5010', times => 2 });
$crm->update($key, $id, { primary_phone => '555-0303' });
$crm->sent;
is($crm->theirs($id)->{PrimaryPhone}{FreeFormNumber}, '555-0303', 'a record that is the same after all is sent again');
$crm->faults({ match => { kind => 'object', body => '555-0404' }, fault => 'code', code => '5010' });
$crm->update($key, $id, { primary_phone => '555-0404' });
$crm->sent;
is($crm->sql("SELECT problem, code FROM qbsync.send_error"), 'send_stale|5010', 'after three rounds it is said');
$crm->faults;
$crm->sql('DELETE FROM qbsync.request; DELETE FROM qbsync.send_error');

# Gone: merged away over there.
($id, $key) = $crm->linked(2);
my $gone = $crm->request_update($key, $id, { primary_phone => '555-0505' });
$sim->control('POST', 'settings', { merge_delay => 0 });
$crm->qb(act => 'merge', entity => 'Customer', id => $id, into => ($crm->linked(3))[0]);
$crm->sql("$gone; SELECT qbsync.wake()");
await('the deletion', sub { $crm->sql("SELECT deleted_at IS NOT NULL FROM qbsync.customer WHERE id = '$id'") eq 't' });
pass('EXT-6: the record is gone: it is not sent, the apply worker decides');
is($crm->sql("SELECT count(*) FROM qbsync.send_error"), '0', 'and that is no error');
$crm->applied;
$crm->sql('DELETE FROM qbsync.request');

# Refused for good, and a code inside a good answer.
($id, $key) = $crm->linked(4);
$crm->update($key, $id, { primary_phone => 'x' x 40 }, body => { PrimaryPhone => { FreeFormNumber => 'x' x 40 } });
$crm->sent;
is($crm->sql("SELECT problem, code, column_name, next_attempt_at FROM qbsync.send_error"), 'send_too_long|2050|primary_phone|infinity', 'KAR-64: too long: which column, and that only an edit helps');
$crm->sql('DELETE FROM qbsync.request; DELETE FROM qbsync.send_error');

# --- what passes -----------------------------------------------------------------------------------------------------------

my $n = 0;
foreach my $fault ({ fault => '503_html' }, { fault => '503_after' }, { fault => '500_after' }, { fault => 'cut_before' }, { fault => 'cut_after' },
	{ fault => 'truncated' }, { fault => 'bad_json' }, { fault => '429_gateway' }, { fault => 'code', code => '600' }, { fault => 'code', code => '3001' })
{
	my $name = 'Passing ' . ++$n;
	$crm->faults({ match => { kind => $fault->{fault} eq 'code' ? 'object' : 'write', body => $name }, times => 2, %$fault });
	$crm->contact(2000 + $n, $name);
	$crm->create(2000 + $n, { display_name => $name });
	$crm->sent;
	my @there = $crm->named($name);
	is(scalar(@there), 1, "EXT-1: made once through $fault->{fault} " . ($fault->{code} // ''));
	is($crm->sql("SELECT id FROM qbsync.link WHERE crm_key = '" . (2000 + $n) . "'"), $there[0]{Id}, 'and linked');
}
$crm->faults;
is($crm->sql("SELECT count(*) FROM qbsync.send_error"), '0', 'none of it is an error of the record');

# Batches through the same.
foreach my $fault (qw(503_after cut_after truncated 429_gateway 500_after))
{
	my $first = 3000 + 100 * ++$n;
	$crm->faults({ match => { path => 'batch' }, fault => $fault, times => 2 });
	$crm->sql("INSERT INTO crm.contacts (id, name) SELECT i, '$fault ' || i FROM generate_series($first, $first + 24) i;
		SELECT crm.request_create(i::text, jsonb_build_object('display_name', '$fault ' || i)) FROM generate_series($first, $first + 24) i; SELECT qbsync.wake()");
	$crm->sent;
	is(scalar(grep { $_->{DisplayName} =~ /^$fault / } $crm->all_theirs), 25, "EXT-1: a batch is carried out once through $fault");
	is($crm->sql("SELECT count(*) FROM qbsync.link l JOIN qbsync.customer c USING (connection_id, id) JOIN crm.contacts k ON k.id::text = l.crm_key
		WHERE c.display_name = k.name AND k.name LIKE '$fault %'"), '25', 'each linked with its own');
}
$crm->faults({ match => { path => 'batch' }, fault => 'code', code => '1040', times => 1 }, { match => { kind => 'item', body => 'Split 4005' }, fault => 'code', code => '3001', times => 1 });
$crm->sql("INSERT INTO crm.contacts (id, name) SELECT i, 'Split ' || i FROM generate_series(5001, 5040) i;
	SELECT crm.request_create(i::text, jsonb_build_object('display_name', 'Split ' || i)) FROM generate_series(5001, 5040) i; SELECT qbsync.wake()");
$crm->sent;
is(scalar(grep { $_->{DisplayName} =~ /^Split / } $crm->all_theirs), 40, 'X-13: a batch that is too big is split, an item that is throttled goes again');
$crm->faults;

# --- not sent --------------------------------------------------------------------------------------------------------------

$crm->sql("SELECT qbsync_pause('acme')");
$crm->contact(6001, 'Paused');
$crm->create(6001, { display_name => 'Paused' });
await('the gateway', sub { $crm->sql("SELECT state FROM qbsync.connection") eq 'paused' });
is(scalar($crm->named('Paused')), 0, 'nothing is sent while the company is paused');
$crm->sql("SELECT qbsync_resume('acme')");
$crm->sent;
is(scalar($crm->named('Paused')), 1, 'it is after that');

is_deeply([ $crm->duplicates ], [], 'EXT-1, EXT-2: nothing was made twice');
is_quiet($crm->{node}, 'the log is quiet');
done_testing();
