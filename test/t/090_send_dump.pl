# A dump taken with requests in every state, changes that nobody has looked at and records that are wanted in QuickBooks, restored
# into another server: nothing is sent before a person says that it takes over; then all of it is read back or looked at again, nothing
# is made twice and nothing is lost (EXT-3, EXT-34; promises 4 and 12).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use JSON::PP;
use PostgreSQL::Test::Utils;
use QbsyncCrm;
use QbsyncTest;
use Test::More;

my $crm = QbsyncCrm->new('moved_from', customers => 3, seed => 87);
my $sim = $crm->{simulator};
my $from = $crm->{node};
my %their = map { $_ => $crm->customer(DisplayName => "Linked $_", PrimaryPhone => { FreeFormNumber => '0' }) } 2001 .. 2007;
$crm->sync;
$crm->sql(<<'SQL');
SET ROLE crm_app;
CREATE TABLE crm.contacts (id integer PRIMARY KEY, name text, email text, phone text);
INSERT INTO crm.contacts (id, name, phone) SELECT i, 'Linked ' || i, '0' FROM generate_series(2001, 2007) i;
RESET ROLE;
SELECT qbsync_map_table('crm.contacts', name => 'contacts', role => 'crm_app', columns => '{"display_name": "name", "emails": "email", "primary_phone": "phone"}',
	policies => '{"pull_new_first": "none", "pull_new": "review", "push_new": "on_demand", "authority": "crm"}');
INSERT INTO qbsync.match_rule (mapping_id, rule, outcome) VALUES (1, 'name_only', 'auto');
SELECT qbsync_enable('contacts');
CREATE FUNCTION crm.keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.lane := 'backfill'; RETURN NEW; END $$;
SQL
sub idle
{
	return if eval { $crm->sql("CALL qbsync_wait('acme', 'idle', '3 min')"); 1 };
	diag($crm->state, map { "\n$_ " . $crm->sql("SELECT coalesce(jsonb_agg(to_jsonb(t)), '[]') FROM (SELECT * FROM $_ LIMIT 20) t") } qw(qbsync.connection qbsync.request qbsync.send_error qbsync.outgoing qbsync.lookup qbsync.capture));
	die 'not idle';
}
sub all_theirs { return @{ decode_json($sim->store('Customer'))->{objects} } }
sub requests { return $crm->sql("SELECT coalesce(string_agg(state || ' ' || n, ', ' ORDER BY state), '') FROM (SELECT state, count(*) AS n FROM qbsync.request GROUP BY 1) s") }
sub links { return $crm->sql("SELECT count(*) FROM qbsync.link WHERE mapping_id = 1") }
idle();
is(links(), '7', 'contacts are linked');

# --- requests in every state --------------------------------------------------------------------------------------------

# refused by QuickBooks: a name that a vendor has, in a creation and in an edit
$sim->act('create', entity => 'Vendor', object => { DisplayName => "Vendor $_" }) foreach 'A', 'B';
$crm->app("INSERT INTO crm.contacts (id, name) VALUES (1001, 'Vendor A'); UPDATE crm.contacts SET name = 'Vendor B' WHERE id = 2001");
$crm->sql("SELECT qbsync_push('contacts', '1001')");
idle();
await('refusals', sub { requests() eq 'refused 2' });

