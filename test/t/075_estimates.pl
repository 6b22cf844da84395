# Estimates (quotes) from QuickBooks to whoever looks (CAP-7): loaded, changed, answered, invoiced and deleted there, found by
# comparison after a month away, shown beside the customer, and mapped into a table of the CRM.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use QbsyncCrm;
use QbsyncTest;
use Test::More;

my $crm = QbsyncCrm->new('estimates', hold => 1, customers => 60, invoices => 10, estimates => 140, seed => 74);
my $node = $crm->{node};
my $simulator = $crm->{simulator};

sub sql { return $crm->sql($_[0]) }
sub qb { return $crm->qb(@_) }
sub mirrored { is_mirrored($node, $simulator, $_[0], database => 'crm') }
sub line { my ($amount) = @_; return { Amount => $amount + 0, DetailType => 'SalesItemLineDetail', SalesItemLineDetail => { ItemRef => { value => '1' }, Qty => 1, UnitPrice => $amount + 0 } } }
sub estimate { my ($customer, $amount, %more) = @_; return qb(act => 'create', entity => 'Estimate', object => { CustomerRef => { value => "$customer" }, Line => [ line($amount) ], %more })->{Id} }
sub answered { my ($id, %set) = @_; qb(act => 'edit', entity => 'Estimate', id => "$id", set => \%set) }
sub shown { my ($id, $columns) = @_; return sql("SELECT $columns FROM qbsync.estimate_status WHERE id = '$id'") }
sub summary { my ($customer) = @_; return sql("SELECT estimate_count, estimate_total, open_estimate_count, open_estimate_total FROM qbsync.customer_summary WHERE id = '$customer'") }

# --- loaded ------------------------------------------------------------------------------------------------------------------------

mirrored('CAP-7: every estimate is loaded as it is in QuickBooks');
is(sql('SELECT count(*) FROM qbsync.estimate WHERE deleted_at IS NULL'), 140, 'CAP-7: all of them');
is(sql("SELECT string_agg(DISTINCT label, ' ' ORDER BY label) FROM qbsync.estimate_status"), 'Accepted Closed Converted Expired Pending Rejected', 'CAP-7: with what became of each, in words');
is(sql(<<'SQL'), '0', 'CAP-7: an estimate is expired by the date of the company, where it is open');
SELECT count(*) FROM qbsync.estimate_status s JOIN qbsync.estimate e USING (connection_id, id)
WHERE s.is_expired IS DISTINCT FROM (e.txn_status IN ('Pending', 'Accepted') AND coalesce(e.expiration_date < (now() AT TIME ZONE 'America/Toronto')::date, false))
	OR s.is_open IS DISTINCT FROM (e.txn_status IN ('Pending', 'Accepted') AND NOT s.is_expired) OR s.total <> (e.raw ->> 'TotalAmt')::numeric
SQL
is(sql(<<'SQL'), '0', 'CAP-7: their lines, too');
SELECT count(*) FROM (
	SELECT e.id, n.n FROM qbsync.estimate e, jsonb_array_elements(e.raw -> 'Line') WITH ORDINALITY AS n(line, n)
	EXCEPT SELECT estimate_id, position FROM qbsync.estimate_line) x
SQL
is(sql("SELECT invoice_ids <> '{}' AND (SELECT i.customer_id = s.customer_id FROM qbsync.invoice i WHERE i.id = s.invoice_ids[1]) FROM qbsync.estimate_status s WHERE accepted_by = 'M. O''Brien'"), 't',
	'CAP-7: one that was invoiced names the invoice');
is(sql(<<'SQL'), '0', 'CAP-7: counts and totals of every customer are those of its estimates');
SELECT count(*) FROM qbsync.customer_summary c
LEFT JOIN (SELECT customer_id, count(*) AS n, sum(total) AS total, count(*) FILTER (WHERE is_open) AS open, coalesce(sum(total) FILTER (WHERE is_open), 0) AS open_total
	FROM qbsync.estimate_status WHERE state <> 'deleted' GROUP BY 1) e ON e.customer_id = c.id
