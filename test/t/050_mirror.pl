# The mirror's writer, page by page: which version wins, what is exact, what becomes of bad records.  test/module puts it
# behind SQL functions, so that a page can say when its request started; no gateway takes part.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use Cwd qw(abs_path);
use IPC::Run ();
use PostgreSQL::Test::Utils;
use QbsyncListener;
use QbsyncTest;
use Test::More;

# --- the module, and a server whose gateway keeps still -----------------------------------------------------------

my $module = abs_path("$FindBin::Bin/../module");
{
	# a make above us must not decide how this one runs; the server's programs come first in PATH
	local @ENV{qw(MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL)};
	delete @ENV{qw(MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL)};
	my ($out, $err);
	IPC::Run::run([ 'make', '-s', '-C', $module, 'PG_CONFIG=' . ($ENV{PG_CONFIG} || 'pg_config') ],
		'>', \$out, '2>', \$err) or BAIL_OUT("the test module cannot be built: $err");
}
my $library = "$module/qbsync_mirror_test.so";

my $node = new_node('mirror', conf => "qbsync.paused = on\nqbsync.credentials_file = ''\nautovacuum = off\n");
$node->safe_psql('postgres', <<"SQL");
CREATE EXTENSION qbsync;
CREATE SCHEMA mirror_test;
CREATE FUNCTION mirror_test.apply(connection_id integer, entity text, body bytea, started timestamptz, notify boolean)
	RETURNS text LANGUAGE c STRICT AS '$library', 'qbsync_mirror_test_apply';
CREATE FUNCTION mirror_test.mark_deleted(connection_id integer, entity text, ids text[], started timestamptz, notify boolean)
	RETURNS text LANGUAGE c STRICT AS '$library', 'qbsync_mirror_test_mark_deleted';
CREATE FUNCTION mirror_test.scan(body bytea, OUT object text, OUT id text, OUT sync_token text, OUT last_updated text,
	OUT deleted boolean, OUT altered boolean, OUT fingerprint bigint)
	RETURNS SETOF record LANGUAGE c STRICT AS '$library', 'qbsync_mirror_test_scan';
CREATE FUNCTION mirror_test.json(record text) RETURNS jsonb LANGUAGE c STRICT AS '$library', 'qbsync_mirror_test_json';
SQL

# One session applies everything, as a gateway does: what the writer keeps from page to page is used again.
my $session = $node->background_psql('postgres', on_error_stop => 0);

sub sql
{
	my ($query) = @_;
	my $out = $session->query($query);
	my $error = $session->{stderr};
	$session->{stderr} = '';
	return $error eq '' ? $out : $error;
}
sql("SET timezone = 'UTC'");

# --- records and pages --------------------------------------------------------------------------------------------

my %objects = (customer => 'Customer', invoice => 'Invoice', payment => 'Payment');
my $edited = '2026-11-21T10:11:12-08:00';
my $later = '2026-11-22T10:11:12-08:00';
my $pages = 0;

# A customer; arguments: token, updated, more (members as JSON).
sub customer
{
	my ($id, %arg) = @_;
	return sprintf '{"Id":"%s","SyncToken":"%s","domain":"QBO","DisplayName":"N%s","MetaData":{"CreateTime":"%s","LastUpdatedTime":"%s"}%s}',
	  $id, $arg{token} // 0, $id, '2026-01-05T09:00:00-08:00', $arg{updated} // $edited, $arg{more} ? ",$arg{more}" : '';
}

sub line
{
	my ($number) = @_;
	return sprintf '{"Id":"%d","LineNum":%d,"Amount":12.00,"DetailType":"SalesItemLineDetail",'
	  . '"SalesItemLineDetail":{"ItemRef":{"value":"11"},"Qty":1.5,"UnitPrice":8}}', $number, $number;
}

# An invoice; arguments: token, updated, customer, lines (JSON), more (members as JSON).
sub invoice
{
	my ($id, %arg) = @_;
	return sprintf '{"Id":"%s","SyncToken":"%s","CustomerRef":{"value":"%s"},"TotalAmt":1,"Balance":1,"EmailStatus":"NOT_SET",'
	  . '"MetaData":{"CreateTime":"%s","LastUpdatedTime":"%s"},"Line":%s%s}',
	  $id, $arg{token} // 0, $arg{customer} // 42, '2026-01-05T09:00:00-08:00', $arg{updated} // $edited,
	  $arg{lines} // '[' . line(1) . ']', $arg{more} ? ",$arg{more}" : '';
}

# What a change feed says of a deleted record.
sub stub
{
	my ($id) = @_;
	return qq({"domain":"QBO","status":"Deleted","Id":"$id","MetaData":{"LastUpdatedTime":"2026-11-22T09:00:01-08:00"}});
}

# A second in which a request started.
sub at { return '2026-11-22 10:00:' . sprintf('%02d', $_[0]) . '+00' }

