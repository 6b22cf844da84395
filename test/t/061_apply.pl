# QuickBooks → CRM: records are linked, created, updated; conflicts, bad rows, what CRM triggers do, events of documents, undoing.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use PostgreSQL::Test::Utils;
use QbsyncListener;
use QbsyncTest;
use Test::More;

my $simulator = start_simulator(customers => 8, invoices => 6, seed => 61);
my $node = new_node('apply');
$node->safe_psql('postgres', 'CREATE DATABASE crm');
install_qbsync($node, $simulator, database => 'crm', hold => 1);
connect_company($node, $simulator, database => 'crm', poll_interval => '7 days');

sub crm { return $node->safe_psql('crm', $_[0]) }
sub act { return $simulator->control('POST', 'act', { @_ }) }

# QuickBooks' changes are in the mirror, and whatever they mean is in the CRM, or waits there: not for a busy machine only.
sub applied
{
	wait_synced($node, database => 'crm', sync => 1);
	await('the CRM', sub { crm(<<'SQL') eq 't' });
SELECT NOT EXISTS (SELECT FROM qbsync.arrival a JOIN qbsync.mapping m USING (mapping_id) WHERE m.state = 'enabled')
	AND NOT EXISTS (SELECT FROM qbsync.mapping WHERE sweep_after IS NOT NULL)
	AND NOT EXISTS (SELECT FROM qbsync.crm_error WHERE problem = 'crm_slow')
SQL
}
sub look_again
{
	my ($mapping, @ids) = @_;
	crm("INSERT INTO qbsync.arrival (mapping_id, id) SELECT mapping_id, i FROM qbsync.mapping, unnest('{" . join(',', @ids)
		. "}'::text[]) i WHERE name = '$mapping'; SELECT qbsync.wake()");
	await('the record', sub { crm('SELECT count(*) FROM qbsync.arrival') eq '0' });
}
sub customer
{
	my (%object) = @_;
	return act(act => 'create', entity => 'Customer', object => \%object)->{Id};
}
sub edit
{
	my ($id, %set) = @_;
	act(act => 'edit', entity => 'Customer', id => "$id", set => \%set);
}
sub link_of { my ($id, $mapping) = @_; return crm("SELECT l.crm_key FROM qbsync.link l JOIN qbsync.mapping m USING (mapping_id) WHERE l.id = '$id' AND m.name = '" . ($mapping // 'contacts') . "'") }
sub contact { my ($id, $columns) = @_; return crm("SELECT $columns FROM flat.contacts WHERE id = '" . link_of($id) . "'") }
sub errors { return crm("SELECT coalesce(string_agg(concat_ws('|', id, problem, column_name, sqlstate), ' ' ORDER BY id, crm_key), '') FROM qbsync.crm_error") }

# --- the first sync ---------------------------------------------------------------------------------------------------------

my $full = customer(DisplayName => 'Full Match', PrimaryEmailAddr => { Address => 'full@example.com' }, PrimaryPhone => { FreeFormNumber => '555-1' });
my $name_only = customer(DisplayName => 'Name Only', PrimaryEmailAddr => { Address => 'other@example.com' });
my $none = customer(DisplayName => 'No Match', CompanyName => 'No Match inc.', GivenName => 'Noah',
	BillAddr => { Line1 => '1 Main Street', City => 'Laval', PostalCode => 'H7A 1A1' });
wait_synced($node, database => 'crm', sync => 1);

crm('CREATE ROLE crm_app');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-v', 'role=crm_app', '-f', "$FindBin::Bin/../crm/flat.sql", $node->connstr('crm') ], 'a CRM');
crm(<<'SQL');
DELETE FROM flat.contacts;
INSERT INTO flat.contacts (id, name, email, notes, lead_score) VALUES
	(501, 'Full Match', 'full@example.com', 'kept', 7), (502, 'Name Only', 'mine@example.com', NULL, 0), (503, 'Only in the CRM', NULL, NULL, 0);
SET ROLE crm_app;
RESET ROLE;
SELECT qbsync_map_table('flat.contacts', role => 'crm_app', columns => '{"display_name": "name", "company_name": "company",
	"given_name": "first_name", "family_name": "last_name", "emails": "email", "primary_phone": "phone",
	"bill_line1": "address", "bill_city": "city", "bill_postal_code": "postal_code"}', policies => '{"pull_new_first": "all"}');
SQL
is(crm("SELECT count(*) FROM qbsync.link"), '0', 'nothing moves before the mapping is enabled');
crm("SELECT qbsync_enable('contacts')");
applied();

is(link_of($full) . '|' . crm("SELECT origin FROM qbsync.link WHERE id = '$full'"), '501|name_and_email', 'CAP-20, KAR-17: name and e-mail: linked by itself');
is(contact($full, 'phone, notes, lead_score'), '555-1|kept|7', 'what the CRM lacks arrives, what is not mapped stays');
is(crm("SELECT crm_key, reasons FROM qbsync.match_candidate WHERE id = '$name_only'"), '502|{"same name"}', 'CAP-22, KAR-19, X-7: name alone: a person decides');
is(link_of($name_only), '', 'and it is not linked');
is(contact($none, 'name, company, first_name, address, city, postal_code'), 'No Match|No Match inc.|Noah|1 Main Street|Laval|H7A 1A1',
	'CAP-16, CAP-21, KAR-18, X-5: no match: created in the CRM');
is(crm("SELECT origin FROM qbsync.link WHERE id = '$none'"), 'created_in_crm', 'and linked');
is(crm("SELECT count(*) FROM qbsync.customer c LEFT JOIN qbsync.link l USING (connection_id, id) WHERE c.active AND l.id IS NULL"), '1', 'every other active customer, too');
is(crm("SELECT first_sync_done_at IS NOT NULL, sweep_after IS NULL FROM qbsync.mapping"), 't|t', 'the first sync is over');
is(crm("SELECT count(*) FROM qbsync.history WHERE crm_key <> '501'"), '0', 'creating leaves no history');
is(errors(), '', 'and no errors');

# --- changes ----------------------------------------------------------------------------------------------------------------

my $listener = QbsyncListener->new($node, 'crm');
edit($none, DisplayName => 'Renamed', PrimaryEmailAddr => { Address => 'new@example.com' }, PrimaryPhone => { FreeFormNumber => '555-2' },
	BillAddr => { Line1 => '2 Side Street', City => 'Montreal', PostalCode => 'H1A 1A1' });
applied();
is(contact($none, 'name, email, phone, address, city, postal_code'), 'Renamed|new@example.com|555-2|2 Side Street|Montreal|H1A 1A1',
	'KAR-25 to 29: name, e-mail, phone and address follow');
is(contact($none, 'company'), 'No Match inc.', 'X-1: what did not change is not written');
my $key = link_of($none);
is(crm("SELECT operation, before ->> 'display_name', written ->> 'display_name' FROM qbsync.history WHERE crm_key = '$key'"), 'update|No Match|Renamed',
	'history has the record as it was');
is(crm("SELECT kind, detail FROM qbsync.activity WHERE crm_key = '$key'"),
	'updated|{"columns": ["bill_city", "bill_line1", "bill_postal_code", "display_name", "emails", "primary_phone"]}', 'and the timeline what happened');
is(crm("SELECT count(*) FROM qbsync.link WHERE id = '$none'"), '1', 'CAP-56: links are by id, not by name');
is(join(' ', map { "$_->{connection} $_->{mapping} $_->{count}" } grep { ($_->{kind} // '') eq 'crm' } map { $_->{entity} //= ''; $_ } $listener->heard), 'acme contacts 1', 'listeners are told, once');

my $history = crm('SELECT count(*) FROM qbsync.history');
look_again('contacts', $none, $full, $none);
is(crm('SELECT count(*) FROM qbsync.history'), $history, 'EXT-31: looking again writes nothing');

# Both sides, different columns
crm("UPDATE flat.contacts SET name = 'Ours', company = NULL WHERE id = $key");
edit($none, PrimaryPhone => { FreeFormNumber => '555-3' });
applied();
is(contact($none, 'name, company, phone'), 'Ours||555-3', 'X-1: edits of different columns both stay');
is(crm("SELECT base ->> 'display_name' FROM qbsync.link WHERE id = '$none'"), 'Renamed', "and the CRM's wait for QuickBooks");

# Both sides, the same column
edit($none, DisplayName => 'Theirs');
applied();
is(contact($none, 'name'), 'Ours', 'a conflict: the CRM keeps its value');
is(crm("SELECT unit, kind, base ->> 'display_name', ours ->> 'display_name', theirs ->> 'display_name' FROM qbsync.conflict WHERE id = '$none'"),
	'display_name|changed_both|Renamed|Ours|Theirs', 'and a person sees both, and what they last agreed on');
my $conflict = crm("SELECT conflict_id FROM qbsync.conflict WHERE id = '$none'");
edit($none, DisplayName => 'Theirs again', GivenName => 'Nolan');
applied();
is(crm("SELECT conflict_id = $conflict, theirs ->> 'display_name' FROM qbsync.conflict WHERE id = '$none'"), 't|Theirs again', 'it follows the values');
is(contact($none, 'first_name'), 'Nolan', 'other columns go on');
is(crm("SELECT count(*) FROM qbsync.activity WHERE kind = 'conflict' AND id = '$none'"), '1', 'said once');
crm("UPDATE flat.contacts SET name = 'Theirs again' WHERE id = $key");
look_again('contacts', $none);
is(crm("SELECT count(*) FROM qbsync.conflict"), '0', 'both sides agree: it leaves by itself');

# --- undoing ----------------------------------------------------------------------------------------------------------------

edit($none, DisplayName => 'Of QuickBooks');
crm("UPDATE flat.contacts SET name = 'Of the CRM' WHERE id = $key");
applied();
my $decision = crm("SELECT decision_id FROM qbsync_resolve_conflict((SELECT conflict_id FROM qbsync.conflict), 'quickbooks')");
applied();
is(contact($none, 'name'), 'Of QuickBooks', 'a conflict resolved for QuickBooks: its value arrives');
is(crm('SELECT count(*) FROM qbsync.conflict'), '0', 'and it is over');
crm("SELECT qbsync_undo($decision)");
applied();
is(contact($none, 'name'), 'Of the CRM', 'undone: the CRM has its value again');
is(crm('SELECT count(*) FROM qbsync.conflict'), '1', 'and the question is open again');
is(crm("SELECT detail ? 'columns' FROM qbsync.activity WHERE kind = 'undone' ORDER BY activity_id DESC LIMIT 1"), 't', 'the timeline has it');
crm("SELECT qbsync_resolve_conflict((SELECT conflict_id FROM qbsync.conflict), 'quickbooks')");
applied();

$decision = crm("SELECT decision_id FROM qbsync_resolve_match('$name_only', 'create')");
applied();
is(contact($name_only, 'email'), 'other@example.com', 'a person wants it created: it is');
isnt(link_of($name_only), '502', 'as another record');
is(crm('SELECT count(*) FROM qbsync.match_candidate'), '0', 'and the question is answered');
my $made = link_of($name_only);
crm("SELECT qbsync_undo($decision)");
applied();
is(crm("SELECT count(*) FROM flat.contacts WHERE id = $made"), '0', 'undone: the record made for it goes');
is(crm("SELECT count(*) FROM qbsync.history WHERE crm_key = '$made' AND operation = 'delete'"), '1', 'and is in the history');
is(crm("SELECT crm_key FROM qbsync.match_candidate WHERE id = '$name_only'"), '502', 'the question is open again');

# --- rows the CRM does not take ---------------------------------------------------------------------------------------------

crm('SET ROLE crm_app; ALTER TABLE flat.contacts ADD CONSTRAINT no_bad CHECK (name NOT LIKE \'Bad%\')');
my @good = map { customer(DisplayName => "Good $_") } 1 .. 12;
my $bad = customer(DisplayName => 'Bad Company');
push @good, map { customer(DisplayName => "Good $_") } 13 .. 20;
edit($full, DisplayName => 'Bad Match');
applied();
is(crm("SELECT count(*) FROM flat.contacts WHERE name LIKE 'Good %'"), '20', 'promise 9: one bad record never stops the rest');
is(errors(), join(' ', map { "$_|crm_refused|23514" } sort ($full, $bad)), 'those the CRM refuses wait');
is(crm("SELECT string_agg(detail, ' ') FROM qbsync.error_open WHERE detail LIKE '%Failing row%'"), '', 'what people read does not quote whole rows of the CRM');
like(crm("SELECT detail FROM qbsync.crm_error WHERE id = '$bad'"), qr/no_bad/, 'with the cause');
is(contact($full, 'name'), 'Full Match', 'the CRM is as it was');
crm('SET ROLE crm_app; ALTER TABLE flat.contacts DROP CONSTRAINT no_bad');
crm("SELECT qbsync_retry_all('contacts')");
await('the records', sub { errors() eq '' });
is(contact($full, 'name') . contact($bad, 'name'), 'Bad MatchBad Company', 'gone by itself when the cause is gone');

# --- triggers ---------------------------------------------------------------------------------------------------------------

crm(<<'SQL');
SET ROLE crm_app;
CREATE FUNCTION flat.act() RETURNS trigger LANGUAGE plpgsql AS $fn$
BEGIN
	IF NEW.name = 'Swallowed' THEN RETURN NULL; END IF;
	IF NEW.name LIKE 'Raises%' THEN RAISE EXCEPTION 'not %', NEW.name USING ERRCODE = 'P0001', COLUMN = 'name'; END IF;
	NEW.city := upper(NEW.city);
	RETURN NEW;
END
$fn$;
CREATE TRIGGER act BEFORE INSERT OR UPDATE ON flat.contacts FOR EACH ROW EXECUTE FUNCTION flat.act();
SQL
my $swallowed = customer(DisplayName => 'Swallowed');
my $raises = customer(DisplayName => 'Raises always');
my $shouting = customer(DisplayName => 'Shouting', BillAddr => { Line1 => '3 Elm', City => 'Ottawa' });
applied();
is(errors(), join(' ', map { $_->[1] } sort { $a->[0] cmp $b->[0] } [ $swallowed, "$swallowed|crm_returned_nothing|QB002" ], [ $raises, "$raises|crm_refused|name|P0001" ]),
	'a trigger that swallows, and one that raises: those two wait');
is(contact($shouting, 'city'), 'OTTAWA', 'a trigger that rewrites may');
is(crm("SELECT base ->> 'bill_city', crm_base ->> 'bill_city' FROM qbsync.link WHERE id = '$shouting'"), 'Ottawa|OTTAWA', 'and it is no edit of the CRM');
edit($shouting, BillAddr => { Line1 => '4 Elm', City => 'Ottawa' });
applied();
is(contact($shouting, 'address, city') . crm('SELECT count(*) FROM qbsync.conflict'), '4 Elm|OTTAWA0', 'nor a conflict when QuickBooks moves');
edit($swallowed, DisplayName => 'Swallowed no more');
edit($raises, DisplayName => 'Quiet');
applied();
is(errors(), '', 'mended in QuickBooks: tried again at once');
is(contact($swallowed, 'name') . contact($raises, 'name'), 'Swallowed no moreQuiet', 'and there');

# --- missing and deleted records ----------------------------------------------------------------------------------------------

crm("DELETE FROM flat.contacts WHERE id = " . link_of($good[0]));
edit($good[0], DisplayName => 'Edited');
applied();
is(crm("SELECT state FROM qbsync.link WHERE id = '$good[0]'"), 'crm_missing', 'CAP-57, X-13: deleted in the CRM');
is(crm("SELECT count(*) FROM flat.contacts WHERE name = 'Edited'"), '0', 'it does not come back');
look_again('contacts', $good[0]);
is(crm("SELECT count(*) FROM qbsync.activity WHERE kind = 'missing' AND id = '$good[0]'"), '1', 'said once');
is(errors(), '', 'and no error');
crm("INSERT INTO flat.contacts (id, name) OVERRIDING SYSTEM VALUE VALUES (" . link_of($good[0]) . ", 'Good 1')");
look_again('contacts', $good[0]);
is(contact($good[0], 'name') . crm("SELECT state FROM qbsync.link WHERE id = '$good[0]'"), 'Editedlinked', 'brought back in the CRM: it is linked as before');

act(act => 'inactivate', entity => 'Customer', id => "$good[1]");
applied();
is(contact($good[1], 'name'), 'Good 2', 'X-14: inactive in QuickBooks: the CRM record stays as it is');
is(errors(), '', 'and no error');

# --- documents --------------------------------------------------------------------------------------------------------------

$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-v', 'role=crm_app', '-f', "$FindBin::Bin/../crm/documents.sql", $node->connstr('crm') ], 'documents');
crm(<<'SQL');
SET ROLE crm_app;
TRUNCATE documents.client CASCADE;
CREATE VIEW documents.client_qb WITH (security_invoker = true) AS SELECT id, name AS display_name, email AS emails FROM documents.client;
CREATE VIEW documents.product_qb WITH (security_invoker = true) AS SELECT id, name, sku, description, unit_price FROM documents.product;
CREATE VIEW documents.invoice_qb WITH (security_invoker = true) AS SELECT id, client_id AS customer_key, number AS doc_number, invoice_date AS txn_date, due_date, total AS total_amt,
	balance, status FROM documents.invoice;
CREATE VIEW documents.invoice_line_qb WITH (security_invoker = true) AS SELECT invoice_id AS invoice_key, position, product_id AS item_key, description, quantity AS qty, unit_price, amount FROM documents.invoice_line;
CREATE VIEW documents.payment_qb WITH (security_invoker = true) AS SELECT id, client_id AS customer_key, paid_on AS txn_date, amount AS total_amt, reference AS payment_ref_num FROM documents.payment;
CREATE VIEW documents.payment_line_qb WITH (security_invoker = true) AS SELECT payment_id AS payment_key, invoice_id AS invoice_key, amount FROM documents.payment_application;
SQL
my $customer = customer(DisplayName => 'Buyer');
my $item = act(act => 'create', entity => 'Item', object => { Name => 'Mowing', Type => 'Service', IncomeAccountRef => { value => '79' }, ExpenseAccountRef => { value => '80' } })->{Id};
sub line { my ($amount) = @_; return { Amount => $amount, Description => "for $amount", DetailType => 'SalesItemLineDetail', SalesItemLineDetail => { ItemRef => { value => "$item" }, Qty => 1, UnitPrice => $amount } } }
my $invoice = act(act => 'create', entity => 'Invoice', object => { CustomerRef => { value => "$customer" }, Line => [ line(100), line(20) ] })->{Id};
wait_synced($node, database => 'crm', sync => 1);
crm(<<'SQL');
SELECT qbsync_map('documents.invoice_qb', entity => 'invoice', name => 'invoices', role => 'crm_app', key => '{id}', lines => 'documents.invoice_line_qb',
	extra => '{status}', policies => '{"invoice_direction": "two_way"}');
SELECT qbsync_map_event('paid', 'status', 'paid', from_values => '{sent,partially_paid,overdue}', mapping => 'invoices');
SELECT qbsync_map_event('partially_paid', 'status', 'partially_paid', mapping => 'invoices');
SELECT qbsync_map_event('voided', 'status', 'void', mapping => 'invoices');
SELECT qbsync_map_event('invoice_updated', 'status', 'sent', from_values => '{draft}', mapping => 'invoices');
SELECT qbsync_enable('invoices');
SQL
applied();
is(crm("SELECT count(*) FROM documents.invoice"), '0', 'an invoice waits for its customer');
like(errors(), qr/$invoice\|reference_waiting/, 'and says so');
crm(<<'SQL');
SELECT qbsync_unmap('contacts', confirm => true);
SELECT qbsync_map('documents.client_qb', entity => 'customer', name => 'clients', role => 'crm_app', key => '{id}', policies => '{"pull_new_first": "all"}');
SELECT qbsync_enable('clients');
SELECT qbsync_map('documents.product_qb', entity => 'item', name => 'products', role => 'crm_app', key => '{id}', policies => '{"pull_new_first": "all"}');
SELECT qbsync_enable('products');
SQL
applied();
await('the invoice', sub { errors() !~ /$invoice\|/ });
my $document = link_of($invoice, 'invoices');
sub status { return crm("SELECT status FROM documents.invoice WHERE id = $document") }
sub invoice_act { my ($what, %more) = @_; act(act => $what, entity => 'Invoice', id => "$invoice", %more); applied() }
is(crm("SELECT c.name, i.total, i.balance FROM documents.invoice i JOIN documents.client c ON c.id = i.client_id WHERE i.id = $document"), 'Buyer|120.00|120.00',
	'X-11: it arrives as soon as they are linked');
is(crm("SELECT string_agg(concat_ws('/', position, description, amount), ' ' ORDER BY position) FROM documents.invoice_line WHERE invoice_id = $document AND description IS NOT NULL"), '1/for 100/100.00 2/for 20/20.00', 'with its lines');

invoice_act('edit', set => { Line => [ line(100), line(30), line(5) ] });
is(crm("SELECT total, (SELECT string_agg(amount::text, ' ' ORDER BY position) FROM documents.invoice_line WHERE invoice_id = $document AND description IS NOT NULL) FROM documents.invoice WHERE id = $document"),
	'135.00|100.00 30.00 5.00', 'lines follow as a whole');
is(status(), 'sent', 'ORD-18 to 20: an event moves the status');
is(crm("SELECT detail FROM qbsync.activity WHERE kind = 'event' AND crm_key = '$document'"), '{"to": "sent", "event": "invoice_updated", "column": "status"}', 'the timeline says so');

invoice_act('pay', amount => 35);
is(status(), 'partially_paid', 'a part is paid');
crm("UPDATE documents.invoice SET status = 'overdue' WHERE id = $document; ALTER TABLE documents.invoice DISABLE TRIGGER check_move; UPDATE documents.invoice SET status = 'draft' WHERE id = $document; ALTER TABLE documents.invoice ENABLE TRIGGER check_move");
invoice_act('pay');
is(status(), 'draft', 'ORD-21: a move that is not allowed is not made');
like(errors(), qr/$invoice\|transition_not_allowed\|status/, 'it waits');
is(crm("SELECT balance FROM documents.invoice WHERE id = $document"), '0.00', 'the rest of the invoice goes on');
is(crm("SELECT events FROM qbsync.link WHERE entity = 'invoice' AND id = '$invoice'"), '{paid}', 'and the event is not lost');
crm("UPDATE documents.invoice SET status = 'sent' WHERE id = $document; SELECT qbsync_retry_all('invoices')");
await('the event', sub { status() eq 'paid' });
pass('KAR-60: applied as soon as it may');
await('the error', sub { errors() !~ /$invoice\|/ });
pass('and nothing waits any more');

# A trigger of the CRM refuses a move that the rules allow
invoice_act('void');
await('the refusal', sub { errors() =~ /$invoice\|transition_not_allowed\|status\|23514/ });
is(status(), 'paid', 'a move that the CRM refuses is not made, and waits');
like(crm("SELECT detail FROM qbsync.crm_error WHERE id = '$invoice'"), qr/cannot go from paid to void/, 'with what the CRM says');
is(crm("SELECT total FROM documents.invoice WHERE id = $document"), '0.00', 'the rest of the invoice goes on');
crm("INSERT INTO documents.status_move VALUES ('paid', 'void'); SELECT qbsync_retry_all('invoices')");
await('the event', sub { status() eq 'void' });
pass('made as soon as the CRM allows it');

is_quiet($node, 'nothing unexpected in the server log', qr/./);
done_testing();