WHERE (c.estimate_count, c.estimate_total, c.open_estimate_count, c.open_estimate_total)
	IS DISTINCT FROM (coalesce(e.n, 0), coalesce(e.total, 0), coalesce(e.open, 0), coalesce(e.open_total, 0))
SQL

# --- changes -----------------------------------------------------------------------------------------------------------------------

my $buyer = $crm->customer(DisplayName => 'Buyer');
my $quote = estimate($buyer, '100.10', ExpirationDate => '2035-01-31');
my $past = estimate($buyer, '50', ExpirationDate => '2020-01-31');
$crm->sync;
is(shown($quote, 'customer, total, expiration_date, label, is_open') . ' ' . shown($past, 'label, is_open'), 'Buyer|100.10|2035-01-31|Pending|t Expired|f', 'CAP-7: new ones arrive with the changes');
is(summary($buyer), '2|150.10|1|100.10', 'CAP-7: and count for their customer');
answered($quote, TxnStatus => 'Accepted', AcceptedBy => 'Zoe', AcceptedDate => '2026-02-01');
answered($past, TxnStatus => 'Rejected');
$crm->sync;
is(shown($quote, 'label, accepted_by, accepted_date, is_open') . ' ' . shown($past, 'label, is_expired'), 'Accepted|Zoe|2026-02-01|t Rejected|f', 'CAP-7: answers arrive');
qb(act => 'email', entity => 'Estimate', id => "$quote");
my $invoice = qb(act => 'create', entity => 'Invoice', object => { CustomerRef => { value => "$buyer" }, Line => [ line('100.10') ], LinkedTxn => [ { TxnId => "$quote", TxnType => 'Estimate' } ] })->{Id};
$crm->sync;
is(shown($quote, 'label, is_open, invoice_ids, email_status'), "Closed|f|{$invoice}|EmailSent", 'CAP-7: invoiced, though its SyncToken stays');
is(summary($buyer), '2|150.10|0|0', 'CAP-7: it is open no more');
qb(act => 'delete', entity => 'Invoice', id => "$invoice");
qb(act => 'delete', entity => 'Estimate', id => "$past");
$crm->sync;
is(shown($past, 'label, total, url IS NULL, deleted_at IS NOT NULL') . ' ' . shown($quote, 'label, invoice_ids'), 'Deleted|50.00|t|t Pending|{}', 'CAP-7: deleted; and what was invoiced is open again without its invoice');
is(summary($buyer), '1|100.10|1|100.10', 'CAP-7: what is deleted counts no more');
$simulator->control('POST', 'random', { seed => 74, n => 40, only => [qw(create_estimate edit_estimate answer_estimate invoice_estimate delete_estimate delete_invoice merge)] });
$crm->sync;
mirrored('CAP-7: after many changes the mirror equals QuickBooks');

# --- a month away: no change tells of what was deleted meanwhile ---------------------------------------------------------------------

sql("SELECT qbsync_pause('acme')");
my @gone = (estimate($buyer, 1), split /\n/, sql("SELECT id FROM qbsync.estimate_status WHERE state = 'pending' AND id <> '$quote' ORDER BY id::int LIMIT 3"));
qb(act => 'delete', entity => 'Estimate', id => "$_") for @gone;
answered($quote, PrivateNote => 'meanwhile');
$simulator->control('POST', 'clock', { advance => 40 * 86400 });
sql("SELECT qbsync_resume('acme')");
$crm->sync;
mirrored('CAP-7, EXT-9: everything is compared');
is(sql("SELECT count(*) FROM qbsync.estimate WHERE deleted_at IS NOT NULL AND id IN ('" . join("','", @gone) . "')"), 3, 'CAP-7, EXT-9: what was deleted meanwhile is looked up and marked');

# --- in the CRM --------------------------------------------------------------------------------------------------------------------

