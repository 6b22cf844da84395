# CRM → QuickBooks: what happens between the making of a request and its answer, and what lets go what waits.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use JSON::PP;
use QbsyncCrm;
use QbsyncTest;
use Test::More;

my $crm = QbsyncCrm->new('meanwhile', customers => 3, seed => 84);
my $linked = $crm->customer(DisplayName => 'Linked One', PrimaryEmailAddr => { Address => 'one@example.com' });
my $parent = $crm->customer(DisplayName => 'Parent There');
$crm->sync;
$crm->sql(<<'SQL');
SET ROLE crm_app;
CREATE TABLE crm.contacts (id int PRIMARY KEY, name text, emails text[], phone text, parent int, note text, term int);
INSERT INTO crm.contacts (id, name, emails) VALUES (1, 'Linked One', '{one@example.com}'), (2, 'Parent Here', '{}');
CREATE VIEW crm.v AS SELECT id, name AS display_name, emails, phone AS primary_phone, parent AS parent_key, note AS notes, term AS term_key FROM crm.contacts;
RESET ROLE;
SELECT qbsync_map('crm.v', 'customer', name => 'contacts', role => 'crm_app', key => '{id}', crm_table => 'crm.contacts',
	watch => '{"crm.contacts": {"key": ["id"], "columns": ["name", "emails", "phone", "parent", "note", "term"]}}');
SELECT qbsync_enable('contacts');
SQL
$crm->applied;

sub all_theirs { return @{ decode_json($crm->{simulator}->store('Customer'))->{objects} } }
sub theirs { my ($id) = @_; return (grep { $_->{Id} eq $id } all_theirs())[0] }
sub named { my ($name) = @_; return grep { $_->{DisplayName} eq $name } all_theirs() }
sub link_of { my ($key) = @_; return $crm->sql("SELECT coalesce(string_agg(id, ' '), '') FROM qbsync.link WHERE crm_key = '$key' AND state = 'linked'") }
sub requests { return $crm->sql("SELECT coalesce(string_agg(concat_ws('|', crm_key, operation, state), ' ' ORDER BY crm_key), '') FROM qbsync.request") }
sub errors { return $crm->sql("SELECT coalesce(string_agg(concat_ws('|', crm_key, problem, column_name), ' ' ORDER BY crm_key), '') FROM qbsync.error_open") }
my $seen = 0;
sub writes
{
	my $ledger = $crm->{simulator}->control('GET', "ledger?after=$seen");
	$seen = $ledger->{last};
	return scalar grep { $_->{source} eq 'api' } @{ $ledger->{entries} };
}
sub set { my ($setting, $value) = @_; $crm->sql("SELECT qbsync_set(mapping => 'contacts', setting => '$setting', value => '$value')") }
sub idle { return if eval { $crm->sql("CALL qbsync_wait('acme', 'idle', '3 min')"); 1 }; diag($crm->state, map { "\n" . $crm->sql("SELECT to_jsonb(t) FROM $_ t LIMIT 5") } qw(qbsync.request qbsync.send_error qbsync.outgoing qbsync.job qbsync.lookup qbsync.capture)); die 'not idle' }
sub wait_for { my ($what, $expected, $look) = @_; my $got = ''; eval { await($what, sub { ($got = $look->()) eq $expected }) }; return is($got, $expected, $what) }
sub hold { $crm->sql("UPDATE qbsync.mapping SET paused_lanes = '{rule}'") }
sub release { $crm->sql("SELECT qbsync_confirm_lane('contacts')") }

idle();
is(link_of(1), $linked, 'linked');

# --- a creation that waits, and its record is linked or found meanwhile -------------------------------------------------

