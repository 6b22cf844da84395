# The keys that the views' comments say, and the views behind PostGraphile as doc/graphql.md shows it (CAP-9, CEN-1, EXT-29).
# PostGraphile is in the directory QBSYNC_POSTGRAPHILE, where test/check.sh installs it; without, only the comments are looked at.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use JSON::PP qw(decode_json);
use PostgreSQL::Test::Utils;
use QbsyncTest;
use Test::More;

my $node = new_node('graphql', conf => "qbsync.paused = on\nqbsync.credentials_file = ''\n");
sub sql { return $node->safe_psql('postgres', $_[0]) }
sql(<<'SQL');
CREATE EXTENSION qbsync;
SELECT qbsync_app('my-app', environment => 'sandbox', client_id => 'id', redirect_uri => 'https://crm.example/cb');
INSERT INTO qbsync.connection (connection_id, name, app, realm_id, state, company_name) VALUES (1, 'acme', 'my-app', '1', 'live', 'Acme'), (2, 'east', 'my-app', '2', 'live', 'East');
INSERT INTO qbsync.customer (connection_id, id, seen_at, display_name, currency, parent_id) VALUES (1, '1', now(), 'Parent', 'CAD', NULL), (1, '2', now(), 'Child', 'CAD', '1'), (2, '2', now(), 'Another', 'CAD', NULL);
INSERT INTO qbsync.invoice (connection_id, id, seen_at, doc_number, customer_id, currency, total_amt, balance) VALUES (1, '7', now(), 'F-7', '2', 'CAD', 100, 40), (2, '7', now(), 'E-7', '2', 'CAD', 5, 0);
CREATE ROLE graph LOGIN IN ROLE qbsync_reader;
SQL

# --- comments ----------------------------------------------------------------------------------------------------------------------

my $tags = "SELECT c.oid, c.relname, t FROM pg_class c CROSS JOIN LATERAL regexp_split_to_table(obj_description(c.oid, 'pg_class'), '\\n') t WHERE c.relnamespace = 'qbsync'::regnamespace AND t LIKE '\@%'";
is(sql("SELECT string_agg(relname || ' ' || column_name, ', ') FROM ($tags) g CROSS JOIN LATERAL regexp_matches(t, '^\@primaryKey ([a-z_,]+)\$') m CROSS JOIN LATERAL unnest(string_to_array(m[1], ',')) column_name "
	  . 'WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = g.oid AND a.attname = column_name)'), '', 'the keys are columns');
is(sql("SELECT count(*) FILTER (WHERE t ~ '^\@(primaryKey [a-z_,]+|foreignKey \\([a-z_,]+\\) references qbsync[.][a-z_]+ \\([a-z_,]+\\))\$') = count(*), count(*) > 40 FROM ($tags) g"), 't|t', 'all of them in the notation');
is(sql("SELECT count(*) FROM ($tags) g CROSS JOIN LATERAL regexp_matches(t, 'references (\\S+) \\(([a-z_,]+)\\)') m WHERE NOT EXISTS (SELECT FROM ($tags) p WHERE p.oid = m[1]::regclass AND p.t = '\@primaryKey ' || m[2])"), '0',
	'and refer to keys');
is(sql("SELECT string_agg(c.relname, ' ') FROM pg_class c WHERE c.relnamespace = 'qbsync'::regnamespace AND c.relkind = 'v' AND has_table_privilege('qbsync_reader', c.oid, 'SELECT') "
	  . "AND obj_description(c.oid, 'pg_class') !~ '^\@' AND c.relname !~ '^(catalogue|visible_|setup_todo|api_usage|drift_found|tie_out)'"), '', 'every view of records has them');

# --- PostGraphile --------------------------------------------------------------------------------------------------------------------

my $where = $ENV{QBSYNC_POSTGRAPHILE} // '';
SKIP:
{
	skip 'PostGraphile is not installed', 4 unless -e "$where/installed";
	my ($script) = slurp_file("$FindBin::Bin/../../doc/graphql.md") =~ /^```sql\n(.*?)^```/ms;
	my ($query) = slurp_file("$FindBin::Bin/../../doc/graphql.md") =~ /^```graphql\n(.*?)^```/ms;
	sql($script);
	chdir $where;
	my ($out, $err) = run_command([ 'node', "$FindBin::Bin/../interop/postgraphile.mjs", sprintf('postgres:///postgres?host=%s&port=%s&user=graph', $node->host, $node->port), 'qb', $query,
		'{ invoiceStatusByConnectionIdAndRowId(connectionId: 1, rowId: "7") { docNumber state statusByConnectionId { connection } customerSummaryByConnectionIdAndCustomerId { displayName customerSummaryByConnectionIdAndParentId { displayName } } } }' ]);
	my ($fields, $list, $one) = map { eval { decode_json($_) } } split /\n/, $out;
	is(join(' ', grep { my $field = $_; !grep { $_ eq $field } @{ $fields // [] } } qw(allCustomerSummaries allInvoiceStatuses allInvoicePayments allEstimateStatuses allAgings allPipelines allSaleLines allCustomFields
		allMatcheds allTimelines allStatuses customerSummaryByConnectionIdAndRowId)), '', 'PostGraphile lists the views, and finds rows by their keys') or diag($err);
	is_deeply($list, { data => { allCustomerSummaries => { nodes => [
		{ displayName => 'Parent', openBalance => '0', invoiceStatusesByConnectionIdAndCustomerId => { nodes => [] } },
		{ displayName => 'Child', openBalance => '40', invoiceStatusesByConnectionIdAndCustomerId => { nodes => [ { docNumber => 'F-7', label => 'Partially paid', balance => '40' } ] } },
		{ displayName => 'Another', openBalance => '0', invoiceStatusesByConnectionIdAndCustomerId => { nodes => [ { docNumber => 'E-7', label => 'Paid', balance => '0' } ] } } ] } } },
		'CAP-9, EXT-29: customers with their invoices, each of its company') or diag("$out$err");
	is_deeply($one, { data => { invoiceStatusByConnectionIdAndRowId => { docNumber => 'F-7', state => 'partially_paid', statusByConnectionId => { connection => 'acme' },
		customerSummaryByConnectionIdAndCustomerId => { displayName => 'Child', customerSummaryByConnectionIdAndParentId => { displayName => 'Parent' } } } } }, 'an invoice with its customer, and that with its parent') or diag("$out$err");
	is(sql("SET ROLE graph; SELECT count(*) FROM qb.invoice_status"), '2', 'with the rights of who asks');
}

$node->stop;
is_quiet($node, 'nothing unexpected in the server log');
done_testing();