# The expression that reads a page: a body, or records of an entity.
sub page
{
	my ($entity, $content) = @_;
	my $body = !ref $content ? $content
	  : qq({"QueryResponse":{"$objects{$entity}":[) . join(',', @$content) . ']},"time":"2026-11-22T03:14:15.926-08:00"}';
	my $file = $node->basedir . '/page-' . ++$pages . '.json';
	open(my $out, '>:raw', $file) or die "$file: $!";
	print $out $body;
	close $out or die "$file: $!";
	return "pg_read_binary_file('$file')";
}

# The call that applies a page asked for at a second; arguments: connection_id, notify.
sub call
{
	my ($entity, $content, $second, %arg) = @_;
	return sprintf q{mirror_test.apply(%d, '%s', %s, '%s', %s)}, $arg{connection_id} // 1, $entity,
	  page($entity, $content), at($second), $arg{notify} ? 'true' : 'false';
}

sub call_deleted
{
	my ($entity, $ids, $second, %arg) = @_;
	return sprintf q{mirror_test.mark_deleted(%d, '%s', '{%s}', '%s', %s)}, $arg{connection_id} // 1, $entity,
	  join(',', @$ids), at($second), $arg{notify} ? 'true' : 'false';
}

# Tests: what a page came to, and what is there.
sub applies
{
	my ($name, $expected, @page) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(sql('SELECT ' . call(@page)), $expected, $name);
}

sub marks
{
	my ($name, $expected, @ids) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(sql('SELECT ' . call_deleted(@ids)), $expected, $name);
}

sub shows
{
	my ($name, $expected, $query) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(sql($query), $expected, $name);
}

# What changes when any row of these tables is written again, even with the same content.
sub versions
{
	return sql(join ' UNION ALL ', map { "SELECT '$_', count(*), md5(string_agg(concat(xmin, ctid), ' ' ORDER BY ctid)) FROM qbsync.$_" }
		qw(customer invoice invoice_line payment payment_line error));
}

# --- a first page -------------------------------------------------------------------------------------------------

applies('an empty page', 'nothing', 'customer', [], 1);
my @first = (
	'{"Id":"1","SyncToken":"3","DisplayName":"Été & Fils","Balance":100.10,"BalanceWithJobs":99999999999.99,"Active":true,'
	  . '"PrimaryEmailAddr":{"Address":"a@b.c, d@e.f ,,"},"Level":"2","TaxExemptionReasonId":7,'
	  . '"BillAddr":{"Line1":"1 rue X","City":"Laval","CountrySubDivisionCode":"QC","PostalCode":"H7X","Country":"Canada"},'
	  . '"CurrencyRef":{"value":"CAD","name":"x"},"SalesTermRef":{"value":"3"},"PrimaryPhone":{"FreeFormNumber":"555"},'
	  . '"OpenBalanceDate":"2026-02-28","PreferredDeliveryMethod":"PRINT","Tomorrow":{"is":[1.50,null,"new"]},'
	  . '"MetaData":{"CreateTime":"2026-01-05T09:00:00-08:00","LastUpdatedTime":"2026-11-21T10:11:12.123-08:00"}}',
	'{"Id":"1234567890123456789","SyncToken":"0","DisplayName":"nineteen",'
	  . '"MetaData":{"CreateTime":"2026-07-05T09:00:00","LastUpdatedTime":"2026-11-21T18:11:12Z"}}',
	'{"Id":"3","DisplayName":"no version"}');
applies('new records, one of them with an id of 19 digits', '3 inserted', 'customer', \@first, 1);
shows('columns', 'Été & Fils|t|{a@b.c,d@e.f}|2|7|1 rue X|Laval|QC|H7X|Canada|CAD|3|555|2026-02-28|Print|3||',
	"SELECT display_name, active, emails, level, tax_exemption_reason_id, bill_line1, bill_city, bill_region, bill_postal_code, "
	  . 'bill_country, currency, term_id, primary_phone, open_balance_date, preferred_delivery_method, sync_token, altered, deleted_at '
	  . "FROM qbsync.customer WHERE id = '1'");
shows('times', '2026-01-05 17:00:00+00|2026-11-21 18:11:12.123+00|2026-11-22 10:00:01+00',
	"SELECT create_time, last_updated_time, seen_at FROM qbsync.customer WHERE id = '1'");
shows('a time without a zone is Pacific time', '2026-07-05 16:00:00+00',
	"SELECT create_time FROM qbsync.customer WHERE id = '1234567890123456789'");
shows('promise 8: amounts are exact', '100.10|99999999999.99|100.10|99999999999.99',
	"SELECT balance, balance_with_jobs, raw ->> 'Balance', raw ->> 'BalanceWithJobs' FROM qbsync.customer WHERE id = '1'");
shows('promise 8: unknown members survive', '{"is": [1.50, null, "new"]}',
	"SELECT raw -> 'Tomorrow' FROM qbsync.customer WHERE id = '1'");

# --- which version wins -------------------------------------------------------------------------------------------

my $before = versions();
applies('the same page again', '3 unchanged', 'customer', \@first, 2);
is(versions(), $before, 'writes no row version');
shows('and takes no transaction id', "3 unchanged\nt",
	'BEGIN; SELECT ' . call('customer', \@first, 2) . '; SELECT pg_current_xact_id_if_assigned() IS NULL; COMMIT');

my $reordered = '{"SyncToken":"0","Id":"1234567890123456789","DisplayName":"nineteen",'
  . '"MetaData":{"LastUpdatedTime":"2026-11-21T18:11:12Z","CreateTime":"2026-07-05T09:00:00"}}';
shows('members in another order make another fingerprint', '2',
	'SELECT count(DISTINCT fingerprint) FROM mirror_test.scan(' . page('customer', [ $first[1], $reordered ]) . ')');
applies('but no new version', '1 unchanged', 'customer', [$reordered], 2);
is(versions(), $before, 'and no row version');

applies('promise 5: a page never overwrites what a later request has fetched', '1 stale',
	'customer', [ customer(1, token => 4, updated => '2026-11-21T10:11:12.123-08:00') ], 0);
applies('a server that lags behind does not bring an old version back', '1 stale',
	'customer', [ customer(1, token => 2, updated => '2026-11-20T10:00:00-08:00') ], 3);
is(versions(), $before, 'stale records write nothing');
applies('a newer version', '1 updated', 'customer', [ customer(1, token => 4, updated => $later, more => '"Balance":5') ], 3);
shows('replaces all of the older one', 'N1|5||4|2026-11-22 10:00:03+00',
	"SELECT display_name, balance, bill_city, sync_token, seen_at FROM qbsync.customer WHERE id = '1'");
applies('EXT-25: of two edits with the same time the second is not lost', '1 updated',
	'customer', [ customer(1, token => 5, updated => $later, more => '"Balance":6') ], 4);
applies('EXT-25: not even with the same token', '1 updated',
	'customer', [ customer(1, token => 5, updated => $later, more => '"Balance":7') ], 4);
shows('EXT-25: it is here', '5|7', "SELECT sync_token, balance FROM qbsync.customer WHERE id = '1'");
applies('EXT-25: tokens are compared as numbers', '1 updated',
	'customer', [ customer(1, token => 10, updated => '2026-11-22T10:11:11-08:00', more => '"Balance":8') ], 4);
applies('EXT-25: a lower token with a later time is a new version', '1 updated',
	'customer', [ customer(1, token => 9, updated => '2026-11-22T10:11:13-08:00', more => '"Balance":9') ], 4);
applies('a write that was asked for before a poll that did not see it yet: newer by number and time', '1 updated',
	'customer', [ customer(1, token => 11, updated => '2026-11-22T10:11:14-08:00', more => '"Balance":9') ], 1);
shows('and a page of that poll does not take it back', '11', "SELECT sync_token FROM qbsync.customer WHERE id = '1'");
applies('nor one asked for later that lags behind', '1 stale',
	'customer', [ customer(1, token => 9, updated => '2026-11-22T10:11:13-08:00', more => '"Balance":9') ], 6);

applies('EXT-25: of two versions in a page the last one counts', '2 inserted, 1 stale', 'customer',
	[ customer(5, more => '"Notes":"a"'), customer(6), customer(5, token => 1, more => '"Notes":"b"') ], 3);
shows('EXT-25: the last one', 'b|1', "SELECT notes, sync_token FROM qbsync.customer WHERE id = '5'");

shows('pages of one transaction see each other', "1 inserted\n1 updated", 'BEGIN; SELECT ' . call('customer', [ customer(400) ], 1)
	  . '; SELECT ' . call('customer', [ customer(400, token => 1, updated => $later) ], 1) . '; COMMIT');
shows('pages of one statement too', '1 inserted|1 updated', 'SELECT ' . call('customer', [ customer(401) ], 1) . ', '
	  . call('customer', [ customer(401, token => 1, updated => $later) ], 1));

# --- values of another type, and text PostgreSQL cannot hold --------------------------------------------------------

applies('a record with values of other types is stored', '1 inserted', 'customer',
	['{"Id":"7","SyncToken":"0","DisplayName":17,"Balance":"abc","Level":1.5,"OpenBalanceDate":"2026-02-30","Active":"yes",'
		. '"BalanceWithJobs":"12.50","MetaData":{"LastUpdatedTime":"nonsense"}}'], 3);
shows('without those values', 't|t|12.50|t|t',
	"SELECT display_name IS NULL, balance IS NULL, balance_with_jobs, level IS NULL, raw ->> 'Balance' = 'abc' FROM qbsync.customer WHERE id = '7'");
shows('promise 9: the error names them', '7|bad_value|display_name, level, active, balance, open_balance_date, last_updated_time|t',
	'SELECT id, problem, detail, record IS NULL FROM qbsync.error');
applies('the record is mended', '1 updated', 'customer', [ customer(7, token => 1) ], 4);
shows('promise 9: the error leaves with its cause', '0', 'SELECT count(*) FROM qbsync.error');

my @altered = (
	'{"Id":"10","SyncToken":"0","DisplayName":"a\u0000b","Notes":"\ud800x"}',
	'{"Id":"11","SyncToken":"0","DisplayName":"big","Balance":1e999999}',
	qq({"Id":"12","SyncToken":"0","DisplayName":"bad\xff\xfe!"}));
applies('promise 8: what PostgreSQL cannot hold is replaced', '3 inserted', 'customer', \@altered, 4);
shows('promise 8: and marked', "10|a\xef\xbf\xbdb|\xef\xbf\xbdx||{nul,surrogate}\n11|big|||{number}\n12|bad\xef\xbf\xbd\xef\xbf\xbd!|||{utf8}",
	"SELECT id, display_name, notes, balance, altered FROM qbsync.customer WHERE id IN ('10', '11', '12') ORDER BY id");
shows('promise 8: and listed', "10|altered_text|\n11|altered_text|\n11|bad_value|balance\n12|altered_text|",
	'SELECT id, problem, detail FROM qbsync.error ORDER BY id, problem');
$before = versions();
applies('altered records that did not change', '3 unchanged', 'customer', \@altered, 5);
is(versions(), $before, 'write no row version, nor do their errors');
applies('altered records are mended', '3 updated', 'customer', [ map { customer($_, token => 1) } 10 .. 12 ], 5);
shows('promise 8: the marks are gone', '0', 'SELECT (SELECT count(*) FROM qbsync.error) '
	  . '+ (SELECT count(*) FROM qbsync.customer WHERE altered IS NOT NULL)');

# --- lines, amounts -------------------------------------------------------------------------------------------------

my $lines = '[' . join(',', line(1),
	'{"Amount":12,"DetailType":"SUBTOTAL_LINE_DETAIL","SubTotalLineDetail":{}}',
	'{"Amount":1.2,"DetailType":"DiscountLineDetail","DiscountLineDetail":{"PercentBased":true,"DiscountPercent":10,"DiscountAccountRef":{"value":"86"}}}',
	'{"Id":"9","DetailType":"GroupLineDetail","GroupLineDetail":{"GroupItemRef":{"value":"77"},"Quantity":3}}',
	'{"DetailType":"DescriptionOnly","Description":"hi","DescriptionLineDetail":{"ServiceDate":"2026/01/02"}}') . ']';
applies('EXT-26: an invoice before its customer, items and payments', '1 inserted', 'invoice',
	[ invoice(1, lines => $lines, more => '"TxnTaxDetail":{"TotalTax":8.64,"TxnTaxCodeRef":{"value":"3"}},"LinkedTxn":[{"TxnId":"4","TxnType":"Payment"}]') ], 1);
shows('EXT-26: its references', '42|8.64|3|NotSet|[{"TxnId": "4", "TxnType": "Payment"}]|f',
	'SELECT customer_id, total_tax, tax_code_id, email_status, linked_txn, '
	  . 'EXISTS (SELECT FROM qbsync.customer c WHERE c.id = i.customer_id) FROM qbsync.invoice i');
shows('its lines',
	"1|1|1|SalesItemLineDetail|12.00|11|1.5|8|||||\n2|||SubTotalLineDetail|12||||||||\n3|||DiscountLineDetail|1.2|||||t|10|86|\n"
	  . "4|9||GroupLineDetail||77|3||||||\n5|||DescriptionOnly|||||2026-01-02||||hi",
	'SELECT position, line_id, line_num, detail_type, amount, item_id, qty, unit_price, service_date, percent_based, discount_percent, '
	  . 'discount_account_id, description FROM qbsync.invoice_line ORDER BY position');
applies('fewer lines', '1 updated', 'invoice', [ invoice(1, token => 1, lines => '[' . line(1) . ',' . line(2) . ']', updated => $later) ], 2);
shows('replace the old ones', "1|12.00|SalesItemLineDetail\n2|12.00|SalesItemLineDetail",
	'SELECT position, amount, detail_type FROM qbsync.invoice_line ORDER BY position');
my $one_line = invoice(1, token => 2, lines => line(7), updated => '2026-11-22T11:11:12-08:00');
applies('a line that is no array', '1 updated', 'invoice', [$one_line], 2);
shows('is one line', '1|7', 'SELECT position, line_num FROM qbsync.invoice_line');

my $many = '[' . join(',', map { line($_) } 1 .. 10000) . ']';
my $many_lines = "SELECT count(*), max(position), sum(line_num) FROM qbsync.invoice_line WHERE invoice_id = '2'";
applies('10,000 lines', '1 inserted', 'invoice', [ invoice(2, lines => $many) ], 2);
shows('are here', '10000|10000|50005000', $many_lines);
my $placed = sql("SELECT min(ctid), max(ctid), min(xmin::text) FROM qbsync.invoice_line WHERE invoice_id = '2'");
applies('10,000 lines again', '1 updated', 'invoice', [ invoice(2, token => 1, lines => $many, updated => $later) ], 3);
shows('are here once', '10000|10000|50005000', $many_lines);
shows('and are not written again, as none is another', $placed, "SELECT min(ctid), max(ctid), min(xmin::text) FROM qbsync.invoice_line WHERE invoice_id = '2'");

my $bad_line = '[' . line(1) . ',{"Amount":"much","DetailType":"SalesItemLineDetail"}]';
my $noted = "SELECT problem, detail FROM qbsync.error WHERE id = '4'";
applies('promise 9: a bad value in a line', '1 inserted', 'invoice', [ invoice(4, lines => $bad_line) ], 2);
shows('promise 9: is noted', 'bad_value|amount of line 2', $noted);
applies('promise 9: the same lines in a later version', '1 updated', 'invoice', [ invoice(4, token => 1, lines => $bad_line, updated => $later) ], 3);
shows('promise 9: it is still noted', 'bad_value|amount of line 2', $noted);
applies('promise 9: other lines', '1 updated', 'invoice', [ invoice(4, token => 2, lines => '[' . line(1) . ']', updated => '2026-11-22T11:11:12-08:00') ], 4);
shows('promise 9: and is no longer, when it is gone', '', $noted);
sql("DELETE FROM qbsync.invoice WHERE id = '4'; DELETE FROM qbsync.invoice_line WHERE invoice_id = '4'");

applies('EXT-20: an invoice in another currency', '1 inserted', 'invoice',
	[ invoice(3, lines => '[{"Amount":0.10,"DetailType":"SalesItemLineDetail","SalesItemLineDetail":{"Qty":0.3333333,"UnitPrice":1E+2}}]')
		  =~ s/"TotalAmt":1,"Balance":1/"TotalAmt":99999999999.99,"Balance":100.10,"HomeTotalAmt":12345678901234567890.12,"HomeBalance":-0.30,"Deposit":"7.00","CurrencyRef":{"value":"USD"},"ExchangeRate":1.37123456789012345678/r ], 1);
shows('EXT-20: amounts, currency and rate are kept together and exact',
	'99999999999.99|100.10|12345678901234567890.12|-0.30|7.00|USD|1.37123456789012345678',
	"SELECT total_amt, balance, home_total_amt, home_balance, deposit, currency, exchange_rate FROM qbsync.invoice WHERE id = '3'");
shows('EXT-20: those of the lines too', '0.10|0.3333333|100',
	"SELECT amount, qty, unit_price FROM qbsync.invoice_line WHERE invoice_id = '3'");

# --- deletes --------------------------------------------------------------------------------------------------------

applies('a deleted invoice', '1 deleted', 'invoice', [ stub(1) ], 5);
shows('keeps its content', '2026-11-22 17:00:01+00|42|t|2026-11-22 10:00:05+00',
	"SELECT deleted_at, customer_id, raw IS NOT NULL, seen_at FROM qbsync.invoice WHERE id = '1'");
shows('and its lines', '1', "SELECT count(*) FROM qbsync.invoice_line WHERE invoice_id = '1'");
$before = versions();
applies('deleted, told again', '1 unchanged', 'invoice', [ stub(1) ], 6);
applies('promise 5: a page never revives what a later request has seen deleted', '1 stale', 'invoice', [$one_line], 4);
is(versions(), $before, 'promise 5: and writes nothing');
applies('promise 5: a later request revives, even with the same bytes', '1 updated', 'invoice', [$one_line], 7);
shows('promise 5: it is back', 't|1', 'SELECT deleted_at IS NULL, (SELECT count(*) FROM qbsync.invoice_line l '
	  . "WHERE l.invoice_id = i.id) FROM qbsync.invoice i WHERE id = '1'");

applies('a deleted record we never saw', '1 deleted', 'invoice', [ stub(99) ], 5);
shows('leaves a row without content', 't|t|t', "SELECT deleted_at IS NOT NULL, raw IS NULL, customer_id IS NULL FROM qbsync.invoice WHERE id = '99'");
applies('promise 5: which keeps a page on its way out', '1 stale', 'invoice', [ invoice(99) ], 4);
applies('promise 5: and lets a later one in', '1 updated', 'invoice', [ invoice(99) ], 6);

marks('a record that was looked for and is not there', '1 deleted', 'invoice', ['99'], 8);
shows('is marked', 't|t', "SELECT deleted_at IS NOT NULL, raw IS NOT NULL FROM qbsync.invoice WHERE id = '99'");
marks('promise 5: but not if a later request found it', '1 stale', 'invoice', ['1'], 1);
marks('an id that cannot be is passed over', '1 unchanged', 'invoice', [ '9' x 40, '99' ], 8);

my $noise = join '', do { srand(1); map { ('a' .. 'z', 'A' .. 'Z', 0 .. 9)[ int rand 62 ] } 1 .. 20000 };
applies('a long value', '1 inserted', 'customer', [ customer(410, more => qq("Notes":"$noise","Balance":1)) ], 1);
marks('a deleted record with a long value', '1 deleted', 'customer', ['410'], 8);
shows('keeps it', '20000|t|t', "SELECT length(notes), raw ->> 'Notes' = notes, deleted_at IS NOT NULL FROM qbsync.customer WHERE id = '410'");

# --- bad records ----------------------------------------------------------------------------------------------------

my @good = map { customer($_) } 100 .. 139;
my $nameless = '{"Id":"' . '9' x 40 . '"}';
applies('promise 9: records without an id, the others are stored', '40 inserted, 2 bad', 'customer',
	[ @good[ 0 .. 2 ], '{"SyncToken":"0"}', $nameless, @good[ 3 .. 39 ] ], 5);
shows('promise 9: the error keeps the bytes', "|bad_record|1|$nameless",
	"SELECT id, problem, occurrences, convert_from(record, 'UTF8') FROM qbsync.error");

# A reference too long for its index: too long for an index row of any kind, and too long for this kind of index.
my @invoices = map { invoice($_) } 600 .. 639;
$invoices[17] = invoice(617, customer => $noise);
$invoices[33] = invoice(633, customer => substr($noise, 0, 4000));
applies('promise 9: records that fail are isolated from their page', '38 inserted, 2 bad', 'invoice', \@invoices, 5);
shows('promise 9: the others are here with their lines', '38|38|38', 'SELECT count(*), count(DISTINCT invoice_id), '
	  . "(SELECT count(*) FROM qbsync.invoice WHERE id BETWEEN '600' AND '639') FROM qbsync.invoice_line WHERE invoice_id BETWEEN '600' AND '639'");
my %errors = map { split /\|/, $_, 2 } split /\n/,
  sql("SELECT id, problem || '|' || detail FROM qbsync.error WHERE entity = 'invoice'");
is(join(',', sort keys %errors), '617,633', 'promise 9: the two are among the errors');
like($errors{617}, qr/^bad_record\|index row requires \d+ bytes, maximum size is \d+$/, 'promise 9: with the cause: longer than any index row');
like($errors{633}, qr/^bad_record\|index row size \d+ exceeds btree version \d+ maximum \d+ for index "invoice_customer_id_idx"$/,
	'promise 9: with the cause: longer than a row of this index');
shows('promise 9: and with their bytes', "617|t|t|t\n633|t|t|t", "SELECT id, convert_from(record, 'UTF8')::jsonb ->> 'Id' = id, "
	  . "length(record) > 4000, first_seen = last_seen FROM qbsync.error WHERE entity = 'invoice' ORDER BY id");
$before = versions();
applies('promise 9: again with the next poll', '38 unchanged, 2 bad', 'invoice', \@invoices, 6);
is(versions(), $before, 'promise 9: a bad record that comes again writes nothing');
shows('promise 9: nor is it counted', '1', "SELECT DISTINCT occurrences FROM qbsync.error WHERE entity = 'invoice'");
sql("UPDATE qbsync.error SET last_seen = last_seen - interval '2 hours', first_seen = first_seen - interval '2 hours'");
applies('promise 9: hours later', '38 unchanged, 2 bad', 'invoice', \@invoices, 6);
shows('promise 9: it is', '2|t', "SELECT DISTINCT occurrences, last_seen > first_seen + interval '1 hour' FROM qbsync.error WHERE entity = 'invoice'");
$invoices[17] = invoice(617);
applies('promise 9: one is mended', '1 inserted, 38 unchanged, 1 bad', 'invoice', \@invoices, 6);
shows('promise 9: its error leaves', '633', "SELECT id FROM qbsync.error WHERE entity = 'invoice'");
applies('promise 9: an update can be bad too', '1 bad', 'invoice', [ invoice(600, token => 1, updated => $later, customer => $noise) ], 6);
shows('promise 9: the version before stays, with its lines', '42|0|1', 'SELECT customer_id, sync_token, (SELECT count(*) '
	  . "FROM qbsync.invoice_line l WHERE l.invoice_id = i.id) FROM qbsync.invoice i WHERE id = '600'");
marks('promise 9: deleted in QuickBooks', '2 deleted', 'invoice', [ '600', '633' ], 7);
shows('promise 9: the errors leave', '0', "SELECT count(*) FROM qbsync.error WHERE entity = 'invoice'");
applies('promise 9: a page of nothing else', '3 bad', 'invoice', [ map { invoice($_, customer => $noise) } 650 .. 652 ], 6);
applies('promise 9: long bytes', '1 bad', 'customer', [ '{"Notes":"' . $noise x 5 . '"}' ], 6);
shows('promise 9: are clipped', '65536', "SELECT length(record) FROM qbsync.error WHERE entity = 'customer'");
sql("DELETE FROM qbsync.error");

# --- the other entities ---------------------------------------------------------------------------------------------

applies('EXT-26: a payment before its invoices', '1 inserted', 'payment',
	['{"Id":"1","SyncToken":"0","CustomerRef":{"value":"42"},"TotalAmt":170.00,"UnappliedAmt":20,"Line":['
		. '{"Amount":100.00,"LinkedTxn":[{"TxnId":"301","TxnType":"Invoice"}],"LineEx":{"any":[{"name":"x","value":{"Name":"txnId","Value":"301"}},'
		. '{"name":"x","value":{"Name":"txnOpenBalance","Value":"131.64"}},{"value":{"Name":"txnReferenceNumber","Value":"1001"}}]}},'
		. '{"Amount":50.00,"LinkedTxn":{"TxnId":"302","TxnType":"Invoice"}}]}'], 1);
shows('its applications', "1|100.00|301|Invoice|131.64|1001\n2|50.00|302|Invoice||",
	'SELECT position, amount, txn_id, txn_type, open_balance, reference_number FROM qbsync.payment_line ORDER BY 1');
applies('the company', '1 inserted', 'company_info',
	'{"CompanyInfo":{"CompanyName":"P","DefaultTimeZone":"America/Toronto","CompanyStartDate":"2015-06-05","NameValue":['
	  . '{"Name":"NeoEnabled","Value":"true"},{"Name":"OfferingSku","Value":"Plus"},{"Name":"SubscriptionStatus","Value":"PAID"}],'
	  . '"Id":"1","SyncToken":"4"},"time":"x"}', 1);
shows('its columns', 'P|America/Toronto|2015-06-05|Plus|PAID',
	'SELECT company_name, default_time_zone, company_start_date, offering_sku, subscription_status FROM qbsync.company_info');
applies('its preferences', '1 inserted', 'preferences',
	'{"Preferences":{"SalesFormsPrefs":{"CustomTxnNumbers":false,"CustomField":[{"a":1}],"DefaultTerms":{"value":"3"}},'
	  . '"CurrencyPrefs":{"MultiCurrencyEnabled":true,"HomeCurrency":{"value":"CAD"}},"OtherPrefs":{"NameValue":['
	  . '{"Name":"SalesFormsPrefs.AllowGratuity","Value":"true"},{"Name":"SalesFormsPrefs.DefaultCustomerMessage","Value":"Merci"}]},'
	  . '"AccountingInfoPrefs":{"BookCloseDate":"2025-12-31"},"Id":"1","SyncToken":"4"},"time":"x"}', 1);
shows('their columns', 'f|[{"a": 1}]|3|t|CAD|t|Merci|2025-12-31|t',
	'SELECT custom_txn_numbers, sales_custom_fields, default_term_id, multi_currency_enabled, home_currency, allow_gratuity, '
	  . 'default_customer_message, book_close_date, partner_tax_enabled IS NULL FROM qbsync.preferences');

# --- companies side by side -------------------------------------------------------------------------------------------

my $of_first = "SELECT xmin, ctid, deleted_at FROM qbsync.customer WHERE (connection_id, id) = (1, '400')";
my $of_first_lines = "SELECT xmin, ctid FROM qbsync.invoice_line WHERE (connection_id, invoice_id) = (1, '1')";
my @before = (sql($of_first), sql($of_first_lines));
applies('EXT-29: the same id in another company is another record', '1 inserted', 'customer', [ customer(400) ], 1, connection_id => 2);
applies('EXT-29: with a newer version', '1 updated', 'customer', [ customer(400, token => 9, updated => $later) ], 2, connection_id => 2);
marks('EXT-29: and a deletion', '1 deleted', 'customer', ['400'], 9, connection_id => 2);
applies('EXT-29: lines too', '1 inserted', 'invoice', [ invoice(1) ], 1, connection_id => 2);
applies('EXT-29: replaced', '1 updated', 'invoice', [ invoice(1, token => 9, updated => $later) ], 2, connection_id => 2);
is_deeply([ sql($of_first), sql($of_first_lines) ], \@before, 'EXT-29: nothing of the first company was touched');
shows('EXT-29: every mirror table is keyed by company first', '0',
	'SELECT count(*) FROM (SELECT entity FROM qbsync.catalogue UNION ALL SELECT "table" FROM qbsync.catalogue_line) t(name) '
	  . "LEFT JOIN pg_index i ON i.indrelid = to_regclass('qbsync.' || t.name) AND i.indisprimary "
	  . 'LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] '
	  . "WHERE a.attname IS DISTINCT FROM 'connection_id'");
shows('EXT-26: no mirror table refers to another', '0', 'SELECT count(*) FROM pg_constraint k '
	  . "WHERE k.contype = 'f' AND k.conrelid IN (SELECT to_regclass('qbsync.' || entity) FROM qbsync.catalogue "
	  . q{UNION ALL SELECT to_regclass('qbsync.' || "table") FROM qbsync.catalogue_line)});

# --- notifications ----------------------------------------------------------------------------------------------------

my $listener = QbsyncListener->new($node);
sql('SELECT ' . join ', ',
	call('customer', [ customer(201), customer(202) ], 1, notify => 1),
	call('customer', [ customer(203) ], 1, notify => 1),
	call('invoice', [ invoice(900) ], 1, notify => 1),
	call('customer', [ customer(204) ], 1, notify => 1, connection_id => 2));
is($listener->heard_text, "company 1 customer 201,202,203\ncompany 1 invoice 900\ncompany 2 customer 204",
	'one notification per connection, entity and transaction');
sql('SELECT ' . call('customer', [ map { customer($_) } 30000 .. 31999 ], 1, notify => 1));
is($listener->heard_text, 'company 1 customer #2000', 'a count where the ids are too many');
sql('SELECT ' . call_deleted('customer', ['201'], 2, notify => 1));
is($listener->heard_text, 'company 1 customer 201', 'a deletion is told');
sql('SELECT ' . call('customer', [ customer(202), customer(201) ], 1, notify => 1));
is($listener->heard_text, '', 'what did not change is not');
sql('BEGIN; SELECT ' . call('customer', [ customer(205) ], 1, notify => 1) . '; ROLLBACK');
sql('SELECT ' . call('customer', [ customer(206) ], 1, notify => 0));
is($listener->heard_text, '', 'nor what was rolled back, nor the first load');
$listener->quit;

# --- what is nobody's record ----------------------------------------------------------------------------------------

my $holder = $node->background_psql('postgres');
my $page = [ customer(500), customer(5, token => 2, updated => $later, more => '"Notes":"c"'), customer(501) ];

# The error of a page while another session has the table locked.
sub error_while_locked
{
	my ($setting) = @_;
	$holder->query_safe('BEGIN');
	$holder->query_safe('LOCK TABLE qbsync.customer IN SHARE MODE');
	my ($error, $for_ever) = ('', 0);
	$node->psql('postgres', "SET $setting; SELECT " . call('customer', $page, 9),
		stderr => \$error, timeout => 60, timed_out => \$for_ever);
	$holder->query_safe('ROLLBACK');
	return $for_ever ? 'it waited on' : $error;
}

# The error of a page that waits for another session, which did something to its rows and then commits.
sub error_after
{
	my ($statement, @page) = @_;
	$holder->query_safe('BEGIN');
	$holder->query_safe($statement);
	my ($out, $error) = ('', '');
	my $psql = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'SELECT ' . call(@page) ],
		'<', \undef, '>', \$out, '2>', \$error, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	await('the page to wait, or to end', sub {
		$psql->pump_nb if $psql->pumpable;
		return !$psql->pumpable || $node->safe_psql('postgres', 'SELECT count(*) FROM pg_locks WHERE NOT granted') > 0;
	});
	$holder->query_safe('COMMIT');
	$psql->finish;
	return "$out$error";
}

$before = versions();
like(error_while_locked("statement_timeout = '200ms'"), qr/canceling statement due to statement timeout/,
	'promise 9: a statement timeout is no record\'s fault');
like(error_while_locked("lock_timeout = '200ms'"), qr/canceling statement due to lock timeout/,
	'promise 9: nor is a lock that is not granted');
is(versions(), $before, 'promise 5: nothing of those pages is here');

like(error_after("DELETE FROM qbsync.customer WHERE connection_id = 1 AND id = '5'", 'customer', $page, 9),
	qr/ERROR:  could not write to mirror table "customer" because of a change at the same moment/,
	'promise 9: nor a row that somebody deletes at the same moment');
like(error_after("DELETE FROM qbsync.invoice_line WHERE connection_id = 1 AND invoice_id = '2' AND position = 9000", 'invoice',
		[ invoice(901), invoice(2, token => 2, updated => '2026-11-23T10:11:12-08:00') ], 9),
	qr/ERROR:  could not write to mirror table "invoice_line" because of a change at the same moment/, 'promise 9: nor a line');
like(error_after("INSERT INTO qbsync.customer (connection_id, id, seen_at) VALUES (1, '501', now())", 'customer', $page, 9),
	qr/ERROR:  duplicate key value violates unique constraint "customer_pkey"/, 'promise 9: nor a row that somebody adds');
shows('promise 5: nothing of those pages is here either', '0|0|9999|0', "SELECT (SELECT count(*) FROM qbsync.customer WHERE connection_id = 1 AND id IN ('5', '500')), "
	  . "(SELECT count(*) FROM qbsync.invoice WHERE id = '901'), "
	  . "(SELECT count(*) FROM qbsync.invoice_line WHERE connection_id = 1 AND invoice_id = '2'), (SELECT count(*) FROM qbsync.error)");
sql("DELETE FROM qbsync.customer WHERE id = '501'");
applies('promise 5: repeated, they are', '3 inserted', 'customer', $page, 9);
$holder->quit;

# what was made for the columns as they are keeps them so
sql("ALTER EXTENSION qbsync DROP FUNCTION qbsync.$_(timestamptz, text); DROP FUNCTION qbsync.$_(timestamptz, text)") foreach qw(invoice_status_as_of customer_summary_as_of customer_as_of);
sql('ALTER TABLE qbsync.customer ALTER COLUMN notes TYPE varchar');
like(sql('SELECT ' . call('customer', [ customer(502) ], 9)), qr/column "notes" of mirror table "customer" has type .* instead of text/,
	'promise 9: nor a table that was changed');
sql('ALTER TABLE qbsync.customer ALTER COLUMN notes TYPE text');
applies('the session goes on', '1 inserted', 'customer', [ customer(502) ], 9);

# --- the column raw ---------------------------------------------------------------------------------------------------

# A record's text is made jsonb of by code of ours; what comes out must be what PostgreSQL makes of it.
my $seed = $ENV{QBSYNC_SEED} || int rand 1e6;
srand $seed;
note("seed $seed");

sub any { return $_[ rand @_ ] }

sub some_string
{
	return join '', '"', (map { any('a' .. 'z', 'Id', ' ', 'é', '日本', '😀', '\\n', '\\"', '\\\\', '\\/', '\\t\\b\\f\\r', '\\u00e9', '\\ud83d\\ude00', '\\u0001', '\\uFFFF') } 1 .. any(0, 1, 3, 9, 60)), '"';
}

sub some_number
{
	return any('', '-') . any('0', int rand 10, 1 + int rand 1e9, '12345678901234567', '999999999999999999', '1234567890123456789012345678901234567890')
		. any('', '', '.0', '.' . int rand 1000, '.00', '.123456789012345', '.' . '1' x 40) . any('', '', '', '', 'e3', 'E-7', 'e+20', 'e0');
}

sub some_value
{
	my ($deep) = @_;
	my $blank = sub { any('', '', '', ' ', "\n\t ") };
	my $kind = rand;
	return some_string() if $kind < 0.4;
	return some_number() if $kind < 0.6;
	return any('true', 'false', 'null') if $kind < 0.7 || $deep > 5;
	return join '', '[', $blank->(), join(',', map { $blank->() . some_value($deep + 1) . $blank->() } 1 .. any(0, 1, 5)), ']' if $kind < 0.8;
	return some_object($deep);
}

sub some_object
{
	my ($deep) = @_;
	return join '', '{', join(',', map { some_string() . any('', ' ') . ':' . any('', ' ') . some_value($deep + 1) } 1 .. any(0, 1, 2, 7, 30)), '}';
}

my @texts = map { some_object(0) } 1 .. 300;
push @texts, '{"a":' x 11 . '1' . '}' x 11, '{"a":' x 13 . '[1.50]' . '}' x 13, '{"a":[' x 40 . ']}' x 40, sprintf('{"%s":1,"b":2}', 'k' x 300),
	'{' . join(',', map { sprintf '"key%d":%d', $_ * 7919 % 500, $_ } 1 .. 1000) . '}', '{"a":1,"b":2,"a":3,"A":4,"a":5}', '{"Amount":100.00,"Qty":-0.00,"n":-0}', '{}',
	'{"list":[' . join(',', map { $_ % 3 ? $_ / 4 : qq("$_") } 1 .. 200) . '],"empty":[{},[],[[]],{"a":{}}]}', '{"a":1,"\\u0061":{"b":[true,null]},"b":"\\n"}', ' { "a" : [ 1 , { } ] , "b" : "x" } ';
my $all = join ', ', map { "(\$json\$$_\$json\$)" } @texts;
is($node->safe_psql('postgres', "SELECT t, ours.j, theirs.j FROM (VALUES $all) v(t), LATERAL (SELECT mirror_test.json(t) AS j) ours, LATERAL (SELECT t::jsonb AS j) theirs WHERE NOT ours *= theirs"), '', 'EXT-22: ' . @texts . ' texts are the jsonb that PostgreSQL makes of them, byte by byte');

# --- room -------------------------------------------------------------------------------------------------------------

# A hundred of them at a time, as pages come.
sub hundreds
{
	my ($token, $second) = @_;
	foreach my $first (map { 100000 + $_ * 100 } 0 .. 9)
	{
		my @records = map { customer($_, token => $token, updated => $token ? $later : $edited, more => '"Notes":"' . 'room ' x 100 . '"') } $first .. $first + 99;
		applies("a page of customers from $first, version $token", $token ? '100 updated' : '100 inserted', 'customer', \@records, $second);
	}
}
sub table_size { return sql("SELECT pg_relation_size('qbsync.customer')") }

sql('VACUUM qbsync.customer');
my $before = table_size();
hundreds(0, 1);
my $loaded = table_size();
hundreds(1, 2);
cmp_ok(table_size() - $loaded, '<', 0.5 * ($loaded - $before), 'EXT-22: versions go where those before them were, though nobody vacuums');

# --- records in any order ----------------------------------------------------------------------------------------------

# Where records come in the order of their ids, the next row is the next record's; what is found must not depend on that.
sub page_of
{
	my ($token, @ids) = @_;
	return [ map { customer($_, token => $token, updated => $token > 0 ? $later : $edited) } @ids ];
}
sub searches
{
	my (@page) = @_;
	sql('SELECT pg_stat_force_next_flush()');		# so that only what follows is counted
	return 'BEGIN; SELECT ' . call(@page, connection_id => 77) . "; SELECT pg_stat_get_xact_numscans('qbsync.customer_pkey'::regclass) < 50; COMMIT";
}
my @ids = (8000 .. 8999);
applies('every third', '334 inserted', 'customer', page_of(0, grep { $_ % 3 == 2 } @ids), 1, connection_id => 77);
applies('between rows are those that are not there', '333 inserted, 167 unchanged', 'customer', page_of(0, grep { $_ % 2 == 0 } @ids), 2, connection_id => 77);
applies('in no order', '333 inserted, 667 unchanged', 'customer', page_of(0, map { 8000 + $_ * 389 % 1000 } 0 .. 999), 3, connection_id => 77);
applies('backwards, before all and behind all', '3 inserted, 1000 unchanged', 'customer', page_of(0, 9, reverse(@ids), 801, 7), 4, connection_id => 77);
applies('far apart', '20 updated', 'customer', page_of(1, map { 8000 + $_ * 50 } 0 .. 19), 5, connection_id => 77);
applies('some of each', '1 inserted, 19 updated, 981 unchanged', 'customer',
	[ @{ page_of(1, 8001 .. 8019) }, @{ page_of(0, grep { $_ % 50 } 8020 .. 8999) }, @{ page_of(1, map { $_ * 50 } 160 .. 179) }, customer(90) ], 6,
	connection_id => 77);
shows('all of them are there once', '1004|39', q{SELECT count(*), count(*) FILTER (WHERE sync_token = '1') FROM qbsync.customer WHERE connection_id = 77});
shows('a page of records in order is hardly searched for', "1000 unchanged\nt",
	searches('customer', [ map { @{ page_of($_ < 8020 || $_ % 50 == 0 ? 1 : 0, $_) } } @ids ], 7));
shows('and next to nothing is where none are yet', "1000 inserted\nt", searches('customer', page_of(0, 3000 .. 3999), 8));

# --- all is well ------------------------------------------------------------------------------------------------------

SKIP:
{
	skip 'amcheck is not installed', 2
	  if sql("SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck'") eq '0';
	sql('CREATE EXTENSION amcheck');
	shows('every index has every row', 't', 'SELECT count(bt_index_parent_check(c.oid, true)) > 20 FROM pg_class c '
		  . "WHERE relnamespace = 'qbsync'::regnamespace AND relkind = 'i' AND relam = (SELECT oid FROM pg_am WHERE amname = 'btree')");
	shows('no table is damaged', '0', 'SELECT count(*) FROM pg_class c CROSS JOIN LATERAL verify_heapam(c.oid, check_toast => true) '
		  . "WHERE relnamespace = 'qbsync'::regnamespace AND relkind = 'r'");
}

$session->quit;
$node->stop;
is_quiet($node, 'nothing unexpected in the server log', qr/canceling statement due to (statement|lock) timeout/,
	qr/because of a change at the same moment/, qr/duplicate key value violates unique constraint "customer_pkey"/,
	qr/has type character varying instead of text/);
done_testing();
