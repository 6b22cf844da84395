# Privacy (CAP-2, CAP-8, CAP-17…19, X-26): what is bought and who is paid is not even asked for until a person decides; then all of
# it is for members of qbsync_vendor_reader alone; taken back, all of it goes.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use PostgreSQL::Test::Utils;
use QbsyncListener;
use QbsyncTest;
use Test::More;

my $simulator = start_simulator(customers => 5, invoices => 5, seed => 49,
	options => [ '--no-limits', map { ("--$_", 3) } qw(vendors bills vendor-credits purchase-orders purchases journal-entries) ]);
my $node = new_node('vendors');
install_qbsync($node, $simulator);
sub sql { return $node->safe_psql('postgres', $_[0]) }

my @bought = split /\n/, sql('SELECT entity FROM qbsync.catalogue WHERE bought ORDER BY load_order');
my @tables = (@bought, split /\n/, sql('SELECT l."table" FROM qbsync.catalogue_line l JOIN qbsync.catalogue c USING (entity) WHERE c.bought'));
my @objects = split /\n/, sql('SELECT object FROM qbsync.catalogue WHERE bought');
is(scalar @bought, 12, 'what is bought, who is paid, what is booked, time, and attachments');

# Rules that strike after a million requests: they only count those that name what is bought, or what is sold.
my $names = join '|', @objects;
my $asked = $simulator->fault('500', path => "(FROM(%20|\\+)|entities=([A-Za-z]+,)*|^)($names)\\b", after => 1000000);
my $sold = $simulator->fault('500', path => 'FROM(%20|\\+)(Customer|Invoice|Item)\\b', after => 1000000);
sub seen { my ($id) = @_; return (grep { $_->{id} == $id } @{ $simulator->control('GET', 'faults')->{rules} })[0]{seen} }

# Rows of what is bought, in every table that could have any.
sub rows
{
	return sql('SELECT ' . join(' + ', (map { "(SELECT count(*) FROM qbsync.$_)" } @tables),
		map { "(SELECT count(*) FROM qbsync.$_ WHERE entity IN (SELECT entity FROM qbsync.catalogue WHERE bought))" }
		  qw(record_version cursor error lookup webhook_event merged link activity history)));
}

# --- nobody has decided --------------------------------------------------------------------------------------------------------

connect_company($node, $simulator, poll_interval => '7 days');
is(sql("SELECT count(*) FROM qbsync.setup_todo WHERE step = 'vendors'"), '1', 'CAP-17: somebody is asked to decide');
is_mirrored($node, $simulator, 'what is sold is here');
my $vendor = $simulator->act('create', entity => 'Vendor', object => { DisplayName => 'Salaires du directeur' });
wait_synced($node, sync => 1);
sql("UPDATE qbsync.cursor SET checked_at = checked_at - interval '2 days' WHERE entity <> '*'; INSERT INTO qbsync.lookup VALUES (1, 'vendor', '$vendor->{Id}')");
wait_synced($node, sync => 1);
sql("UPDATE qbsync.cursor SET changed_since = now() - interval '40 days', checked_at = checked_at - interval '40 days' WHERE entity = '*'; UPDATE qbsync.cursor SET started_at = started_at - interval '40 days'");
wait_synced($node, sync => 1);
is(seen($asked), 0, 'CAP-2: nothing bought is asked for: not by loads, polls, comparisons, look-ups or a full re-read');
isnt(seen($sold), 0, 'while everything else is');
await('the look-up to be passed over', sub { sql('SELECT count(*) FROM qbsync.lookup') eq '0' });
is(rows(), 0, 'CAP-2: and nothing is here');
sql('CREATE ROLE crm; CREATE TABLE v (id text PRIMARY KEY DEFAULT gen_random_uuid(), name text); ALTER TABLE v OWNER TO crm; GRANT CREATE ON SCHEMA public TO crm');
like(($node->psql('postgres', "SELECT qbsync_map_table('v', entity => 'vendor', columns => '{\"display_name\": \"name\"}', role => 'crm')"))[2],
	qr/entity "vendor" is not read.*qbsync_set/s, 'a mapping of it is refused');
like(($node->psql('postgres', "SELECT qbsync_set('acme', 'vendors', 'some')"))[2], qr/vendors is not valid.*off or import/s, 'X-26: the setting is off or import');
sql("SELECT qbsync_set('acme', 'vendors', 'off')");
is(sql("SELECT count(*) FROM qbsync.setup_todo WHERE step = 'vendors'"), '0', 'CAP-18: once decided nobody is asked again');

# --- import ------------------------------------------------------------------------------------------------------------------------