set('push_new', 'scope');
hold();
$crm->app("INSERT INTO crm.contacts (id, name, emails) VALUES (30, 'Held Contact', '{held\@example.com}'), (31, 'Held Two', '{two\@example.com}'), (32, 'Held Three', '{three\@example.com}')");
await('requests', sub { requests() eq '30|create|ready 31|create|ready 32|create|ready' });
my $theirs = $crm->customer(DisplayName => 'Known Otherwise GmbH');
my $same = $crm->customer(DisplayName => 'HELD TWO', PrimaryEmailAddr => { Address => 'two@example.com' });
my $maybe = $crm->customer(DisplayName => 'Quite Another', PrimaryEmailAddr => { Address => 'three@example.com' });
$crm->sync;
$crm->applied;
$crm->sql("SELECT qbsync_link(id => '$theirs', crm_key => '30', mapping => 'contacts')");
$crm->applied;
idle();
is(link_of(31), $same, 'linked by rule meanwhile');
is($crm->sql("SELECT string_agg(crm_key, ' ') FROM qbsync.duplicate"), '32', 'found meanwhile: a person is asked');
is(requests(), '', 'EXT-1: what is linked, or may be there, is not to be created any more');
release();
idle();
is(scalar(named('Held Three')) . scalar(grep { /^(known otherwise gmbh|held contact|held two)$/ } map { lc $_->{DisplayName} } all_theirs()), '02', 'nor is it');
is(errors(), '', 'no error');
set('push_new', 'on_demand');

# --- a parent that a person links -----------------------------------------------------------------------------------------

