# The past of a whole company, as the gateway keeps it: after each round of random changes in QuickBooks the mirror equals the
# company, and later it can be asked for as it was then (EXT-24).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use PostgreSQL::Test::Utils;
use QbsyncTest;
use Test::More;

my $simulator = start_simulator(customers => 60, invoices => 60, seed => 55);
my $node = new_node('as_of', conf => "autovacuum = off\n");
install_qbsync($node, $simulator);
connect_company($node, $simulator, poll_interval => '7 days');

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub act { return $simulator->control('POST', 'act', { acts => [@_] })->{results} }

# What changed is here; when.
sub synced
{
	sql("SELECT qbsync_sync_now('acme')");
	wait_synced($node);
	return sql('SELECT clock_timestamp()');
}

wait_synced($node);
is(sql('SELECT count(*) FROM qbsync.record_version'), '0', 'EXT-24: a first load keeps no versions');
is(sql("SELECT count(*) FILTER (WHERE known_since IS NULL), bool_and(known_since <= now()) FROM qbsync.version_status"), '0|t', 'EXT-24: from its end on the past is known');

# --- one record ---------------------------------------------------------------------------------------------------------

my @shown;		# time, name, deleted
my ($id) = sql("SELECT min(id) FROM qbsync.customer WHERE parent_id IS NULL AND active AND deleted_at IS NULL");
foreach my $n (0 .. 3)
{
	act({ act => 'edit', entity => 'Customer', id => $id, set => { Notes => "note $n" } }) if $n;
	push @shown, [ synced(), $n ? "note $n" : sql("SELECT notes FROM qbsync.customer WHERE id = '$id'") ];
}
is(join(',', map { sql("SELECT notes FROM qbsync.customer_as_of('$_->[0]', 'acme') WHERE id = '$id'") } @shown), join(',', map { $_->[1] } @shown),
	'EXT-24: a customer edited three times is what it was at each time');
is(sql("SELECT count(*) FROM qbsync.record_version WHERE entity = 'customer' AND id = '$id'"), '3', 'one version each time');
like(sql("SELECT text FROM qbsync.record_change WHERE entity = 'customer' AND id = '$id' ORDER BY at DESC LIMIT 1"), qr/^Notes: note 2 → note 3\.$/, 'EXT-24: in words');
is(sql("SELECT changed_at <= clock_timestamp() + interval '1 minute' AND changed_at > now() - interval '1 hour' FROM qbsync.record_change WHERE id = '$id' AND entity = 'customer' LIMIT 1"), 't', 'with the time in QuickBooks');

my ($invoice) = sql("SELECT min(id) FROM qbsync.invoice WHERE deleted_at IS NULL AND balance = total_amt AND total_amt > 0 AND NOT raw ? 'Deposit'");
my $before = sql('SELECT clock_timestamp()');
my $total = sql("SELECT total_amt FROM qbsync.invoice WHERE id = '$invoice'");
act({ act => 'pay', id => $invoice });
my $paid = synced();
act({ act => 'delete', entity => 'Invoice', id => $invoice });
my $deleted = synced();
is(sql("SELECT string_agg(format('%s %s %s', r ->> 'balance' = r ->> 'total_amt', (r ->> 'balance')::numeric = 0, r ->> 'deleted_at' IS NOT NULL), ', ' ORDER BY t) "
	  . "FROM unnest('{$before,$paid,$deleted}'::timestamptz[]) t, qbsync_as_of('acme', 'invoice', '$invoice', t) r"), 't f f, f t f, f t t', 'EXT-24: an invoice owed, paid, deleted');
is(sql("SELECT kind, total_before = $total, total_after FROM qbsync.record_change WHERE entity = 'invoice' AND id = '$invoice' ORDER BY at DESC LIMIT 1"), 'deleted|t|0', 'its end is told');

# --- all records --------------------------------------------------------------------------------------------------------

# what is bought is not read
my @tables = split /\n/, sql("SELECT t.name FROM qbsync.version_status s CROSS JOIN LATERAL (SELECT s.entity AS name UNION ALL "
	  . 'SELECT l."table" FROM qbsync.catalogue_line l WHERE l.entity = s.entity) t WHERE s.known_since IS NOT NULL');
cmp_ok(scalar @tables, '>', 10, 'tables with a past');
push @tables, 'invoice_status', 'customer_summary';
my @rounds;
foreach my $round (1 .. 6)
{
	$simulator->control('POST', 'random', { seed => 550 + $round, n => 40 });
	my $time = synced();
	is_mirrored($node, $simulator, "round $round: the mirror equals the company");
	sql(join ';', map { "CREATE TABLE public.${_}_$round AS SELECT to_jsonb(m) AS row FROM qbsync.$_ m" } @tables);
	push @rounds, [ $round, $time ];
}
cmp_ok(sql('SELECT count(*) FROM qbsync.record_version'), '>', 100, 'much was superseded');
foreach my $at (@rounds)
{
	my ($round, $time) = @$at;
	my $differs = sql('SELECT coalesce(string_agg(d.what, \', \'), \'\') FROM (' . join(' UNION ALL ', map {
		"SELECT '$_' AS what WHERE EXISTS ((SELECT to_jsonb(a) FROM qbsync.${_}_as_of('$time', 'acme') a EXCEPT ALL SELECT row FROM public.${_}_$round) "
		  . "UNION ALL (SELECT row FROM public.${_}_$round EXCEPT ALL SELECT to_jsonb(a) FROM qbsync.${_}_as_of('$time', 'acme') a))" } @tables) . ') d');
	is($differs, '', "EXT-24: as of the end of round $round every table is what it was then, and what each customer and invoice came to");
}
is(sql("SELECT count(*) FILTER (WHERE text = '' OR text IS NULL), count(*) > 100 FROM qbsync.record_change"), '0|t', 'EXT-24: every change is told');

my ($round, $time) = @{ $rounds[0] };
my ($one) = sql("SELECT min(row ->> 'id') FROM public.customer_summary_$round WHERE (row ->> 'invoice_count')::int > 1");
is(sql("SET ROLE qbsync_reader; SELECT open_balance, invoice_count FROM qbsync.customer_summary_as_of('$time', 'acme') WHERE id = '$one'"),
	sql("SELECT row ->> 'open_balance', row ->> 'invoice_count' FROM public.customer_summary_$round WHERE row ->> 'id' = '$one'"), 'EXT-24: a reader asks for one customer');
unlike(sql("EXPLAIN SELECT * FROM qbsync.customer_summary_as_of('$time', 'acme') WHERE id = '$one'"), qr/Seq Scan on invoice/, 'EXT-24: whose invoices are found by index');

# --- forgetting ---------------------------------------------------------------------------------------------------------

sql("SELECT qbsync_disconnect('acme', confirm => true, mode => 'purge_mirror')");
sql("CALL qbsync_wait('acme', until => 'disconnected')");
is(sql('SELECT count(*) FROM qbsync.record_version'), '0', 'CAP-63: nothing is left of a company that was removed');

$simulator->stop;
$node->stop;
is_quiet($node, 'nothing unexpected in the server log');
done_testing();