# composed, and kept back
$crm->sql("CREATE TRIGGER keep BEFORE INSERT ON qbsync.request FOR EACH ROW EXECUTE FUNCTION crm.keep(); UPDATE qbsync.mapping SET paused_lanes = '{backfill}'");
$crm->app("INSERT INTO crm.contacts (id, name, email) SELECT i, 'New ' || i, 'n' || i || '\@example.com' FROM generate_series(1002, 1010) i; UPDATE crm.contacts SET phone = '1' WHERE id BETWEEN 2002 AND 2006");
$crm->sql("SELECT qbsync_push('contacts', i::text) FROM generate_series(1002, 1008) i");
await('requests', sub { requests() eq 'ready 12, refused 2' });
$from->append_conf('postgresql.conf', "qbsync.paused = on\n");
$from->restart;
# what stands in a table after a crash: sent and done there, sent and not done, to be read back, changed meanwhile
my %sent = (1003 => 'done', 1004 => 'lost', 2003 => 'done', 2004 => 'lost');
$crm->sql("UPDATE qbsync.request SET state = 'sent', first_sent_at = now(), sent_at = now() WHERE crm_key IN ('1003', '1004', '2003', '2004');
	UPDATE qbsync.request SET state = 'check' WHERE crm_key IN ('1005', '1006'); UPDATE qbsync.request SET state = 'stale' WHERE crm_key IN ('2005', '2006')");
foreach my $key (1003, 1005, 2003)
{
	my ($requestid, $body) = split /\|/, $crm->sql("SELECT requestid, body FROM qbsync.request WHERE crm_key = '$key'"), 2;
	my ($status) = $sim->call('POST', "customer?requestid=$requestid", decode_json($body));
	is($status, 200, "$key was carried out");
}
# made there, and by now too long ago for its requestid
my ($body) = $crm->sql("SELECT body FROM qbsync.request WHERE crm_key = '1007'");
is(($sim->call('POST', 'customer', decode_json($body)))[0], 200, '1007 was carried out');
$crm->edit($their{2006}, Notes => 'edited meanwhile');
# nobody has looked at these
$crm->app("INSERT INTO crm.contacts (id, name) VALUES (1011, 'New 1011'); UPDATE crm.contacts SET phone = '1' WHERE id = 2007; UPDATE crm.contacts SET email = 'late\@example.com' WHERE id = 1008");
$crm->sql("SELECT qbsync_push('contacts', '1009')");
is(requests() . '|' . $crm->sql('SELECT (SELECT count(*) FROM qbsync.capture) >= 3') . '|' . $crm->sql("SELECT count(*) FROM qbsync.outgoing WHERE crm_key = '1009'"),
	'check 2, ready 4, refused 2, sent 4, stale 2|t|1', 'requests in all states, changes, and a wish');

# --- another server -------------------------------------------------------------------------------------------------------

my $dump = $from->basedir . '/crm.sql';
command_ok([ 'pg_dump', '-f', $dump, $from->connstr('crm') ], 'pg_dump');
$from->stop;
my $json = JSON::PP->new->canonical;
my $requests = $json->encode($sim->stats->{requests});
my $ledger = $sim->ledger_end;
my $to = new_node('moved_to');
write_credentials($to, $sim, connections => []);
$to->safe_psql('postgres', 'CREATE ROLE crm_app; CREATE DATABASE crm');
command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $to->connstr('crm') ], 'psql restores it');
$crm->{node} = $to;
$to->poll_query_until('crm', "SELECT state = 'clone' FROM qbsync.connection") or die 'no clone';
my $grant = $sim->control('POST', 'grant', { realm => $sim->{realm} });
write_credentials($to, $sim, connections => [ { app => 'my-app', realm_id => $sim->{realm}, refresh_token => $grant->{refresh_token} } ]);
$to->reload;
$to->poll_query_until('crm', "SELECT count(*) = 1 FROM qbsync.secret WHERE owner_kind = 'connection' AND kind = 'refresh_token'") or die 'no token';
$crm->sql("UPDATE qbsync.mapping SET paused_lanes = '{}'; SELECT qbsync_worker_restart()");
$to->poll_query_until('crm', "SELECT qbsync.worker_state() = 'running'") or die 'no gateway';
is(requests(), 'check 2, ready 4, refused 2, sent 4, stale 2', 'the requests came along');
is($json->encode($sim->stats->{requests}), $requests, 'EXT-34: nothing is sent by a copy');

# what was refused would be taken by now, if anybody asked
$sim->act('edit', entity => 'Vendor', id => $_->{Id}, set => { DisplayName => "$_->{DisplayName} (vendor)" }) foreach @{ decode_json($sim->store('Vendor'))->{objects} };
is($crm->sql("SELECT qbsync_confirm_clone('acme', moved => true)"), 'loading', 'a person says that it takes over');
wait_synced($to, database => 'crm');
idle();

my %count;
$count{ $_->{DisplayName} }++ foreach all_theirs();
is(join(' ', grep { $count{$_} > 1 } sort keys %count), '', 'EXT-3: nothing is there twice');
is(join(' ', grep { !$count{$_} } 'Vendor A', 'Vendor B', map { "New $_" } 1002 .. 1009), '', 'nothing is lost');
is(join(' ', grep { $count{$_} } 'New 1010', 'New 1011'), '', 'and nothing is made that nobody asked for');
is($crm->sql("SELECT string_agg(k.id::text, ' ' ORDER BY k.id) FROM crm.contacts k LEFT JOIN qbsync.link l ON l.crm_key = k.id::text AND l.mapping_id = 1
	LEFT JOIN qbsync.customer c ON c.connection_id = l.connection_id AND c.id = l.id
	WHERE (c.display_name, c.primary_phone, coalesce(c.emails[1], '')) IS DISTINCT FROM (k.name, k.phone, coalesce(k.email, ''))"), '1010 1011', 'all others are linked, and equal on both sides');
is_mirrored($to, $sim, 'the mirror is right', database => 'crm');
is(requests() . '|' . $crm->sql("SELECT coalesce(string_agg(crm_key || ' ' || problem, ','), '') FROM qbsync.error_open"), '|', 'nothing is left, and no error');
my @made = grep { $_->{operation} eq 'create' } $sim->ledger($ledger, source => 'api');
is(scalar(@made), 6, 'what was made before was not made again');
is_quiet($to, 'the log is quiet', qr/copy|clone/);
done_testing();
