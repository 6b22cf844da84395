# Invoices with lines and payments with applications arrive in tables of the CRM, what happens to them in QuickBooks moves the
# CRM's own statuses, and nothing arrives before what it refers to.
use strict;
use warnings;

use FindBin;
use JSON::PP ();
use lib "$FindBin::Bin/../perl";

use PostgreSQL::Test::Utils;
use QbsyncCrm;
use QbsyncTest;
use Test::More;

my $crm = QbsyncCrm->new('documents', hold => 1, customers => 0, invoices => 0, seed => 69, conf => "max_worker_processes = 16\n");
my $node = $crm->{node};
my $simulator = $crm->{simulator};

sub sql { return $crm->sql($_[0]) }
sub settle { $crm->sync; $crm->applied }
sub qb { return $crm->qb(@_) }
sub errors { return sql("SELECT coalesce(string_agg(concat_ws('|', mapping, id, problem, column_name), ' ' ORDER BY mapping, id::int), '') FROM qbsync.error_open") }
sub released { my ($what) = @_; await($what, sub { $crm->applied; errors() eq '' }) }
sub key_of { my ($id, $mapping) = @_; return sql("SELECT crm_key FROM qbsync.matched WHERE id = '$id' AND mapping = '$mapping'") }

# The documents of this test are of 2030, so that the company's own stay out until they are asked for.
my $item = qb(act => 'create', entity => 'Item', object => { Name => 'Mowing', Type => 'Service', UnitPrice => 45.05, IncomeAccountRef => { value => '79' }, ExpenseAccountRef => { value => '80' } })->{Id};
my $buyer = $crm->customer(DisplayName => 'Buyer', PrimaryEmailAddr => { Address => 'buyer@example.com' });
sub line { my ($amount, $text) = @_; return { Amount => $amount + 0, Description => $text // "for $amount", DetailType => 'SalesItemLineDetail', SalesItemLineDetail => { ItemRef => { value => "$item" }, Qty => 1, UnitPrice => $amount + 0 } } }
sub invoice
{
	my ($lines, %more) = @_;
	return qb(act => 'create', entity => 'Invoice', object => { CustomerRef => { value => "$buyer" }, TxnDate => '2030-02-01', DueDate => '2030-03-01', Line => $lines, %more })->{Id};
}
sub pay { my ($id, $amount, %more) = @_; return qb(act => 'pay', id => "$id", amount => $amount + 0, TxnDate => '2030-02-10', %more)->{Id} }
sub payment
{
	my ($total, $applied, %more) = @_;
	return qb(act => 'create', entity => 'Payment', object => { CustomerRef => { value => "$buyer" }, TotalAmt => $total + 0, TxnDate => '2030-02-10', %more,
		Line => [ map { { Amount => $_->[1] + 0, LinkedTxn => [ { TxnId => "$_->[0]", TxnType => 'Invoice' } ] } } @$applied ] })->{Id};
}

# --- the CRM ----------------------------------------------------------------------------------------------------------------------

$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-v', 'role=crm_app', '-f', "$FindBin::Bin/../crm/documents.sql", $node->connstr('crm') ], 'a CRM with documents');
$crm->app("ALTER TABLE documents.invoice ADD workflow text NOT NULL DEFAULT 'new'");
sub suggested
{
	my ($table, $entity, $edit) = @_;
	my $script = sql("SELECT qbsync_map_suggest('documents.$table', '$entity')");
	$script = $edit->($script) if $edit;
	sql($script);
}
suggested('invoice', 'invoice', sub { return $_[0] =~ s/\tr\.status,\n/\tr.status,\n\tr.workflow,\n/r =~ s/ARRAY\['status'\]/ARRAY['status', 'workflow'], defaults => '{"status": "sent"}'/r });
suggested('payment', 'payment');
sql(<<'SQL');
SELECT qbsync_set(mapping => m, setting => 'start_date', value => '2030-01-01') FROM unnest('{invoice,payment}'::text[]) m;
SELECT qbsync_map_event('invoice_updated', 'workflow', 'modified', mapping => 'invoice', priority => 50),
	qbsync_map_event('payment_created', 'workflow', 'payment received', mapping => 'invoice', priority => 60),
	qbsync_map_event('emailed', 'workflow', 'e-mailed', mapping => 'invoice'),
	qbsync_map_event('voided', 'workflow', 'voided', mapping => 'invoice'),
	qbsync_map_event('deleted', 'workflow', 'deleted', mapping => 'invoice'),
	qbsync_map_event('partially_paid', 'status', 'partially_paid', from_values => '{sent,overdue}', mapping => 'invoice'),
	qbsync_map_event('paid', 'status', 'paid', from_values => '{sent,partially_paid,overdue}', mapping => 'invoice'),
	qbsync_map_event('overdue', 'status', 'overdue', from_values => '{sent,partially_paid}', mapping => 'invoice'),
	qbsync_map_event('voided', 'status', 'void', from_values => '{draft,sent,overdue}', mapping => 'invoice');
SQL

# --- nothing before what it refers to -----------------------------------------------------------------------------------------------

my $first = invoice([ line('100.10'), line('0.20') ], DocNumber => 'Q-1', PrivateNote => 'memo');
my $first_payment = pay($first, '40.05', PaymentRefNum => 'CHK-7');
my $old = invoice([ line('10') ], TxnDate => '2029-12-31');
my $others = sql('SELECT count(*) FROM documents.invoice');
$crm->sync;
sql("SELECT qbsync_enable('invoice'), qbsync_enable('payment')");
$crm->applied;
is(errors(), "invoice|$first|reference_waiting payment|$first_payment|reference_waiting", 'KAR-41: an invoice waits for its customer, a payment for its invoice');
is(sql("SELECT array(SELECT unnest(waits_for) ORDER BY 1) FROM qbsync.error_open WHERE id = '$first'"), "{customer:$buyer,item:$item}", 'KAR-41, KAR-67: and says what for');
suggested('client', 'customer');
suggested('product', 'item');
sql("SELECT qbsync_set(mapping => m, setting => 'pull_new_first', value => 'all'), qbsync_enable(m) FROM unnest('{client,product}'::text[]) m");
released('the documents');
my $key = key_of($first, 'invoice');
sub header { my ($id, $columns) = @_; return sql("SELECT $columns FROM documents.invoice WHERE id = '" . key_of($id, 'invoice') . "'") }
sub lines { my ($id) = @_; return sql("SELECT coalesce(string_agg(concat_ws('/', description, quantity, unit_price, amount), ' ' ORDER BY position), '') FROM documents.invoice_line WHERE invoice_id = '" . key_of($id, 'invoice') . "' AND product_id IS NOT NULL") }
sub status { return header($_[0], 'status') }
sub paid_by { my ($id) = @_; return sql("SELECT coalesce(string_agg(concat_ws(' ', number, a.amount), ', ' ORDER BY number), '') FROM documents.payment_application a JOIN documents.invoice i ON i.id = a.invoice_id WHERE payment_id = '" . key_of($id, 'payment') . "'") }
is(header($first, "number, invoice_date, due_date, currency, total, balance, memo, status, (SELECT name FROM documents.client WHERE id = client_id)"), 'Q-1|2030-02-01|2030-03-01|CAD|100.30|60.25|memo|sent|Buyer',
	'KAR-3, KAR-41: as soon as they are linked it goes by itself, exact to the cent');
is(lines($first), 'for 100.10/1/100.1/100.10 for 0.20/1/0.2/0.20', 'with its lines');
is(sql("SELECT p.name, p.unit_price FROM documents.invoice_line l JOIN documents.product p ON p.id = l.product_id WHERE l.invoice_id = $key LIMIT 1"), 'Mowing|45.05', 'and its product');
is(sql("SELECT paid_on, amount, reference FROM documents.payment WHERE id = '" . key_of($first_payment, 'payment') . "'"), '2030-02-10|40.05|CHK-7', 'KAR-57, KAR-4: the payment, too');
is(paid_by($first_payment), 'Q-1 40.05', 'KAR-58: with what it pays');
is(header($first, 'workflow'), 'new', 'ORD-18: what was so when it was linked is no event');
is(sql('SELECT count(*) FROM documents.invoice') - $others, 1, 'X-16, KAR-48, KAR-54: what is before the start date stays out');
like(sql("SELECT reason FROM qbsync_plan('invoice') WHERE id = '$old' AND count IS NULL"), qr/before the start date/, 'X-16: and the plan says why');

# --- edits, lines as a unit ---------------------------------------------------------------------------------------------------------

qb(act => 'edit', entity => 'Invoice', id => "$first", set => { Line => [ line('100.10'), line('0.30'), line('7.77') ], DueDate => '2030-04-01' });
settle();
is(lines($first), 'for 100.10/1/100.1/100.10 for 0.30/1/0.3/0.30 for 7.77/1/7.77/7.77', 'X-20: lines are replaced as a whole');
is(header($first, 'total, balance, due_date, workflow'), '108.17|68.12|2030-04-01|modified', 'ORD-18, ORD-19, ORD-20: an edit in QuickBooks moves the status that was chosen for it');
is(sql("SELECT text FROM qbsync.timeline WHERE crm_table = 'documents.invoice' AND crm_key = '$key' AND kind = 'event'"), "QuickBooks invoice $first: invoice updated; workflow is now modified.", 'ORD-20, KAR-61: and the timeline says so');
my $writes = sql('SELECT count(*) FROM qbsync.history');
qb(act => 'touch', entity => 'Invoice', id => "$first");
settle();
is(sql('SELECT count(*) FROM qbsync.history'), $writes, 'EXT-31: a touch writes nothing');

$crm->app("UPDATE documents.invoice_line SET description = 'ours' WHERE invoice_id = $key AND position = 1");
qb(act => 'edit', entity => 'Invoice', id => "$first", set => { Line => [ line('100.10'), line('0.40') ] });
settle();
is(sql("SELECT unit, kind, jsonb_array_length(crm -> 'lines') > jsonb_array_length(quickbooks -> 'lines') FROM qbsync.conflict_open"), 'lines|changed_both|t', 'X-20: lines changed on both sides are one conflict');
is(header($first, 'total'), '100.50', 'X-20: the rest of the invoice goes on');
sql(sql('SELECT take_quickbooks FROM qbsync.conflict_open'));
$crm->applied;
is(lines($first), 'for 100.10/1/100.1/100.10 for 0.40/1/0.4/0.40', 'X-20: decided for QuickBooks, its lines are there');

# EXT-25: two changes with the same time, one seen before the other
$simulator->control('POST', 'clock', { freeze => JSON::PP::true });
qb(act => 'edit', entity => 'Invoice', id => "$first", set => { PrivateNote => 'one' });
settle();
qb(act => 'edit', entity => 'Invoice', id => "$first", set => { PrivateNote => 'two' });
settle();
is(header($first, 'memo'), 'two', 'EXT-25: of two changes with the same time the second is not lost');
$simulator->control('POST', 'clock', { freeze => JSON::PP::false });

# --- payments and statuses ----------------------------------------------------------------------------------------------------------

my $second = invoice([ line('80') ], DocNumber => 'Q-2');
settle();
is(status($second), 'sent', 'KAR-60: awaiting payment');
my $split = payment('90', [ [ $first, '60.45' ], [ $second, '29.55' ] ]);
settle();
is(paid_by($split), 'Q-1 60.45, Q-2 29.55', 'KAR-59: one payment of two invoices');
is(status($first) . ' ' . header($first, 'balance') . ', ' . status($second) . ' ' . header($second, 'balance'), 'paid 0.00, partially_paid 50.45', 'KAR-58, KAR-60: paid when nothing is left, else partially paid');
is(header($second, 'workflow'), 'payment received', 'ORD-18: payment created');
is(sql("SELECT string_agg(detail ->> 'event', ' ' ORDER BY at, event_id) FROM qbsync.timeline WHERE crm_table = 'documents.invoice' AND crm_key = '" . key_of($second, 'invoice') . "' AND kind = 'event'"), 'payment_created partially_paid', 'KAR-61: an entry each in its activity log');
qb(act => 'email', id => "$second");
settle();
is(header($second, 'workflow'), 'e-mailed', 'ORD-18: e-mailed');

# ORD-21: a move that is not allowed waits, and goes when it is
$crm->app("ALTER TABLE documents.invoice DISABLE TRIGGER check_move; UPDATE documents.invoice SET status = 'draft' WHERE number = 'Q-2'; ALTER TABLE documents.invoice ENABLE TRIGGER check_move");
my $rest = pay($second, '50.45');
settle();
is(errors(), "invoice|$second|transition_not_allowed|status", 'ORD-21: a move that the rules do not allow is shown');
is(status($second) . ' ' . header($second, 'balance, workflow'), 'draft 0.00|payment received', 'ORD-21: it is not made, all else is');
sql("SELECT qbsync_map_event('paid', 'status', 'paid', from_values => '{draft,sent,partially_paid,overdue}', mapping => 'invoice')");
released('the event');
is(status($second), 'paid', 'ORD-21, KAR-60: and made as soon as it is allowed');

# overdue, by an edit and by the calendar
my $late = invoice([ line('30') ], DocNumber => 'Q-3');
my $later = invoice([ line('31') ], DocNumber => 'Q-4', DueDate => '2030-02-01');
settle();
qb(act => 'edit', entity => 'Invoice', id => "$late", set => { DueDate => '2020-01-01' });
settle();
is(status($late), 'overdue', 'ORD-18: overdue by an edit');
sql("UPDATE qbsync.invoice SET due_date = '2020-01-01' WHERE id = '$later'; SELECT qbsync.note_overdue(); SELECT qbsync.wake()");	# as if its day had passed
$crm->applied;
is(status($later), 'overdue', 'ORD-18: overdue because its day has passed, though nothing arrived');
pay($late, '30');
settle();
is(status($late), 'paid', 'KAR-60: from overdue to paid');

# --- payments of what is not linked -------------------------------------------------------------------------------------------------

my $unlinked = payment('30', [ [ $old, '10' ], [ $later, '20' ] ]);
settle();
is(errors(), "payment|$unlinked|reference_waiting", 'ORD-12, X-12: a payment of an invoice that the CRM does not have is held');
is(sql("SELECT waits_for FROM qbsync.error_open"), "{invoice:$old}", 'ORD-12: and says for which');
sql("SELECT qbsync_set(mapping => 'payment', setting => 'unlinked_payment', value => 'ignore')");
released('the payment');
is(paid_by($unlinked) . ' ' . sql("SELECT amount FROM documents.payment WHERE id = '" . key_of($unlinked, 'payment') . "'"), 'Q-4 20.00 30.00', 'ORD-12, X-12: by policy it comes without that');
sql("SELECT qbsync_set(mapping => 'payment', setting => 'unlinked_payment', value => NULL)");
$crm->applied;
sql("SELECT qbsync_set(mapping => 'invoice', setting => 'start_date_basis', value => 'created_at'), qbsync_set(mapping => 'invoice', setting => 'start_date', value => (current_date - 1)::text)");
released('the old one');
is(header($old, 'invoice_date, total, balance'), '2029-12-31|10.00|0.00', 'X-16: by the day it was made it belongs here');
is(paid_by($unlinked) =~ /10\.00/ ? 'both' : paid_by($unlinked), 'both', 'ORD-12: then the payment has both');
sql("SELECT qbsync_set(mapping => 'invoice', setting => 'start_date_basis', value => NULL), qbsync_set(mapping => 'invoice', setting => 'start_date', value => '2029-12-01')");
$crm->applied;

# a payment is taken off, deleted; an event that waits and is no longer so is dropped
qb(act => 'unpay', id => "$split");
settle();
is(paid_by($split) . sql("SELECT amount FROM documents.payment WHERE id = '" . key_of($split, 'payment') . "'") . ' ' . header($first, 'balance'), '90.00 60.45', 'KAR-57: taken off its invoices, the money stays');
is(errors(), "invoice|$first|transition_not_allowed|status invoice|$second|transition_not_allowed|status", 'ORD-21: they cannot go from paid to partially paid');
qb(act => 'delete', entity => 'Payment', id => "$rest");
settle();
is(sql("SELECT quickbooks_deleted_at IS NOT NULL FROM qbsync.matched WHERE id = '$rest' AND mapping = 'payment'") . header($second, 'balance'), 't80.00', 'X-14: a payment deleted in QuickBooks is marked, its invoice is open again');
is(sql("SELECT count(*) FROM documents.payment WHERE id = '" . key_of($rest, 'payment') . "'"), '1', 'X-14: and it stays in the CRM');
is(errors(), "invoice|$first|transition_not_allowed|status", 'ORD-21: an event that waits for a state that is over waits no longer');
$crm->app("INSERT INTO documents.status_move VALUES ('paid', 'partially_paid')");
sql("SELECT qbsync_map_event('partially_paid', 'status', 'partially_paid', from_values => '{sent,overdue,paid}', mapping => 'invoice')");
released('the event');
is(status($first) . ' ' . status($second), 'partially_paid paid', 'ORD-21: allowed in both places, the one that holds is made');

# what was paid is open again
my $back = invoice([ line('50') ], DocNumber => 'Q-5');
settle();
my @halves = map { pay($back, '25') } 1, 2;
settle();
is(status($back), 'paid', 'KAR-60: paid in two halves');
$crm->app("INSERT INTO documents.status_move VALUES ('partially_paid', 'sent'), ('paid', 'sent')");
sql("SELECT qbsync_map_event('reopened', 'status', 'sent', from_values => '{paid,partially_paid}', mapping => 'invoice')");
qb(act => 'delete', entity => 'Payment', id => "$halves[0]");
settle();
is(header($back, 'status, balance'), 'partially_paid|25.00', 'ORD-18, KAR-60: a payment deleted in QuickBooks: one half is still paid');
qb(act => 'delete', entity => 'Payment', id => "$halves[1]");
settle();
is(header($back, 'status, balance'), 'sent|50.00', 'ORD-18, KAR-60: the other one, too: reopened');
is(sql("SELECT string_agg(detail ->> 'event', ' ' ORDER BY at, event_id) FROM qbsync.timeline WHERE crm_table = 'documents.invoice' AND crm_key = '" . key_of($back, 'invoice') . "' AND kind = 'event' AND detail ->> 'column' = 'status'"),
	'paid reopened partially_paid reopened', 'KAR-61: an entry for each move');
pay($back, '50');
settle();
is(status($back), 'paid', 'KAR-60: and paid once more');
# an event that may not move the status waits, and no longer than it is so
sql("SELECT qbsync_map_event('reopened', 'status', 'sent', from_values => '{partially_paid}', mapping => 'invoice')");
my $paid_back = sql("SELECT max(payment_id::int) FROM qbsync.payment_line WHERE txn_id = '$back'");
qb(act => 'unpay', id => "$paid_back");
settle();
is(errors(), "invoice|$back|transition_not_allowed|status", 'ORD-21: reopened, but not from paid');
pay($back, '50');
settle();
is(errors() . status($back), 'paid', 'ORD-21: paid again before it was allowed: nothing waits');
sql("SELECT qbsync_map_event('reopened', 'status', NULL, mapping => 'invoice')");

# --- void, delete -------------------------------------------------------------------------------------------------------------------

my ($void, $kept, $gone, $detached) = map { invoice([ line($_) ], DocNumber => "Q-$_") } 10 .. 13;
settle();
my ($kept_key, $gone_key, $detached_key) = map { key_of($_, 'invoice') } $kept, $gone, $detached;
qb(act => 'void', entity => 'Invoice', id => "$void");
qb(act => 'delete', entity => 'Invoice', id => "$kept");
settle();
is(header($void, 'status, workflow, total, balance'), 'void|voided|0.00|0.00', 'ORD-18, PIP-26: voided: its amounts and its status');
is(sql("SELECT workflow, total FROM documents.invoice WHERE id = $kept_key"), 'deleted|11.00', 'X-14, PIP-28: deleted: told by an event, the invoice stays as it was');
is(sql("SELECT state, quickbooks_deleted_at IS NOT NULL FROM qbsync.matched WHERE id = '$kept' AND mapping = 'invoice'"), 'linked|t', 'X-14: and is marked');
sql("SELECT qbsync_set(mapping => 'invoice', setting => 'on_qbo_delete', value => 'delete_crm')");
$crm->applied;
qb(act => 'delete', entity => 'Invoice', id => "$gone");
settle();
is(sql("SELECT count(*) FROM documents.invoice WHERE id = $gone_key") . sql("SELECT count(*) FROM qbsync.history WHERE crm_key = '$gone_key' AND operation = 'delete' AND before ->> 'doc_number' = 'Q-12'"), '01', 'X-14: delete_crm: it goes, and is in the history');
sql("SELECT qbsync_set(mapping => 'invoice', setting => 'on_qbo_delete', value => 'detach')");
$crm->applied;
qb(act => 'delete', entity => 'Invoice', id => "$detached");
settle();
is(sql("SELECT (SELECT count(*) FROM documents.invoice WHERE id = $detached_key), (SELECT count(*) FROM qbsync.matched WHERE id = '$detached' AND mapping = 'invoice')"), '1|0', 'X-14: detach: the link ends, the invoice stays');
sql("SELECT qbsync_set(mapping => 'invoice', setting => 'on_qbo_delete', value => NULL)");

# X-13: a document deleted in the CRM does not come back
$crm->app("DELETE FROM documents.invoice WHERE number = 'Q-10'");
qb(act => 'edit', entity => 'Invoice', id => "$void", set => { PrivateNote => 'again' });
settle();
is(sql("SELECT count(*) FROM documents.invoice WHERE number = 'Q-10'") . sql("SELECT state FROM qbsync.matched WHERE id = '$void' AND mapping = 'invoice'"), '0crm_missing', 'X-13: deleted in the CRM, it does not come back');

# --- another currency ---------------------------------------------------------------------------------------------------------------

my $foreign = $simulator->control('POST', 'raw', { entity => 'Invoice', json => <<"JSON" })->{id};
{"Id":"{{id}}","SyncToken":"0","MetaData":{"CreateTime":"{{now}}","LastUpdatedTime":"{{now}}"},"domain":"QBO","sparse":false,"DocNumber":"Q-USD","TxnDate":"2030-02-01","DueDate":"2030-03-01",
"CustomerRef":{"value":"$buyer"},"CurrencyRef":{"value":"USD","name":"United States Dollar"},"ExchangeRate":1.3725,"HomeTotalAmt":137.39,"HomeBalance":137.39,
"Line":[{"Id":"1","LineNum":1,"Amount":100.10,"Description":"abroad","DetailType":"SalesItemLineDetail","SalesItemLineDetail":{"ItemRef":{"value":"$item"},"Qty":1,"UnitPrice":100.10}}],"TotalAmt":100.10,"Balance":100.10}
JSON
settle();
is(header($foreign, 'currency, total, balance'), 'USD|100.10|100.10', 'EXT-20: another currency keeps its amounts and its name');
is(sql("SELECT string_agg(DISTINCT currency, ' ' ORDER BY currency) FROM documents.invoice WHERE invoice_date > '2029-01-01'"), 'CAD USD', 'EXT-20: side by side');

# --- a product that is inactive -----------------------------------------------------------------------------------------------------

my $inactive = qb(act => 'create', entity => 'Item', object => { Name => 'No longer sold', Type => 'Service', IncomeAccountRef => { value => '79' }, ExpenseAccountRef => { value => '80' } })->{Id};
my $sold = line('5');
$sold->{SalesItemLineDetail}{ItemRef}{value} = "$inactive";
my $of_old = invoice([$sold], DocNumber => 'Q-20');
qb(act => 'inactivate', entity => 'Item', id => "$inactive");
settle();
is(errors(), "invoice|$of_old|reference_waiting", 'KAR-41: what was inactive before the CRM knew it is not made by itself, its invoice waits');
sql("SELECT qbsync_resolve_match('$inactive', 'create', mapping => 'product')");
released('the invoice');
is(lines($of_old) . ' ' . sql("SELECT name FROM documents.product WHERE id = '" . key_of($inactive, 'product') . "'"), 'for 5/1/5/5.00 No longer sold', 'KAR-41: a person wants it made: it is, under its own name, and the invoice goes');

# --- everything the company has -----------------------------------------------------------------------------------------------------

is(errors(), '', 'nothing waits');
sql("SELECT qbsync_set(mapping => m, setting => 'start_date', value => NULL) FROM unnest('{invoice,payment}'::text[]) m");
$crm->applied;
released('all of them');
is(sql(<<'SQL'), '', 'X-16: without a start date all of the company\'s invoices and payments are there, to the cent');
SELECT i.id, i.total_amt, d.total FROM qbsync.invoice i LEFT JOIN qbsync.matched m ON m.id = i.id AND m.mapping = 'invoice' LEFT JOIN documents.invoice d ON d.id::text = m.crm_key
WHERE i.deleted_at IS NULL AND m.state IS DISTINCT FROM 'crm_missing' AND (d.total, d.balance, d.currency) IS DISTINCT FROM (i.total_amt, i.balance, i.currency)
UNION ALL
SELECT i.id, i.total_amt, d.amount FROM qbsync.payment i LEFT JOIN qbsync.matched m ON m.id = i.id AND m.mapping = 'payment' LEFT JOIN documents.payment d ON d.id::text = m.crm_key
WHERE i.deleted_at IS NULL AND d.amount IS DISTINCT FROM i.total_amt
SQL
is(sql(<<'SQL'), '', 'and every application');
SELECT p.id, l.txn_id, l.amount, a.amount FROM qbsync.payment p JOIN qbsync.payment_line l ON l.connection_id = p.connection_id AND l.payment_id = p.id AND l.txn_type = 'Invoice'
JOIN qbsync.matched m ON m.id = p.id AND m.mapping = 'payment' JOIN qbsync.matched n ON n.id = l.txn_id AND n.mapping = 'invoice'
LEFT JOIN documents.payment_application a ON a.payment_id::text = m.crm_key AND a.invoice_id::text = n.crm_key
WHERE p.deleted_at IS NULL AND a.amount IS DISTINCT FROM l.amount
SQL
$writes = sql('SELECT count(*) FROM qbsync.history');
$crm->look_again;
is(sql('SELECT count(*) FROM qbsync.history') . ' ' . sql('SELECT count(*) FROM qbsync.conflict_open'), "$writes 0", 'EXT-31: looking at all of them again writes nothing');

$node->stop;
is_quiet($node, 'nothing unexpected in the server log');
done_testing();
