# What people do inside QuickBooks arrives as rows, in the views and as NOTIFY: payments, voids, deletions, names, merges
# (CAP-3…6, CEN-1, CEN-45, PIP-24…29, PIP-34, KAR-4, KAR-57…60, EXT-14, EXT-18, EXT-23).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use PostgreSQL::Test::Utils;
use QbsyncListener;
use QbsyncTest;
use Test::More;

my $simulator = start_simulator(customers => 60, seed => 43);
my $node = new_node('events');
install_qbsync($node, $simulator);
my $listener = QbsyncListener->new($node);
connect_company($node, $simulator, poll_interval => '7 days');
is($listener->heard_text, '', 'the first load tells listeners nothing');

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub act { return $simulator->control('POST', 'act', { acts => [@_] })->{results} }
# Balances of accounts, which change with everything, are left out.
sub sync
{
	wait_synced($node, sync => 1);
	return join "\n", grep { !/ account / } split /\n/, $listener->heard_text;
}
sub invoice { my ($id, $columns) = @_; return sql("SELECT $columns FROM qbsync.invoice_status WHERE id = '$id'") }
sub customer { my ($id, $columns) = @_; return sql("SELECT $columns FROM qbsync.customer_summary WHERE id = '$id'") }

# Days from today, as the company sees it (America/Toronto).
sub day { return sql("SELECT (now() AT TIME ZONE 'America/Toronto')::date + $_[0]") }

sub new_invoice
{
	my ($customer, $amount, $due, %more) = @_;
	return { act => 'create', entity => 'Invoice', object => {
		CustomerRef => { value => $customer }, TxnDate => day(-40), DueDate => day($due), SalesTermRef => { value => '3' },
		Line => [ { Amount => $amount, DetailType => 'SalesItemLineDetail', SalesItemLineDetail => { ItemRef => { value => '1' }, Qty => 1, UnitPrice => $amount } } ], %more } };
}

# --- an invoice's life -----------------------------------------------------------------------------------------------------

my ($anne) = act({ act => 'create', entity => 'Customer', object => { DisplayName => 'Anne & co', SalesTermRef => { value => '3' } } });
my $c = $anne->[0]{Id};
my $made = act(new_invoice($c, 100, 10), new_invoice($c, 250, 5), new_invoice($c, 80, -3));
my ($one, $two, $late) = map { $_->{Id} } @$made;
is(sync(), "acme customer $c\nacme invoice $one,$two,$late", 'one message an entity, with the ids');
is(invoice($one, 'state, label, is_overdue, balance, paid, total'), 'open|Open|f|100.00|0|100.00', 'PIP-24: open');
is(invoice($late, 'state, label, is_overdue, days_overdue'), 'open|Overdue|t|3', 'PIP-27: overdue');
is(invoice($one, 'due_date, terms'), day(10) . '|Net 30', 'CAP-3, CAP-4: due date and terms of the invoice');
is(customer($c, 'next_due_date, terms, open_balance, overdue_balance, overdue_count, oldest_overdue_date, paid_total, invoice_count, balance'),
	day(5) . '|Net 30|430.00|80.00|1|' . day(-3) . '|0|3|430.00', 'CAP-3…6: the customer: due, terms, paid, outstanding, overdue');
is(invoice($one, 'url'), "https://app.qbo.intuit.com/app/invoice?txnId=$one", 'PIP-34: its page in QuickBooks');
is(sql("SELECT qbsync_open_url('invoice', '$one')"), "https://app.qbo.intuit.com/app/invoice?txnId=$one", 'PIP-34: also by function');

# a part, then the rest (KAR-57, KAR-58, KAR-60)
my $part = act({ act => 'pay', id => $one, amount => 40.10 })->[0]{Id};
is(sync(), "acme customer $c\nacme invoice $one\nacme payment $part", 'a payment tells of payment, invoice and customer');
is(invoice($one, 'state, label, balance, paid'), 'partially_paid|Partially paid|59.90|40.10', 'PIP-29, KAR-58: partially paid, by the payment\'s rows (EXT-23)');
is(sql("SELECT invoice_id, amount, payment_total, unapplied FROM qbsync.invoice_payment WHERE payment_id = '$part'"), "$one|40.10|40.10|0", 'KAR-57: the payment and what it paid');
my $rest = act({ act => 'pay', id => $one })->[0]{Id};
sync();
is(invoice($one, 'state, label, balance, paid, is_overdue'), 'paid|Paid|0|100.00|f', 'PIP-25, KAR-60: paid');
is(customer($c, 'paid_total, received_total, unapplied_total, open_balance, last_payment_amount'), '100.00|100.00|0|330.00|59.90', 'CAP-5: by how much');

# an overdue invoice that is partly paid stays overdue
act({ act => 'pay', id => $late, amount => 30 });
sync();
is(invoice($late, 'state, label, is_overdue, balance'), 'partially_paid|Overdue|t|50.00', 'PIP-27: overdue outranks partially paid');
is(customer($c, 'overdue_balance'), '50.00', 'CAP-6: the part that is overdue');

