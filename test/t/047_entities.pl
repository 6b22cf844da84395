# Every entity of the catalogue: first load, columns and lines, changes, inactivation and deletion, what change data capture does
# not carry, what a company does not have; always compared with the simulator's store.  A sample of each is below: an entity
# without one fails here.
use strict;
use warnings;

use Encode qw(decode);
use FindBin;
use lib "$FindBin::Bin/../perl";

use PostgreSQL::Test::Utils;
use QbsyncTest;
use Test::More;

my $simulator = start_simulator(customers => 3, invoices => 3, estimates => 2, seed => 47);
my $node = new_node('entities');
install_qbsync($node, $simulator);

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub stats { return $simulator->control('GET', 'stats') }

# The company's own day, for exchange rates.
my $today = sql("SELECT qbsync.today('America/Toronto')");

# object => [ JSON without Id, SyncToken and MetaData; columns; table of lines => rows as text ]
my %sample = (
	CompanyCurrency => [ '"Code":"EUR","Name":"Euro","Active":true', 'code, name, active', 'EUR|Euro|t' ],
	Account => [ '"Name":"Chèques","AcctNum":"1010","AccountType":"Bank","AccountSubType":"Checking","Classification":"Asset","SubAccount":false,'
		  . '"FullyQualifiedName":"Chèques","Active":true,"CurrentBalance":1201.10,"CurrentBalanceWithSubAccounts":1201.1,"CurrencyRef":{"value":"CAD"}',
		'name, acct_num, account_type, account_sub_type, classification, sub_account, active, current_balance, currency',
		'Chèques|1010|Bank|Checking|Asset|f|t|1201.10|CAD' ],
	Class => [ '"Name":"Sud","SubClass":true,"ParentRef":{"value":"5000000000000000001"},"FullyQualifiedName":"Région:Sud","Active":true',
		'name, sub_class, parent_id, fully_qualified_name, active', 'Sud|t|5000000000000000001|Région:Sud|t' ],
	Department => [ '"Name":"Laval","SubDepartment":false,"FullyQualifiedName":"Laval","Active":true,"Address":{"Line1":"1 rue Principale","City":"Laval"}',
		'name, sub_department, active, address_line1, address_city', 'Laval|f|t|1 rue Principale|Laval' ],
	Term => [ '"Name":"Net 77","Active":true,"Type":"STANDARD","DueDays":77', 'name, active, type, due_days', 'Net 77|t|STANDARD|77' ],
	PaymentMethod => [ '"Name":"Interac","Type":"NON_CREDIT_CARD","Active":true', 'name, type, active', 'Interac|NON_CREDIT_CARD|t' ],
	TaxAgency => [ '"DisplayName":"Revenu Québec","TaxTrackedOnSales":true,"TaxTrackedOnPurchases":false,"TaxRegistrationNumber":"1234","LastFileDate":"2026-01-31"',
		'display_name, tax_tracked_on_sales, tax_tracked_on_purchases, tax_registration_number, last_file_date', 'Revenu Québec|t|f|1234|2026-01-31' ],
	TaxRate => [ '"Name":"TVQ","Description":"TVQ 9,975","Active":true,"RateValue":"9.975","AgencyRef":{"value":"7"},"SpecialTaxType":"NONE","DisplayType":"ReadOnly",'
		  . '"EffectiveTaxRate":[{"RateValue":9.5,"EffectiveDate":"2012-01-01T00:00:00-08:00","EndDate":"2012-12-31"},{"RateValue":9.975,"EffectiveDate":"2013-01-01"}]',
		'name, rate_value, agency_id, special_tax_type, display_type', 'TVQ|9.975|7|NONE|ReadOnly',
		{ tax_rate_period => [ 'rate_value, effective_date, end_date', "9.5|2012-01-01|2012-12-31\n9.975|2013-01-01|" ] } ],
	TaxCode => [ '"Name":"TPS/TVQ","Description":"QC","Active":true,"Taxable":true,"TaxGroup":true,"Hidden":false,"TaxCodeConfigType":"USER_DEFINED",'
		  . '"SalesTaxRateList":{"TaxRateDetail":[{"TaxRateRef":{"value":"3","name":"TPS"},"TaxTypeApplicable":"TaxOnAmount","TaxOrder":0},{"TaxRateRef":{"value":"4"},"TaxTypeApplicable":"TaxOnAmountPlusTax","TaxOrder":1}]},'
		  . '"PurchaseTaxRateList":{"TaxRateDetail":[{"TaxRateRef":{"value":"5"},"TaxTypeApplicable":"TaxOnAmount","TaxOrder":0}]}',
		'name, active, taxable, tax_group, hidden, tax_code_config_type', 'TPS/TVQ|t|t|t|f|USER_DEFINED',
		{ tax_code_sales_rate => [ 'tax_rate_id, tax_type_applicable, tax_order', "3|TaxOnAmount|0\n4|TaxOnAmountPlusTax|1" ],
			tax_code_purchase_rate => [ 'tax_rate_id, tax_type_applicable, tax_order', '5|TaxOnAmount|0' ] } ],
	CustomerType => [ '"Name":"Grossistes","Active":true', 'name, active', 'Grossistes|t' ],
	Item => [ '"Name":"Papier","Type":"Service","Active":true,"FullyQualifiedName":"Papier","UnitPrice":12.5', 'name, type, active, unit_price', 'Papier|Service|t|12.5' ],
	Customer => [ '"DisplayName":"Boulangerie Sud","Active":true,"Balance":0', 'display_name, active, balance', 'Boulangerie Sud|t|0' ],
	Invoice => [ '"LinkedTxn":[],"DocNumber":"9001","TxnDate":"2026-11-02","CustomerRef":{"value":"1"},"TotalAmt":10.00,"Balance":10.00,"Line":[{"Id":"1","Amount":10.00,"DetailType":"SalesItemLineDetail","SalesItemLineDetail":{"ItemRef":{"value":"11"},"Qty":2}}]',
		'doc_number, txn_date, customer_id, total_amt', '9001|2026-11-02|1|10.00',
		{ invoice_line => [ 'line_id, amount, item_id, qty', '1|10.00|11|2' ] } ],
	Payment => [ '"TxnDate":"2026-11-03","CustomerRef":{"value":"1"},"TotalAmt":4.00,"UnappliedAmt":0,"Line":[{"Amount":4.00,"LinkedTxn":[{"TxnId":"1","TxnType":"Invoice"}]}]',
		'txn_date, customer_id, total_amt, unapplied_amt', '2026-11-03|1|4.00|0', { payment_line => [ 'amount, txn_id, txn_type', '4.00|1|Invoice' ] } ],
	Estimate => [ '"LinkedTxn":[],"DocNumber":"9002","TxnStatus":"Pending","CustomerRef":{"value":"1"},"TotalAmt":5,"Line":[{"Amount":5,"DetailType":"SalesItemLineDetail","SalesItemLineDetail":{}}]',
		'doc_number, txn_status, customer_id, total_amt', '9002|Pending|1|5', { estimate_line => [ 'amount', '5' ] } ],
	CreditMemo => [ '"LinkedTxn":[],"DocNumber":"9003","TxnDate":"2026-11-04","CustomerRef":{"value":"1"},"TotalAmt":6.10,"Balance":6.1,"RemainingCredit":6.1,"Line":[{"Amount":6.10,"DetailType":"SalesItemLineDetail","SalesItemLineDetail":{"ItemRef":{"value":"11"}}}]',
		'doc_number, customer_id, total_amt, balance, remaining_credit', '9003|1|6.10|6.1|6.1', { credit_memo_line => [ 'amount, item_id', '6.10|11' ] } ],
	SalesReceipt => [ '"LinkedTxn":[],"DocNumber":"9004","TxnDate":"2026-11-04","PaymentRefNum":"77","DepositToAccountRef":{"value":"4"},"BillEmail":{"Address":"a@b.example"},"TotalAmt":7,"Balance":0,"Line":[{"Amount":7,"DetailType":"SalesItemLineDetail","SalesItemLineDetail":{}}]',
		'doc_number, customer_id, payment_ref_num, deposit_to_account_id, bill_email, total_amt, balance', '9004||77|4|a@b.example|7|0', { sales_receipt_line => [ 'amount', '7' ] } ],
	RefundReceipt => [ '"LinkedTxn":[],"DocNumber":"9005","TxnDate":"2026-11-04","CustomerRef":{"value":"1"},"PaymentType":"Check","DepositToAccountRef":{"value":"4"},"TotalAmt":8,"Line":[{"Amount":8,"DetailType":"SalesItemLineDetail","SalesItemLineDetail":{}}]',
		'doc_number, customer_id, payment_type, deposit_to_account_id, total_amt', '9005|1|Check|4|8', { refund_receipt_line => [ 'amount', '8' ] } ],
	Vendor => [ '"DisplayName":"Papeterie du Nord","Active":true,"PrimaryEmailAddr":{"Address":"a@n.example, b@n.example"},"AcctNum":"C-1","Vendor1099":true,"TermRef":{"value":"3"},"CostRate":12.5,"Balance":99.10',
		'display_name, active, emails, acct_num, vendor_1099, term_id, cost_rate, balance', 'Papeterie du Nord|t|{a@n.example,b@n.example}|C-1|t|3|12.5|99.10' ],
	Employee => [ '"DisplayName":"Zoé Roy","Active":true,"GivenName":"Zoé","FamilyName":"Roy","PrimaryPhone":{"FreeFormNumber":"555"},"PrimaryAddr":{"City":"Laval"},"HiredDate":"2020-02-03","BillableTime":false',
		'display_name, active, given_name, primary_phone, primary_city, hired_date, billable_time', 'Zoé Roy|t|Zoé|555|Laval|2020-02-03|f' ],
	PurchaseOrder => [ '"LinkedTxn":[],"DocNumber":"9010","TxnDate":"2026-11-05","VendorRef":{"value":"9"},"APAccountRef":{"value":"33"},"POStatus":"Open","Memo":"vite","TotalAmt":14,"Line":[{"Id":"1","Amount":10,"DetailType":"AccountBasedExpenseLineDetail","AccountBasedExpenseLineDetail":{"AccountRef":{"value":"7"},"CustomerRef":{"value":"1"},"BillableStatus":"NOT_BILLABLE","TaxCodeRef":{"value":"5"}}},{"Id":"2","Amount":4,"DetailType":"ItemBasedExpenseLineDetail","ItemBasedExpenseLineDetail":{"ItemRef":{"value":"11"},"Qty":2,"UnitPrice":2}}]',
		'doc_number, vendor_id, ap_account_id, po_status, memo, total_amt', '9010|9|33|Open|vite|14', { purchase_order_line => [ 'amount, account_id, item_id, qty, customer_id, billable_status, tax_code_id', "10|7|||1|NotBillable|5\n4||11|2|||" ] } ],
	Bill => [ '"LinkedTxn":[],"DocNumber":"F-1","TxnDate":"2026-11-05","DueDate":"2026-12-05","VendorRef":{"value":"9"},"APAccountRef":{"value":"33"},"TotalAmt":14.10,"Balance":14.1,"Line":[{"Id":"1","Amount":10.10,"DetailType":"AccountBasedExpenseLineDetail","AccountBasedExpenseLineDetail":{"AccountRef":{"value":"7"},"CustomerRef":{"value":"1"},"BillableStatus":"NOT_BILLABLE","TaxCodeRef":{"value":"5"}}},{"Id":"2","Amount":4,"DetailType":"ItemBasedExpenseLineDetail","ItemBasedExpenseLineDetail":{"ItemRef":{"value":"11"},"Qty":2,"UnitPrice":2}}]',
		'doc_number, txn_date, due_date, vendor_id, ap_account_id, total_amt, balance', 'F-1|2026-11-05|2026-12-05|9|33|14.10|14.1', { bill_line => [ 'amount, account_id, item_id, qty, customer_id, billable_status, tax_code_id', "10.10|7|||1|NotBillable|5\n4||11|2|||" ] } ],
	VendorCredit => [ '"LinkedTxn":[],"DocNumber":"A-1","TxnDate":"2026-11-06","VendorRef":{"value":"9"},"TotalAmt":14,"Balance":2,"Line":[{"Id":"1","Amount":10,"DetailType":"AccountBasedExpenseLineDetail","AccountBasedExpenseLineDetail":{"AccountRef":{"value":"7"},"CustomerRef":{"value":"1"},"BillableStatus":"NOT_BILLABLE","TaxCodeRef":{"value":"5"}}},{"Id":"2","Amount":4,"DetailType":"ItemBasedExpenseLineDetail","ItemBasedExpenseLineDetail":{"ItemRef":{"value":"11"},"Qty":2,"UnitPrice":2}}]',
		'doc_number, vendor_id, total_amt, balance', 'A-1|9|14|2', { vendor_credit_line => [ 'amount, account_id, item_id, qty, customer_id, billable_status, tax_code_id', "10|7|||1|NotBillable|5\n4||11|2|||" ] } ],
	BillPayment => [ '"LinkedTxn":[],"DocNumber":"P-1","TxnDate":"2026-11-06","VendorRef":{"value":"9"},"PayType":"Check","CheckPayment":{"BankAccountRef":{"value":"35"},"PrintStatus":"NEED_TO_PRINT"},"TotalAmt":5,"Line":[{"Amount":5,"LinkedTxn":[{"TxnId":"77","TxnType":"Bill"}]}]',
		'doc_number, vendor_id, pay_type, bank_account_id, print_status, total_amt', 'P-1|9|Check|35|NeedToPrint|5', { bill_payment_line => [ 'amount, txn_id, txn_type', '5|77|Bill' ] } ],
	Purchase => [ '"LinkedTxn":[],"DocNumber":"D-1","TxnDate":"2026-11-06","PaymentType":"CreditCard","AccountRef":{"value":"41"},"EntityRef":{"type":"Vendor","value":"9"},"Credit":false,"TotalAmt":14,"Line":[{"Id":"1","Amount":10,"DetailType":"AccountBasedExpenseLineDetail","AccountBasedExpenseLineDetail":{"AccountRef":{"value":"7"},"CustomerRef":{"value":"1"},"BillableStatus":"NOT_BILLABLE","TaxCodeRef":{"value":"5"}}},{"Id":"2","Amount":4,"DetailType":"ItemBasedExpenseLineDetail","ItemBasedExpenseLineDetail":{"ItemRef":{"value":"11"},"Qty":2,"UnitPrice":2}}]',
		'doc_number, payment_type, account_id, entity_type, entity_id, credit, total_amt', 'D-1|CreditCard|41|Vendor|9|f|14', { purchase_line => [ 'amount, account_id, item_id, qty, customer_id, billable_status, tax_code_id', "10|7|||1|NotBillable|5\n4||11|2|||" ] } ],
	JournalEntry => [ '"LinkedTxn":[],"DocNumber":"J-1","TxnDate":"2026-11-06","Adjustment":true,"TotalAmt":0,"Line":[{"Id":"0","Amount":3.30,"DetailType":"JournalEntryLineDetail","JournalEntryLineDetail":{"PostingType":"Debit","AccountRef":{"value":"7"}}},{"Id":"1","Amount":3.30,"DetailType":"JournalEntryLineDetail","JournalEntryLineDetail":{"PostingType":"Credit","AccountRef":{"value":"84"},"Entity":{"Type":"Customer","EntityRef":{"value":"1"}}}}]',
		'doc_number, txn_date, adjustment, total_amt', 'J-1|2026-11-06|t|0', { journal_entry_line => [ 'amount, posting_type, account_id, entity_type, entity_id', "3.30|Debit|7||\n3.30|Credit|84|Customer|1" ] } ],
	Deposit => [ '"TxnDate":"2026-11-07","DepositToAccountRef":{"value":"35"},"TotalAmt":9,"CashBack":{"AccountRef":{"value":"36"},"Amount":1},"Line":[{"Amount":4,"LinkedTxn":[{"TxnId":"5","TxnType":"Payment","TxnLineId":"0"}]},{"Id":"2","Amount":6,"DetailType":"DepositLineDetail","DepositLineDetail":{"AccountRef":{"value":"82"},"CheckNum":"8","Entity":{"value":"1","type":"CUSTOMER"}}}]',
		'txn_date, deposit_to_account_id, total_amt, cash_back_account_id, cash_back_amount', '2026-11-07|35|9|36|1',
		{ deposit_line => [ 'amount, txn_id, txn_type, account_id, check_num, entity_type, entity_id', "4|5|Payment||||\n6|||82|8|Customer|1" ] } ],
	Transfer => [ '"TxnDate":"2026-11-07","FromAccountRef":{"value":"35"},"ToAccountRef":{"value":"36"},"Amount":12.34', 'txn_date, from_account_id, to_account_id, amount', '2026-11-07|35|36|12.34' ],
	TimeActivity => [ '"TxnDate":"2026-11-08","NameOf":"Employee","EmployeeRef":{"value":"55"},"CustomerRef":{"value":"1"},"ItemRef":{"value":"11"},"BillableStatus":"Billable","HourlyRate":80,"Hours":2,"Minutes":30,"Description":"Pose"',
		'txn_date, name_of, employee_id, customer_id, item_id, billable_status, hourly_rate, hours, minutes', '2026-11-08|Employee|55|1|11|Billable|80|2|30' ],
	Attachable => [ '"FileName":"plan.pdf","Note":"plan","Category":"Document","ContentType":"application/pdf","Size":1234,"AttachableRef":[{"EntityRef":{"type":"Invoice","value":"1"},"IncludeOnSend":true},{"EntityRef":{"type":"Customer","value":"1"}}]',
		'file_name, note, category, content_type, size', 'plan.pdf|plan|Document|application/pdf|1234', { attachable_ref => [ 'entity_type, entity_id, include_on_send', "Invoice|1|t\nCustomer|1|" ] } ],
	ExchangeRate => [ '"SourceCurrencyCode":"EUR","TargetCurrencyCode":"CAD","Rate":1.4837,"AsOfDate":"' . $today . '"',
		'id, source_currency, target_currency, as_of_date, rate', "EUR $today|EUR|CAD|$today|1.4837" ]);