$crm->app("UPDATE crm.contacts SET parent = 2 WHERE id = 1");
idle();
is(errors(), '1|send_waiting', 'a parent that is not linked is waited for');
$crm->sql("SELECT qbsync_link(id => '$parent', crm_key => '2', mapping => 'contacts')");
idle();
is(errors() . (theirs($linked)->{ParentRef}{value} // ''), $parent, 'a person links it: it goes by itself');

# What it refers to may be nowhere: nobody has terms in the CRM.
writes();
$crm->app("UPDATE crm.contacts SET term = 4 WHERE id = 1");
idle();
is(errors() . writes(), '1|send_waiting0', 'a reference to what is not mapped waits, and is not taken for an empty one');
$crm->app("UPDATE crm.contacts SET term = NULL WHERE id = 1");
idle();
is(errors(), '', 'until it is taken back');
$crm->app("INSERT INTO crm.contacts (id, name, term) VALUES (39, 'With Terms', 4)");
$crm->sql("SELECT qbsync_push('contacts', '39')");
idle();
is(errors() . $crm->sql('SELECT count(*) FROM qbsync.outgoing o WHERE NOT EXISTS (SELECT FROM qbsync.mapping m WHERE m.mapping_id = o.mapping_id)'), '39|send_waiting0',
	'nor is anything wanted of nobody');
$crm->app("UPDATE crm.contacts SET term = NULL WHERE id = 39");
idle();
is(scalar(named('With Terms')) . errors(), '1', 'without it, it goes');

# The mapping that has it may be made later.
$crm->app("INSERT INTO crm.contacts (id, name, term) VALUES (38, 'With Later Terms', 5)");
$crm->sql("SELECT qbsync_push('contacts', '38')");
idle();
is(errors(), '38|send_waiting', 'a reference to what is not mapped yet');
my ($term, $term_name) = split /\|/, $crm->sql('SELECT id, name FROM qbsync.term WHERE deleted_at IS NULL AND active ORDER BY id::bigint LIMIT 1');
$crm->sql(<<SQL);
SET ROLE crm_app;
CREATE TABLE crm.terms (id int PRIMARY KEY, name text);
INSERT INTO crm.terms VALUES (5, '$term_name');
RESET ROLE;
SELECT qbsync_map_table('crm.terms', 'term', name => 'terms', role => 'crm_app', columns => '{"name": "name"}', policies => '{"pull_new_first": "none", "match_name_only": "auto"}');
SELECT qbsync_enable('terms');
SQL
wait_for('it goes when that is mapped', $term, sub { my ($made) = named('With Later Terms'); $made->{SalesTermRef}{value} // '' });
idle();
is(errors(), '', 'no error is left');
$crm->app('UPDATE crm.contacts SET term = NULL WHERE id = 38');
idle();
$crm->sql("SELECT qbsync_unmap('terms', confirm => true)");

# --- an error stays as long as its cause --------------------------------------------------------------------------------

$crm->app("INSERT INTO crm.contacts (id, name) VALUES (40, 'Refused')");
$crm->sql("SELECT qbsync_set(mapping => 'contacts', setting => 'push_new', value => 'scope')");
hold();
$crm->app("UPDATE crm.contacts SET phone = '1' WHERE id = 40");
wait_for('a request waits', '40|create|ready', \&requests);
# as after reading back: QuickBooks has another one of that name
my $refuse = "UPDATE qbsync.request SET state = 'check';
	SELECT qbsync.note_unsent(jsonb_agg(jsonb_build_object('request_id', request_id, 'outcome', 'refused', 'problem', 'send_ambiguous'))) FROM qbsync.request";
$crm->sql($refuse);
is(requests() . errors(), '40|create|refused40|send_ambiguous', 'a creation waits for a person');
$crm->app("BEGIN; UPDATE crm.contacts SET note = 'x' WHERE id = 40; UPDATE crm.contacts SET note = NULL WHERE id = 40; COMMIT");
await('the captures', sub { $crm->sql('SELECT count(*) FROM qbsync.capture') eq '0' });
idle();
is(requests() . errors(), '40|create|refused40|send_ambiguous', 'KAR-62: what is refused is said as long as it is');
$crm->app("UPDATE crm.contacts SET name = 'Refused Otherwise' WHERE id = 40");
idle();
$crm->sql('SELECT qbsync_retry_all()');
idle();
is(requests() . errors(), '40|create|refused40|send_ambiguous', 'EXT-1: what may be there already is not made under another name, nor with all others');
$crm->app("UPDATE crm.contacts SET name = 'Refused' WHERE id = 40");
idle();
$crm->sql("SELECT qbsync_retry(error_id) FROM qbsync.error_open");
wait_for('until somebody wants it tried', '40|create|ready', \&requests);
idle();
$crm->sql($refuse);
$crm->sql("UPDATE qbsync.send_error SET next_attempt_at = now() + interval '2 s'; SELECT qbsync.wake()");
wait_for('or its time has come, which an idle worker is told of', '40|create|ready', \&requests);
release();
idle();
is(scalar(named('Refused')), 1, 'tried again it goes');
set('push_new', 'on_demand');

# --- accidents ----------------------------------------------------------------------------------------------------------

set('lane_limit', '10');
$crm->app("INSERT INTO crm.contacts (id, name) SELECT i, 'Lead ' || i FROM generate_series(101, 140) i; UPDATE crm.contacts SET phone = '2' WHERE id = 1");
$crm->sql("UPDATE qbsync.mapping SET lane_confirmed_at = NULL");
idle();
$crm->app("UPDATE crm.contacts SET phone = '3'");
idle();
is($crm->sql('SELECT paused_lanes FROM qbsync.mapping_status'), '{}', 'no rule creates anything here: nothing is stopped');

# --- the base is what QuickBooks shows ----------------------------------------------------------------------------------

set('email_out', 'primary');
$crm->app("UPDATE crm.contacts SET emails = '{first\@example.com,second\@example.com}' WHERE id = 1");
idle();
is(theirs($linked)->{PrimaryEmailAddr}{Address}, 'first@example.com', 'the first of several addresses goes');
is($crm->sql("SELECT emails FROM crm.contacts WHERE id = 1"), '{first@example.com,second@example.com}', 'X-3: the others stay');

# Somebody's next version was in the mirror before the answer: what that version still shows as it was sent is agreed on.
$crm->edit($linked, PrimaryPhone => { FreeFormNumber => '777' });
$crm->sync;
idle();
my ($agreed) = $crm->sql(<<"SQL");
BEGIN;
INSERT INTO qbsync.request (connection_id, mapping_id, entity, crm_key, id, operation, state, requestid, body, sync_token, sent_values, crm_values)
SELECT connection_id, mapping_id, entity, '1', '$linked', 'update', 'refused', 'x', '{}', '0', '{"emails": ["first\@example.com"], "primary_phone": "776"}',
	'{"emails": ["first\@example.com", "second\@example.com"], "primary_phone": "776"}' FROM qbsync.mapping;
SELECT qbsync.sent_statement(mapping_id) AS statement FROM qbsync.mapping \\gset
PREPARE agreed (bigint[], text[], text[]) AS :statement;
SELECT array_agg(request_id)::text AS requests FROM qbsync.request \\gset
EXECUTE agreed (:'requests', '{$linked}', '{an older one}') \\g /dev/null
SELECT jsonb_build_object('emails', base -> 'emails', 'primary_phone', base -> 'primary_phone'), crm_base FROM qbsync.link WHERE id = '$linked';
ROLLBACK;
SQL
is($agreed, '{"emails": ["first@example.com"], "primary_phone": "776"}|{"emails": ["first@example.com", "second@example.com"]}',
	'X-3: nothing of the CRM is taken for old by that, and what somebody changed is his edit');

# --- an empty text that QuickBooks takes no notice of ----------------------------------------------------------------------

$crm->{simulator}->control('POST', 'settings', { sparse_empty => 'ignore' });
$crm->app("INSERT INTO crm.contacts (id, name, emails, phone, note) VALUES (65, 'Empties', '{e\@example.com}', '65', 'a note')");
$crm->sql("SELECT qbsync_push('contacts', '65')");
idle();
writes();
$crm->app("UPDATE crm.contacts SET phone = NULL, note = '', name = 'Empties Now' WHERE id = 65");
idle();
my $emptied = theirs(link_of(65));
is(join('|', $emptied->{DisplayName}, $emptied->{PrimaryEmailAddr}{Address}, map { exists $emptied->{$_} ? 'there' : 'gone' } 'PrimaryPhone', 'Notes'), 'Empties Now|e@example.com|gone|gone',
	'CAP-34: it is left out of the whole record');
is(writes(), 2, 'which is sent once');
is(requests() . errors() . $crm->sql("SELECT count(*) FROM qbsync.link WHERE crm_key = '65' AND (base ?| '{notes,primary_phone}' OR crm_base IS NOT NULL)"), '0', 'both sides agree');
$crm->{simulator}->control('POST', 'settings', { sparse_empty => 'clear' });

# --- values that are not mapped -----------------------------------------------------------------------------------------

$crm->sql("SELECT qbsync_set(mapping => 'contacts', \"column\" => 'notes', setting => 'value_map', value => 'moods')");
$crm->app("UPDATE crm.contacts SET note = 'happy' WHERE id = 1");
idle();
is(errors(), '1|send_bad_value|notes', 'a value that is not mapped is said');
$crm->sql("SELECT qbsync_map_value('moods', 'happy', 'A happy customer', 'contacts')");
idle();
is(errors() . theirs($linked)->{Notes}, 'A happy customer', 'mapped it goes by itself');

# --- a link that ends by rule -------------------------------------------------------------------------------------------

set('on_qbo_delete', 'detach');
$crm->app("INSERT INTO crm.contacts (id, name) VALUES (50, 'Merged Away')");
$crm->sql("SELECT qbsync_push('contacts', '50')");
idle();
my $first = link_of(50);
ok($first, 'created');
$crm->{simulator}->control('POST', 'settings', { merge_delay => 0 });
$crm->qb(act => 'merge', entity => 'Customer', id => $first, into => $theirs);
$crm->sql("SELECT qbsync_refresh('contacts', '50')");
idle();
is(link_of(50), '', 'merged away in QuickBooks the link ends');
$crm->sql("SELECT qbsync_push('contacts', '50')");
idle();
my $second = link_of(50);
ok($second && $second ne $first && theirs($second), 'EXT-2: pushed again it is another creation, and not the answer to the first');

# --- after a restore ----------------------------------------------------------------------------------------------------

# What is stopped stays stopped, and what was refused is found again: errors are not dumped.
sub restored { $crm->sql("UPDATE qbsync.connection SET recheck_since = now(); SELECT qbsync.wake()"); $crm->sync; await('a look', sub { $crm->sql('SELECT recheck_since IS NULL FROM qbsync.connection') eq 't' }) }

set('push_new', 'scope');
hold();
$crm->app("INSERT INTO crm.contacts (id, name) VALUES (70, 'By Accident'), (74, 'On Purpose')");
wait_for('creations are stopped', '70|create|ready 74|create|ready', \&requests);
$crm->sql("SELECT qbsync_push('contacts', '74')");
idle();
is(requests() . scalar(named('On Purpose')), '70|create|ready1', 'what a person asks for goes');
my $row = $crm->sql("SELECT xmin, xmax FROM qbsync.request");
$crm->app("BEGIN; UPDATE crm.contacts SET note = 'x' WHERE id = 70; UPDATE crm.contacts SET note = NULL WHERE id = 70; COMMIT");
await('the captures', sub { $crm->sql('SELECT count(*) FROM qbsync.capture') eq '0' });
idle();
is($crm->sql("SELECT xmin, xmax FROM qbsync.request"), $row, 'what stays as it is is not locked: the sender would pass it by');
restored();
idle();
is(requests() . scalar(named('By Accident')), '70|create|check0', 'what a person has to confirm waits on');
is($crm->sql("SELECT crm_key FROM qbsync.pending WHERE paused"), '70', 'and is shown');
is(release(), '1', 'he does');
idle();
is(requests() . scalar(named('By Accident')), '1', 'it is read back, and sent');
set('push_new', 'on_demand');

$crm->app("INSERT INTO crm.contacts (id, name) VALUES (71, 'Taken Name'), (72, 'Waits'); UPDATE crm.contacts SET parent = 73 WHERE id = 72");
set('pull_new', 'none');
my $taken = $crm->customer(DisplayName => 'Taken Name');
$crm->sql("SELECT qbsync_push('contacts', k) FROM unnest('{71,72}'::text[]) k");
idle();
like(errors(), qr/^71\|send_name_taken\|display_name 72\|send_waiting/, 'one is refused, one waits');
$crm->edit($taken, DisplayName => 'Taken No More');
$crm->app("INSERT INTO crm.contacts (id, name) VALUES (73, 'The One')");
$crm->sql('DELETE FROM qbsync.send_error');
restored();
idle();
is(requests() . join(' ', map { scalar named($_) } 'Taken Name', 'The One', 'Waits') . errors(), '1 1 1', 'both are taken up again');

# --- columns that only come in -------------------------------------------------------------------------------------------

$crm->sql("SELECT qbsync_set(mapping => 'contacts', \"column\" => 'primary_phone', setting => 'direction', value => 'pull')");
$crm->app("INSERT INTO crm.contacts (id, name, phone) VALUES (60, 'Pulls Phones', '999')");
$crm->sql("SELECT qbsync_push('contacts', '60')");
idle();
is($crm->sql("SELECT phone FROM crm.contacts WHERE id = 60") . (theirs(link_of(60))->{PrimaryPhone} // ''), '999', 'what only comes in is not sent, and nothing in QuickBooks takes nothing away');

# --- records come in, one column goes out ---------------------------------------------------------------------------------

$crm->sql("SELECT qbsync_set(mapping => 'contacts', \"column\" => 'primary_phone', setting => 'direction', value => 'push')");
set('push_new', 'scope');
hold();
$crm->app("INSERT INTO crm.contacts (id, name) VALUES (970, 'Not Any More'), (971, 'Nor This')");
await('requests', sub { requests() eq '970|create|ready 971|create|ready' });
set('direction', 'pull');
idle();
is(requests() . errors(), '', 'what waits to be created is withdrawn where records come in only');
release();
$crm->app("UPDATE crm.contacts SET phone = '555 0101', name = 'Only Here' WHERE id = 1; INSERT INTO crm.contacts (id, name) VALUES (972, 'Never There')");
idle();
is(theirs($linked)->{PrimaryPhone}{FreeFormNumber} . '|' . theirs($linked)->{DisplayName}, '555 0101|Linked One', 'CAP-34: a column of its own direction goes out, and nothing else');
is(requests() . errors() . join('', map { scalar named($_) } 'Not Any More', 'Nor This', 'Never There'), '000', 'no record is created');
my ($code, undef, $error) = $crm->{node}->psql('crm', "SELECT qbsync_push('contacts', '972')");
like($error, qr/no record of mapping "contacts" is created in QuickBooks.*direction is pull.*qbsync_set\(mapping => 'contacts', setting => 'direction'/s, 'nor if somebody asks: he is told');
($code, undef, $error) = $crm->{node}->psql('crm', "SELECT qbsync_backfill('contacts')");
like($error, qr/no record of mapping "contacts" is created/, 'nor all of them');
like($crm->sql("SELECT qbsync_push('contacts', '1')"), qr/what differs/, 'of what is linked the difference can be asked for');
set('on_crm_delete', 'deactivate');
$crm->app('DELETE FROM crm.contacts WHERE id = 1');
idle();
is(theirs($linked)->{active} // theirs($linked)->{Active}, JSON::PP::true, 'nor is one made inactive');
set('direction', 'two_way');
is_quiet($crm->{node}, 'nothing unexpected in the server log', qr/have no value for some columns|no record of mapping/);

done_testing();