# one payment over two invoices (KAR-59)
my $split = act({ act => 'create', entity => 'Payment', object => { CustomerRef => { value => $c }, TotalAmt => 120, Line => [
	{ Amount => 50, LinkedTxn => [ { TxnId => $late, TxnType => 'Invoice' } ] },
	{ Amount => 70, LinkedTxn => [ { TxnId => $two, TxnType => 'Invoice' } ] } ] } })->[0]{Id};
is(sync(), "acme customer $c\nacme invoice $two,$late\nacme payment $split", 'a split payment');
is(sql("SELECT string_agg(invoice_id || ' ' || amount, ',' ORDER BY amount) FROM qbsync.invoice_payment WHERE payment_id = '$split'"), "$late 50.00,$two 70.00", 'KAR-59: a split payment has a row for each invoice');
is(invoice($late, 'label') . ' ' . invoice($two, 'label, balance'), 'Paid Partially paid|180.00', 'and both invoices know');

# more than is owed (EXT-23)
my $over = act({ act => 'pay', id => $two, amount => 200 })->[0]{Id};
sync();
is(invoice($two, 'state, paid, balance'), 'paid|250.00|0', 'EXT-23: an overpayment pays the invoice, and no more than it');
is(sql("SELECT amount, payment_total, unapplied FROM qbsync.invoice_payment WHERE payment_id = '$over'"), '180.00|200.00|20.00', 'the rest is not applied');
is(customer($c, 'unapplied_total, open_balance, balance'), '20.00|0|-20.00', 'the customer has a credit');

# taken off again
act({ act => 'unpay', id => $over });
sync();
is(invoice($two, 'state, paid, balance'), 'partially_paid|70.00|180.00', 'a payment that is taken off opens the invoice again');
is(sql("SELECT count(*) FROM qbsync.invoice_payment WHERE payment_id = '$over'"), '0', 'its rows are gone');
act({ act => 'delete', entity => 'Payment', id => $split });
is(sync(), "acme customer $c\nacme invoice $two,$late\nacme payment $split", 'a payment is deleted');
is(invoice($late, 'state, label, paid, balance') . ' ' . sql("SELECT deleted_at IS NOT NULL FROM qbsync.payment WHERE id = '$split'"),
	'partially_paid|Overdue|30.00|50.00 t', 'a deleted payment pays nothing, its row is kept');
act({ act => 'void', entity => 'Payment', id => $rest });
sync();
is(invoice($one, 'state, paid, balance'), 'partially_paid|40.10|59.90', 'neither does one that is voided');

# void and delete
act({ act => 'void', entity => 'Invoice', id => $one });
sync();
is(invoice($one, 'state, label, total, balance, paid, is_overdue'), 'voided|Voided|0|0|0|f', 'PIP-26, EXT-14: voided, though payments were applied: zero amounts and a memo');
is(sql("SELECT private_note LIKE 'Voided%' FROM qbsync.invoice WHERE id = '$one'") . customer($c, 'received_total, paid_total'), 't270.10|30.00', 'EXT-14: no deletion: what was received stays received, and is applied to it no more');
is(sql("SELECT count(*) FROM qbsync.invoice WHERE id = '$one' AND deleted_at IS NULL"), '1', 'a void is no deletion');
act({ act => 'delete', entity => 'Invoice', id => $late });
like(sync(), qr/acme invoice $late\b/, 'a deletion is told');
is(invoice($late, 'state, label, is_overdue, total, url IS NULL, deleted_at IS NOT NULL'), 'deleted|Deleted|f|80.00|t|t', 'PIP-28, EXT-14: deleted, which only change data capture tells, with the amounts before');
is(customer($c, 'overdue_count, overdue_balance, invoice_count'), '0|0|2', 'CAP-6: nothing is overdue any more');

# today, as the company sees it: two zones that never have the same date, and one nobody knows
my @edges = map { $_->{Id} } @{ act(map { new_invoice($c, 10, $_) } -2 .. 2) };
sync();
is(invoice($edges[2], 'is_overdue, label'), 'f|Open', 'due today is not overdue');
my $in = "id IN ('" . join("','", @edges) . "')";
foreach my $zone ('Pacific/Kiritimati', 'Etc/GMT+12', 'Nowhere/Land')
{
	$simulator->control('POST', 'act', { act => 'company_info', set => { DefaultTimeZone => $zone } });
	sql("UPDATE qbsync.cursor SET checked_at = checked_at - interval '25 hours' WHERE entity = 'company_info'");
	sync();
	my $known = $zone eq 'Nowhere/Land' ? 'UTC' : $zone;
	is(sql("SELECT string_agg(is_overdue::text, ',' ORDER BY id::bigint) FROM qbsync.invoice_status WHERE $in"),
		sql("SELECT string_agg((due_date < (now() AT TIME ZONE '$known')::date)::text, ',' ORDER BY id::bigint) FROM qbsync.invoice WHERE $in"),
		"PIP-27: overdue by the company's time zone, $zone");
}

# --- names --------------------------------------------------------------------------------------------------------------------