my $listener = QbsyncListener->new($node);
my $before = seen($sold);
sql("SELECT qbsync_set('acme', 'vendors', 'import')");
await('what is bought', sub { sql("SELECT count(*) FILTER (WHERE phase = 'loaded') FROM qbsync.cursor WHERE entity IN (SELECT entity FROM qbsync.catalogue WHERE bought)") eq '12' });
is_mirrored($node, $simulator, 'CAP-19: what is bought is here, too');
isnt(sql('SELECT count(*) FROM qbsync.bill_line'), '0', 'CAP-8: with lines');
is(seen($sold), $before, 'and nothing else was read again');
is(sql('SELECT state FROM qbsync.status'), 'live', 'the company was live meanwhile');

# A change, a deletion, a bad record
my $bill = (sort keys %{ $simulator->objects('Bill') })[0];
$simulator->act('edit', entity => 'Vendor', id => $vendor->{Id}, set => { CompanyName => 'Direction' });
$simulator->act('delete', entity => 'Bill', id => $bill);
my $bad = $simulator->control('POST', 'raw', { entity => 'Vendor', json => '{"Id":"{{id}}","SyncToken":"0","DisplayName":"Odd","Active":true,"Balance":"paid in kind","MetaData":{"CreateTime":"{{now}}","LastUpdatedTime":"{{now}}"}}' });
$simulator->act('edit', entity => 'Customer', id => '1', set => { Notes => 'vu' });
wait_synced($node, sync => 1);
is_mirrored($node, $simulator, 'changes of it come with polls');
is(sql("SELECT deleted_at IS NOT NULL FROM qbsync.bill WHERE id = '$bill'"), 't', 'deletions, too');
my %heard = map { $_->{entity} => 1 } $listener->heard;
ok($heard{customer} && !grep({ $heard{$_} } @bought), 'X-26: listeners, who may be anybody, are told of nothing bought');

# --- who sees it ---------------------------------------------------------------------------------------------------------------------