my %entity = map { my ($object, @rest) = split /=/; ($object => { name => $rest[0], list => $rest[1] eq 't', document => $rest[2] eq 't', cdc => $rest[3] eq 't' }) }
  split /\n/, sql(q{SELECT object || '=' || entity || '=' || name_list || '=' || transaction || '=' || cdc FROM qbsync.catalogue WHERE NOT singleton}
	  =~ s/name_list \|\|/left(name_list::text, 1) ||/r =~ s/transaction \|\|/left(transaction::text, 1) ||/r =~ s/\|\| cdc/|| left(cdc::text, 1)/r);
is(join(' ', sort keys %sample), join(' ', sort keys %entity), 'there is a sample of every entity');

# Plant a sample in QuickBooks: a new record, or another version of it.
my $token = 0;
sub plant
{
	my ($object, $json, $active) = @_;
	my $of = $entity{$object};
	my $id = $of->{id} // ($object eq 'ExchangeRate' ? "EUR $today" : undef);
	my $key = $object eq 'ExchangeRate' ? '' : '"Id":"{{id}}",';
	my $answer = $simulator->control('POST', 'raw', { entity => $object, $id ? (id => $id) : (), active => $active // JSON::PP::true,
		json => decode('UTF-8', "{$key\"SyncToken\":\"" . $token++ . "\",\"domain\":\"QBO\",\"sparse\":false,$json,\"MetaData\":{\"CreateTime\":\""
		  . ($of->{created} // '{{now}}') . '","LastUpdatedTime":"{{now}}"}}') });
	$of->{id} = $answer->{id};
	$of->{created} //= $answer->{time};
}

# The daily readings are due.
sub a_day_later { sql("UPDATE qbsync.cursor SET checked_at = checked_at - interval '25 hours' WHERE entity <> '*'") }

# --- first load ----------------------------------------------------------------------------------------------------------------

$simulator->act('preference', set => { CurrencyPrefs => { MultiCurrencyEnabled => JSON::PP::true, HomeCurrency => { value => 'CAD' } } });
$simulator->act('company_info', set => { DefaultTimeZone => 'America/Toronto' });
plant($_, $sample{$_}[0]) foreach sort keys %sample;
connect_company($node, $simulator, no_wait => 1);
sql("SELECT qbsync_set('acme', 'vendors', 'import')");
await('everything', sub { sql("SELECT count(*) FILTER (WHERE phase = 'loaded') FROM qbsync.cursor WHERE entity <> '*'") eq sql('SELECT count(*) FROM qbsync.catalogue') });
wait_synced($node);
is_mirrored($node, $simulator, 'after the first load the mirror equals the company');

foreach my $object (sort keys %sample)
{
	my ($json, $columns, $expected, $lines) = @{ $sample{$object} };
	my ($table, $id) = ($entity{$object}{name}, $entity{$object}{id});
	is(sql("SELECT $columns FROM qbsync.$table WHERE id = '$id'"), $expected, "$object: its columns");
	foreach my $line (sort keys %{ $lines // {} })
	{
		is(sql("SELECT $lines->{$line}[0] FROM qbsync.$line WHERE ${table}_id = '$id' ORDER BY position"), $lines->{$line}[1], "$object: $line");
	}
}
is(sql('SELECT string_agg(entity, \' \') FROM qbsync.cursor WHERE phase <> \'loaded\''), '', 'all are loaded');
is(sql('SET ROLE qbsync_reader; SELECT ' . join(', ', map { "(SELECT count(*) > 0 FROM qbsync.$_)" } qw(customer estimate credit_memo invoice sales_receipt))), 't|t|t|t|t',
	'CEN-1: a reader has all customers, estimates, credit notes, invoices and sales receipts');
is(sql('SET ROLE qbsync_vendor_reader; SELECT count(*) > 0 FROM qbsync.purchase_order'), 't', 'CEN-1: and who may see what is bought, orders');

# --- changes --------------------------------------------------------------------------------------------------------------------

# Something of each changes: its first text or number gets another value.
sub changed
{
	my ($json) = @_;
	$json =~ s/("(?:Name|DisplayName|DocNumber)":")/$1Neu /
	  or $json =~ s/"TotalAmt":[\d.]+/"TotalAmt":77.01/ or $json =~ s/"(Rate|Amount|Hours)":[\d.]+/"$1":1.5/ or $json =~ s/"Note":"/"Note":"neu /;
	return $json;
}
plant($_, changed($sample{$_}[0])) foreach grep { $_ ne 'ExchangeRate' } sort keys %sample;
my $before = stats();
wait_synced($node, sync => 1);
my $after = stats();
is($after->{metered}{ $simulator->{realm} } - $before->{metered}{ $simulator->{realm} }, 2, 'changes come with one read, and one for time');
is(join(' ', sort map { /^(\w+)/ } grep { $_ } split /\n/, mirror_differences($node, $simulator)), 'TaxAgency TaxCode TaxRate',
	'of all but what change data capture does not carry');
plant('ExchangeRate', changed($sample{ExchangeRate}[0]));
a_day_later();
$before = stats();
wait_synced($node, sync => 1);
$after = stats();
is_mirrored($node, $simulator, 'that comes once a day');
is(sql("SELECT rate FROM qbsync.exchange_rate"), '1.5', 'and exchange rates');
is(join(' ', map { "$_ " . ($after->{requests}{$_} - ($before->{requests}{$_} // 0)) } grep { $after->{requests}{$_} != ($before->{requests}{$_} // 0) } sort keys %{ $after->{requests} }),
	'cdc 1 companyinfo 1 preferences 1 query 5 read 2', 'with a query for each');
is(sql("SELECT rate_value FROM qbsync.tax_rate_period WHERE tax_rate_id = '$entity{TaxRate}{id}' ORDER BY position"), "9.5\n9.975", 'lines are replaced, not added');
$before = stats();
wait_synced($node, sync => 1);
is(stats()->{requests}{query}, $before->{requests}{query} + 1, 'not sooner, but for time');

# --- inactive and deleted -----------------------------------------------------------------------------------------------------------

foreach my $object (sort keys %sample)
{
	if ($entity{$object}{list})
	{
		plant($object, changed($sample{$object}[0]) =~ s/"Active":true/"Active":false/r, JSON::PP::false);
	}
	elsif ($entity{$object}{document})
	{
		$simulator->act('delete', entity => $object, id => $entity{$object}{id});
	}
}
a_day_later();
sql("UPDATE qbsync.cursor SET finished_at = finished_at - interval '27 hours' WHERE entity = 'time_activity'");
wait_synced($node, sync => 1);
await('the comparison of time', sub { sql("SELECT phase = 'loaded' AND finished_at > now() - interval '1 hour' FROM qbsync.cursor WHERE entity = 'time_activity'") eq 't' });
is_mirrored($node, $simulator, 'what became inactive or was deleted is so here');
foreach my $object (sort keys %sample)
{
	my ($table, $id) = ($entity{$object}{name}, $entity{$object}{id});
	is(sql("SELECT active, deleted_at IS NULL FROM qbsync.$table WHERE id = '$id'"), 'f|t', "$object: inactive") if $entity{$object}{list};
	is(sql("SELECT deleted_at IS NOT NULL, raw IS NOT NULL FROM qbsync.$table WHERE id = '$id'"), 't|t', "$object: deleted, with its last content") if $entity{$object}{document};
}

# --- everything once more -----------------------------------------------------------------------------------------------------------

my $tables = "SELECT string_agg(relname || ' ' || n_tup_ins + n_tup_upd + n_tup_del, ',' ORDER BY relname) FROM pg_stat_user_tables t JOIN qbsync.catalogue c ON c.entity = t.relname WHERE schemaname = 'qbsync' AND NOT c.singleton";
my $written = sql($tables);
sql("UPDATE qbsync.cursor SET changed_since = now() - interval '40 days', checked_at = checked_at - interval '40 days' WHERE entity = '*'; UPDATE qbsync.cursor SET started_at = started_at - interval '40 days'");
sql("SELECT qbsync_sync_now('acme')");
await('everything to be read again', sub { sql("SELECT min(started_at) > now() - interval '1 day' FROM qbsync.cursor WHERE total > 1") eq 't' });
wait_synced($node);
is_mirrored($node, $simulator, 'a full re-read leaves the mirror equal');
is(sql($tables), $written, 'and writes nothing');

# --- what a company does not have -----------------------------------------------------------------------------------------------------

sql("SELECT qbsync_disconnect('acme', confirm => true, mode => 'purge_mirror')");
await('the end of the connection', sub { sql("SELECT state FROM qbsync.status") eq 'disconnected' });
my $rule = $simulator->fault('code', kind => 'query', path => 'FROM(%20|\+)(Class|TaxCode)', code => '5030');
$simulator->control('POST', 'stats', {});
my $grant = $simulator->control('POST', 'grant', {});
$simulator->{companies}[0]{refresh_token} = $grant->{refresh_token};
write_credentials($node, $simulator);
$node->reload;
sql("SELECT qbsync_connect(connection => 'acme', app => 'my-app', realm_id => '$simulator->{realm}')");
wait_synced($node);
is(sql("SELECT string_agg(entity, ' ' ORDER BY entity) FROM qbsync.cursor WHERE phase = 'absent'"), 'class tax_code', 'X: what the edition does not have is absent');
is(sql('SELECT state, ok FROM qbsync.status'), 'live|t', 'and nothing is wrong with that');
is(sql('SELECT count(*) FROM qbsync.class'), '0', 'nothing of it is here');
my $hits = $simulator->hits($rule);
a_day_later();
wait_synced($node, sync => 1);
is($simulator->hits($rule), $hits, 'it is not asked for again');
is(sql("SELECT qbsync_pause('acme'), qbsync_resume('acme')"), 'paused|live', 'a pause does not make it incomplete');
$simulator->clear_faults;
$simulator->act('preference', set => { AccountingInfoPrefs => { ClassTrackingPerTxn => JSON::PP::true } });
a_day_later();
wait_synced($node, sync => 1);
await('classes', sub { sql("SELECT string_agg(entity, ' ') FROM qbsync.cursor WHERE phase <> 'loaded'") eq '' });
is_mirrored($node, $simulator, 'until something about the company changes');

$node->stop;
is_quiet($node, 'nothing unexpected in the server log');
done_testing();