act({ act => 'edit', entity => 'Customer', id => $c, set => { DisplayName => "L'\x{c9}t\x{e9} \"d'Anne\" \\ c\x{f4}t\x{e9} \x{1f384}" } });
is(sync(), "acme customer $c", 'a rename');
is(sql("SELECT display_name FROM qbsync.customer_summary WHERE id = '$c'"), "L'Été \"d'Anne\" \\ côté 🎄", 'EXT-18: hostile characters arrive as they are');
is(invoice($two, 'customer'), "L'Été \"d'Anne\" \\ côté 🎄", 'and the invoices show the new name');
act({ act => 'inactivate', entity => 'Customer', id => $c });
is(sync(), "acme customer $c", 'made inactive');
is(customer($c, q{active, display_name LIKE '% (deleted)'}), 'f|t', 'EXT-18: inactive, with the name QuickBooks gives it, but not deleted');
act({ act => 'reactivate', entity => 'Customer', id => $c });
sync();
is(customer($c, q{active, display_name LIKE '%(deleted)%'}), 't|f', 'and active again');

# a merge: the loser's invoices and payments move to the survivor
my ($loser, $survivor) = map { $_->{Id} } @{ act(map { { act => 'create', entity => 'Customer', object => { DisplayName => $_ } } } 'Fusion perdue', 'Fusion gagnante') };
my $moved = act(new_invoice($loser, 60, 20))->[0]{Id};
act({ act => 'pay', id => $moved, amount => 25 });
sync();
act({ act => 'merge', entity => 'Customer', id => $loser, into => $survivor });
sync();
is(invoice($moved, 'customer_id, customer, paid'), "$survivor|Fusion gagnante|25.00", 'a merge: the invoice belongs to the survivor');
is(customer($survivor, 'open_balance, received_total, invoice_count, balance'), '35.00|25.00|1|35.00', 'which owes it');
is(customer($loser, 'active, open_balance, invoice_count'), 'f|0|0', 'the loser is inactive and owes nothing');
is_mirrored($node, $simulator, 'CAP-25: the mirror equals the company');

# a category is deactivated: what was sold keeps it
my ($category) = map { $_->{Id} } @{ act({ act => 'create', entity => 'Item', object => { Name => 'Neige', Type => 'Category' } }) };
my ($snow) = map { $_->{Id} } @{ act({ act => 'create', entity => 'Item', object => { Name => 'Pelletage', Type => 'Service', ParentRef => { value => $category }, SubItem => JSON::PP::true,
	(map { my $account = $_; ($account => { value => sql("SELECT min(raw #>> '{$account,value}') FROM qbsync.item") }) } 'IncomeAccountRef', 'ExpenseAccountRef') } }) };
my ($sold) = map { $_->{Id} } @{ act(new_invoice($survivor, 10, 20, Line => [ { Amount => 10, DetailType => 'SalesItemLineDetail', SalesItemLineDetail => { ItemRef => { value => $snow }, Qty => 1, UnitPrice => 10 } } ])) };
sync();
my $shown = "SELECT category_id, category, amount FROM qbsync.sale_line WHERE entity = 'invoice' AND txn_id = '$sold' AND kind = 'item'";
is(sql($shown), "$category|Neige|10.00", 'CEN-33, CEN-45: what was sold is of a category');
act({ act => 'inactivate', entity => 'Item', id => $category });
sync();
is(sql($shown), "$category|Neige (deleted)|10.00", 'CEN-45: deactivated: past revenue stays in it');
act({ act => 'edit', entity => 'Item', id => $snow, set => { Name => 'Souffleuse' } });
sync();
is(sql("SELECT item, category_id FROM qbsync.sale_line WHERE entity = 'invoice' AND txn_id = '$sold' AND kind = 'item'"), "Souffleuse|$category", 'CEN-45: and the items in it go on');
is_mirrored($node, $simulator, 'CEN-45: and the mirror goes on');

# --- messages -----------------------------------------------------------------------------------------------------------------

act((map { { act => 'edit', entity => 'Customer', id => $c, set => { Notes => "note $_" } } } 1 .. 5), { act => 'edit', entity => 'Term', id => '2', set => { Name => 'Net quinze' } });
is(sync(), "acme customer $c\nacme term 2", 'several edits of a record between two polls are told once');
is(sync(), '', 'a poll that finds nothing tells nothing');
# ids of 19 digits: 400 of them do not fit into a message
$simulator->control('POST', 'raw', { entity => 'Customer', id => 7_000_000_000_000_000_000 + $_, json => '{"Id":"{{id}}","SyncToken":"0","DisplayName":"Brut {{id}}",'
	  . '"Active":true,"domain":"QBO","sparse":false,"MetaData":{"CreateTime":"{{now}}","LastUpdatedTime":"{{now}}"}}' }) for 1 .. 400;
is(sync(), 'acme customer #400', 'what does not fit into a message is told as a count');
is(sql("SELECT count(*) FROM qbsync.customer_summary WHERE display_name LIKE 'Brut 7000000000000000%'"), '400', 'and is there');

$listener->quit;
$node->stop;
is_quiet($node, 'nothing unexpected in the server log');
done_testing();
