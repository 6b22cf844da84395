# Custom fields by name: the slots of sales forms, and with the setting custom_fields the newer ones, of customers as well, which
# QuickBooks shows only to who asks for them and change data capture not at all (CEN-1, EXT-9, EXT-17).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use PostgreSQL::Test::Utils;
use QbsyncTest;
use Test::More;

my ($gate, $crew) = ('1000000000000000101', '1000000000000000102');
my $simulator = start_simulator(customers => 5, invoices => 5, seed => 59, options => [ '--no-limits', '--company', 'Lawns', '--sample', 'us' ]);
my $node = new_node('custom_fields');
install_qbsync($node, $simulator);

sub sql { my ($sql) = @_; utf8::encode($sql) if utf8::is_utf8($sql); return $node->safe_psql('postgres', $sql) }
sub act { return $simulator->control('POST', 'act', { acts => [ map { { %$_, realm => $simulator->{companies}[0]{realm_id} } } @_ ] })->{results} }
sub sync { wait_synced($node, sync => 1) }
sub reads { return $simulator->control('GET', 'stats')->{metered}{ $simulator->{realm} } }
sub fields { my ($entity, $id) = @_; return sql("SELECT coalesce(string_agg(format('%s=%s', name, value), ', ' ORDER BY definition_id), '') FROM qbsync.custom_field WHERE entity = '$entity' AND id = '$id' AND value IS NOT NULL") }
sub versions { my ($entity, $id) = @_; return sql("SELECT count(*) FROM qbsync.record_version WHERE entity = '$entity' AND id = '$id'") }

my ($anne) = map { $_->{Id} } @{ act({ act => 'create', entity => 'Customer', object => { DisplayName => 'Anne', CustomField => [ { DefinitionId => $gate, StringValue => '4711' } ] } }) };
my $item;
sub invoice
{
	my (@fields) = @_;
	return { act => 'create', entity => 'Invoice', object => { CustomerRef => { value => $anne }, CustomField => \@fields,
		Line => [ { Amount => 10, DetailType => 'SalesItemLineDetail', SalesItemLineDetail => { ItemRef => { value => '1' }, Qty => 1, UnitPrice => 10 } } ] } };
}
my ($form) = map { $_->{Id} } @{ act(invoice({ DefinitionId => '1', StringValue => 'PO-7' }, { DefinitionId => $crew, NumberValue => 4 })) };
connect_company($node, $simulator, poll_interval => '7 days');

# --- slots -------------------------------------------------------------------------------------------------------------------------

is(fields('invoice', $form), 'PO Number=PO-7', 'a slot, by its name');
is(fields('customer', $anne), '', 'the newer ones are not asked for');

# --- all of them -------------------------------------------------------------------------------------------------------------------

# The company is read once more; until then the poll waits.
sub set
{
	my ($value) = @_;
	sql("SELECT qbsync_set('acme', 'custom_fields', $value)");
	await('the company to be read again', sub { sql("SELECT count(*) FROM qbsync.cursor WHERE phase NOT IN ('loaded', 'absent') AND entity <> '*'") eq '0' });
	sync();
}
set("'all'");
is(fields('customer', $anne), 'Gate code=4711', "a customer's field, by its name");
is(fields('invoice', $form), 'PO Number=PO-7, Crew size=4', 'slots and newer ones side by side');
is(sql("SELECT custom_fields -> 0 ->> 'StringValue' FROM qbsync.customer WHERE id = '$anne'"), '4711', 'in the mirror, too');

my $before = reads();
sync();
is(reads() - $before, 1, 'EXT-17: a poll that finds nothing new costs one read, though change data capture repeats itself');
my $versions = versions('customer', $anne);
act({ act => 'edit', entity => 'Customer', id => $anne, set => { CustomField => [ { DefinitionId => $gate, StringValue => '0815' } ] } });
$before = reads();
sync();
is(fields('customer', $anne), 'Gate code=0815', 'a change of such a field arrives with the poll');
is(reads() - $before, 2, 'EXT-17: for one more read');
is(versions('customer', $anne) - $versions, 1, 'and makes one version');
like(sql("SELECT text FROM qbsync.record_change WHERE entity = 'customer' AND id = '$anne' ORDER BY at DESC LIMIT 1"), qr/^Custom fields: .*4711.*0815/s, 'in words');
act({ act => 'edit', entity => 'Customer', id => $anne, set => { Notes => 'rings twice' } }, { act => 'edit', entity => 'Invoice', id => $form, set => { PrivateNote => 'soon' } });
sync();
is(fields('customer', $anne) . ' ' . fields('invoice', $form), 'Gate code=0815 PO Number=PO-7, Crew size=4', 'what changed otherwise keeps its fields');
is(sql("SELECT notes FROM qbsync.customer WHERE id = '$anne'"), 'rings twice', 'and changes');
my ($new) = map { $_->{Id} } @{ act(invoice({ DefinitionId => $crew, NumberValue => 2 })) };
act({ act => 'delete', entity => 'Invoice', id => $form });
sync();
is(fields('invoice', $new), 'Crew size=2', 'a new one');
is(sql("SELECT deleted_at IS NOT NULL FROM qbsync.invoice WHERE id = '$form'"), 't', 'EXT-9: a deletion');
sql("SELECT qbsync_reconcile('acme', \"full\" => true)");
await('the reconciliation', sub { sql("SELECT state FROM qbsync.job WHERE kind = 'reconcile' ORDER BY job_id DESC LIMIT 1") eq 'done' });
is(sql("SELECT count(*) FROM qbsync.drift_found"), '0', 'reading everything finds nothing otherwise');

# --- what is sent ------------------------------------------------------------------------------------------------------------------

sql(<<'SQL');
CREATE ROLE crm_app; CREATE SCHEMA crm AUTHORIZATION crm_app;
SET ROLE crm_app;
CREATE TABLE crm.contact (id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY, name text, phone text);
RESET ROLE;
SELECT qbsync_map_table('crm.contact', 'customer', columns => '{"display_name": "name", "primary_phone": "phone"}', name => 'contact', role => 'crm_app');
SELECT qbsync_set(mapping => 'contact', setting => 'pull_new_first', value => 'all');
SELECT qbsync_enable('contact');
SQL
await('the CRM', sub { sql("SELECT count(*) FROM crm.contact WHERE name = 'Anne'") eq '1' });
$versions = versions('customer', $anne);
sql("UPDATE crm.contact SET phone = '555 ' || id");
await('the change to be sent', sub { sql("SELECT count(*) FROM qbsync.customer WHERE primary_phone LIKE '555 %'") eq sql('SELECT count(*) FROM crm.contact') });
sync();
is(fields('customer', $anne), 'Gate code=0815', 'a customer that was sent keeps its fields');
is(versions('customer', $anne) - $versions, 1, 'and was never without them');

# --- back --------------------------------------------------------------------------------------------------------------------------

set('NULL');
is(fields('customer', $anne), '', 'not asked for any more, they are gone');

$simulator->stop;
$node->stop;
is_quiet($node, 'nothing unexpected in the server log');
done_testing();