my $client = $crm->customer(DisplayName => 'Client of the CRM');
$quote = estimate($client, '100.10', ExpirationDate => '2035-01-31');
$crm->sync;
$crm->app(<<'SQL');
CREATE TABLE crm.client (id serial PRIMARY KEY, name text NOT NULL, email text);
CREATE TABLE crm.product (id serial PRIMARY KEY, name text NOT NULL);
CREATE TABLE crm.quote (id serial PRIMARY KEY, client_id int NOT NULL REFERENCES crm.client, number text, quote_date date, valid_until date, total numeric(12, 2),
	status text NOT NULL CHECK (status IN ('sent', 'won', 'lost', 'invoiced')));
CREATE TABLE crm.quote_line (id serial PRIMARY KEY, quote_id int NOT NULL REFERENCES crm.quote ON DELETE CASCADE, position int NOT NULL, product_id int REFERENCES crm.product, description text, quantity numeric, amount numeric(12, 2));
SQL
sql("SELECT qbsync_map_table('crm.client', entity => 'customer', role => 'crm_app', columns => '{\"display_name\": \"name\", \"emails\": \"email\"}', policies => '{\"pull_new_first\": \"all\"}')");
sql("SELECT qbsync_map_table('crm.product', entity => 'item', role => 'crm_app', columns => '{\"name\": \"name\"}', policies => '{\"pull_new_first\": \"all\"}')");
my $script = sql("SELECT qbsync_map_suggest('crm.quote', 'estimate')");
like($script, qr/valid_until AS expiration_date/, 'CAP-7: a table of quotes is understood');
like($script, qr/status is the CRM's own/, 'CAP-7: but for its own words');
$script =~ s/(\tr\.valid_until AS expiration_date)/\tr.status AS txn_status,\n$1/;
sql($script);
sql(<<'SQL');
SELECT qbsync_map_value('answer', w, q, mapping => 'quote') FROM (VALUES ('sent', 'Pending'), ('won', 'Accepted'), ('lost', 'Rejected'), ('invoiced', 'Closed')) v(w, q);
SELECT qbsync_set(mapping => 'quote', "column" => 'txn_status', setting => 'value_map', value => 'answer');
SELECT qbsync_enable('client'), qbsync_enable('product');
SQL
$crm->applied;
sql("SELECT qbsync_enable('quote')");
$crm->applied;
sub quote { my ($columns) = @_; return sql("SELECT $columns FROM crm.quote q WHERE q.id::text = (SELECT crm_key FROM qbsync.matched WHERE mapping = 'quote' AND id = '$quote')") }
is(quote("(SELECT name FROM crm.client c WHERE c.id = client_id), valid_until, total, status, (SELECT string_agg(concat_ws(' ', p.name, amount), ',') FROM crm.quote_line l JOIN crm.product p ON p.id = l.product_id WHERE quote_id = q.id)"),
	'Client of the CRM|2035-01-31|100.10|sent|Entretien 100.10', 'CAP-7: the estimate of a linked customer is in the CRM, with its lines and in its own words');
is(sql("SELECT s.open_estimate_total FROM crm.client c JOIN qbsync.customer_summary s ON s.crm_table = 'crm.client' AND s.crm_key = c.id::text WHERE c.name = 'Client of the CRM'") . ' '
	. sql("SELECT label FROM crm.client c JOIN qbsync.estimate_status s ON s.crm_table = 'crm.client' AND s.crm_key = c.id::text WHERE s.id = '$quote'"), '100.10 Pending', 'CAP-7: shown beside the contact by its own key');
answered($quote, TxnStatus => 'Accepted');
$crm->sync;
$crm->applied;
is(quote('status'), 'won', 'CAP-7: answered there, won here');
$crm->app("UPDATE crm.quote SET total = 1, status = 'lost'");
qb(act => 'edit', entity => 'Estimate', id => "$quote", set => { Line => [ line('120') ], TxnStatus => 'Rejected' });
$crm->sync;
$crm->applied;
is(quote('total, status') . sql('SELECT count(*) FROM qbsync.conflict_open'), '120.00|lost0', 'CEN-12: estimates only come in: QuickBooks is right, nothing waits for a person');

done_testing();