sql('CREATE ROLE clerk LOGIN IN ROLE qbsync_operator, qbsync_admin; CREATE ROLE boss LOGIN IN ROLE qbsync_operator, qbsync_admin, qbsync_vendor_reader');
sub as { my ($role, $query) = @_; return ($node->psql('postgres', "SET ROLE $role; $query"))[$_[2] // 1] }
like(as('clerk', "SELECT count(*) FROM qbsync.$_", 2), qr/permission denied/, "CAP-17: $_ is not for everybody") foreach @tables;
like(as('boss', "SELECT count(*) FROM qbsync.$_"), qr/^\d+$/, "CAP-19: but for members of qbsync_vendor_reader") foreach @tables;
my %shared = (
	progress => 'entity', error_open => 'entity', version_status => 'entity', error => 'entity', cursor => 'entity', record_version => 'entity');
foreach my $relation (sort keys %shared)
{
	my $query = "SELECT count(*) FROM qbsync.$relation WHERE $shared{$relation} IN (SELECT entity FROM qbsync.catalogue WHERE bought)";
	is(as('clerk', $query), '0', "CAP-17: $relation shows nothing of it");
	isnt(as('boss', $query), '0', "CAP-19: but to members");
}
is(as('clerk', "SELECT count(*) FROM qbsync.cursor WHERE entity = 'customer'"), '1', 'what is sold is shown as ever');
sql('GRANT crm TO clerk; GRANT CREATE ON SCHEMA public TO clerk');
like(as('clerk', "SELECT qbsync_map_table('v', entity => 'vendor', columns => '{\"display_name\": \"name\"}', role => 'crm')", 2),
	qr/permission denied for "vendor"/, 'nor can he have it mapped');

# A refusal of QuickBooks' about it is logged without its words
my $rule = $simulator->fault('code', kind => 'query', path => 'FROM(%20|\\+)Vendor\\b', code => '6000', times => 1);
sql("INSERT INTO qbsync.lookup VALUES (1, 'vendor', '$vendor->{Id}'); SELECT qbsync.wake()");
await('the refusal', sub { $simulator->hits($rule) });
await('its row', sub { sql("SELECT count(*) FROM qbsync.http_log WHERE code = 6000") ne '0' });
is(sql("SELECT coalesce(detail, '') FROM qbsync.http_log WHERE code = 6000"), '', 'CAP-17: the log has the code of a refusal, and not its words');
sql('SELECT qbsync_sync_now()');
await('the look-up', sub { sql('SELECT count(*) FROM qbsync.lookup') eq '0' });

# --- time: neither in change data capture, nor are its deletions anywhere -------------------------------------------------------------

my $employee = $simulator->act('create', entity => 'Employee', object => { GivenName => 'Zoé', FamilyName => 'Roy' });
my @time = map { $simulator->act('create', entity => 'TimeActivity', object => { NameOf => 'Employee', EmployeeRef => { value => $employee->{Id} }, TxnDate => '2026-11-0' . $_, Hours => $_, Minutes => 0 }) } 1 .. 3;
wait_synced($node, sync => 1);
is(sql("SELECT sum(hours) FROM qbsync.time_activity WHERE employee_id = '$employee->{Id}'"), '6', 'time comes with the sync that was asked for');
$simulator->act('delete', entity => 'TimeActivity', id => $time[2]{Id});
sql("UPDATE qbsync.cursor SET finished_at = finished_at - interval '27 hours' WHERE entity = 'time_activity'");
wait_synced($node, sync => 1);
await('the comparison', sub { sql("SELECT sum(hours) FROM qbsync.time_activity WHERE deleted_at IS NULL AND employee_id = '$employee->{Id}'") eq '3' });
is_mirrored($node, $simulator, 'what was deleted of it is found by counting, once a day');

# Queried as often as it changes: a tenth of the time for which nothing was new, at least every six hours
sub due
{
	my ($checked, $changed) = @_;
	sql("UPDATE qbsync.cursor SET checked_at = now() - interval '$checked', changed_at = now() - interval '$changed', finished_at = now() WHERE entity = 'time_activity'; UPDATE qbsync.connection SET settings = settings || '{\"poll_interval\": \"1 s\"}'; SELECT qbsync.wake()");
	my $polls = $simulator->stats->{requests}{cdc};
	await('two polls', sub { $simulator->stats->{requests}{cdc} >= $polls + 2 });
	sql("UPDATE qbsync.connection SET settings = settings || '{\"poll_interval\": \"7 days\"}'; SELECT qbsync.wake()");
	return sql("SELECT checked_at > now() - interval '1 minute' FROM qbsync.cursor WHERE entity = 'time_activity'");
}
is(due('10 min', '2 hours'), 'f', 'after two quiet hours it is not queried every ten minutes');
is(due('12 min', '2 hours'), 't', 'but after a tenth of that');
is(due('5 hours', '10 days'), 'f', 'where nothing happens');
is(due('361 min', '10 days'), 't', 'four times a day');

# --- and back ----------------------------------------------------------------------------------------------------------------------------

like(($node->psql('postgres', "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT qbsync_set('acme', 'vendors', 'off')"))[2], qr/transaction of its own/, 'not in a transaction that would not see all of it');
is(sql("SELECT qbsync_map_table('v', entity => 'vendor', columns => '{\"display_name\": \"name\"}', role => 'crm')"), 'v', 'it can be mapped');
like(($node->psql('postgres', "SELECT qbsync_set('acme', 'vendors', 'off')"))[2], qr/what is bought is mapped.*qbsync_unmap\('v'/s, 'and is not taken away below a mapping');
sql("SELECT qbsync_unmap('v', confirm => true)");
$before = sql('SELECT count(*) FROM qbsync.customer');
sql("SELECT qbsync_set('acme', 'vendors', 'off')");
is(rows(), 0, 'X-26: off again, all of it is gone at once: records, lines, versions, cursors, errors');
is(sql('SELECT count(*) FROM qbsync.customer'), $before, 'what is sold stays');
wait_synced($node, sync => 1);
my $count = seen($asked);
$simulator->act('edit', entity => 'Vendor', id => $vendor->{Id}, set => { CompanyName => 'Personne' });
$simulator->act('edit', entity => 'Customer', id => '2', set => { Notes => 'vu' });
wait_synced($node, sync => 1);
is(seen($asked), $count, 'CAP-2: and it is not asked for any more');
is(rows(), 0, 'nothing of it comes back');
is_mirrored($node, $simulator, 'what is sold goes on');
sql("SELECT qbsync_set('acme', 'vendors', NULL)");
is(sql("SELECT count(*) FROM qbsync.setup_todo WHERE step = 'vendors'"), '1', 'taken back, it is to be decided again');

# Off while it is being loaded
sql("SELECT qbsync_set('acme', 'vendors', 'import')");
$rule = $simulator->fault('hang', kind => 'query', path => 'FROM(%20|\\+)Vendor\\b.*STARTPOSITION', times => 1);
await('a page on its way', sub { $simulator->hits($rule) || sql("SELECT count(*) FROM qbsync.vendor") ne '0' });
sql("SELECT qbsync_set('acme', 'vendors', 'off')");
$simulator->control('POST', 'release', {});
wait_synced($node, sync => 1);
is(rows(), 0, 'what is on its way when it is switched off is not stored');

$node->stop;
is_quiet($node, 'nothing unexpected in the server log', qr/ERROR:  (permission denied|vendors is not valid|entity "vendor" is not read|what is bought)/);
done_testing();
