# The mirror and the company compared: counts, every record, sums; what was missed is repaired and told (EXT-8, EXT-9, CEN-42…45).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use PostgreSQL::Test::Utils;
use QbsyncTest;
use Test::More;

my $simulator = start_simulator(customers => 1300, invoices => 900, payments => 300, seed => 55);
my $node = new_node('reconcile');
install_qbsync($node, $simulator);
connect_company($node, $simulator, poll_interval => '7 days');

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub metered { return $simulator->control('GET', 'stats')->{metered}{ $simulator->{realm} } }
sub reconcile
{
	my $job = sql("SELECT qbsync_reconcile($_[0])");
	$node->safe_psql('postgres', "CALL qbsync_wait(job => $job, timeout => '3 min')");
	return $job;
}
sub drift { return sql("SELECT coalesce(string_agg(format('%s %s %s', entity, id, kind), ', ' ORDER BY entity, id), '') FROM qbsync.drift_found WHERE found_at >= (SELECT max(requested_at) FROM qbsync.job WHERE kind = 'reconcile') AND ($_[0])") }

# --- nothing differs: a count for each entity, and a mark ------------------------------------------------------------------------

is(sql('SELECT proven_equal_at IS NULL FROM qbsync.status'), 't', 'nothing is proven yet');
my $before = metered();
my $entities = sql('SELECT count(*) FROM qbsync.cursor u JOIN qbsync.catalogue c USING (entity) WHERE c.pages AND u.phase = \'loaded\'');
reconcile('');
cmp_ok(metered() - $before, '<=', $entities + 1, 'EXT-9: equal companies cost a count for each entity, after a poll');
is(sql('SELECT proven_equal_at = reconciled_at FROM qbsync.status JOIN qbsync.cursor USING (connection_id) WHERE entity = \'*\''), 't', 'last proven equal');
is(drift('true'), '', 'nothing is found');
is(sql('SELECT count(*) FROM qbsync.tie_out'), '0', 'all sums add up');

# --- what no poll would bring: the mirror is made to differ ------------------------------------------------------------------------

my ($lost, $changed, $ghost) = split /,/, sql("SELECT string_agg(id, ',') FROM (SELECT id FROM qbsync.customer WHERE active ORDER BY id LIMIT 3) c");
my $proven = sql('SELECT proven_equal_at FROM qbsync.status');
sql("DELETE FROM qbsync.customer WHERE id = '$lost'");
reconcile('');
is(drift('true'), "customer $lost missed_create", 'EXT-8: a record that was missed is found by counting, and stored');
is(sql("SELECT before IS NULL, after ->> 'Id' FROM qbsync.drift_found"), "t|$lost", 'with the record');
is(sql('SELECT drift_count, proven_equal_at > ' . "'$proven'" . ' FROM qbsync.status'), '0|t', 'and all is equal again');

sql("INSERT INTO qbsync.customer SELECT (jsonb_populate_record(c, '{\"id\": \"999999\"}')).* FROM qbsync.customer c WHERE id = '$ghost'");
reconcile('');
is(drift('true'), "customer 999999 missed_delete", 'CEN-43: one that is not there is looked for by its id and marked deleted');
is(sql("SELECT deleted_at IS NOT NULL FROM qbsync.customer WHERE id = '999999'"), 't', 'not removed: its last content stays');

# what changed without a sign: counts are equal, every record must be read
my $name = sql("SELECT display_name FROM qbsync.customer WHERE id = '$changed'");
sql("UPDATE qbsync.customer SET display_name = 'Another', raw = raw || '{\"DisplayName\": \"Another\"}', fingerprint = 1 WHERE id = '$changed'");
reconcile('');
is(drift('true'), '', 'a change without a sign is not in any count');
$before = metered();
reconcile("entity => 'customer', \"full\" => true");
is(drift('true'), "customer $changed missed_change", 'every record read: it is found');
is(sql("SELECT before ->> 'DisplayName', after ->> 'DisplayName' FROM qbsync.drift_found WHERE kind = 'missed_change'"), "Another|$name", 'before and after');
is(sql("SELECT display_name FROM qbsync.customer WHERE id = '$changed'"), $name, 'and mended');
cmp_ok(metered() - $before, '<=', 6, 'a read for each page');
is_mirrored($node, $simulator, 'the mirror equals the company');

# reading waits for no single answer: that to the first part is held
my $newest = sql('SELECT id FROM qbsync.customer ORDER BY create_time DESC LIMIT 1');
sql("UPDATE qbsync.customer SET raw = raw || '{\"Notes\": \"x\"}', notes = 'x', fingerprint = 1 WHERE id = '$newest'");
$simulator->control('POST', 'faults', { rules => [ { match => { entity => 'Customer', path => 'CreateTime%20%3C%20' }, fault => 'hang' } ] });
my $all = sql("SELECT qbsync_reconcile(entity => 'customer', \"full\" => true)");
$node->poll_query_until('postgres', "SELECT notes IS DISTINCT FROM 'x' FROM qbsync.customer WHERE id = '$newest'") or die 'the last part waits for the first';
is(sql("SELECT phase FROM qbsync.cursor WHERE entity = 'customer'"), 'verifying', 'EXT-9: parts are read beside one another');
$simulator->control('DELETE', 'faults');
$node->safe_psql('postgres', "CALL qbsync_wait(job => $all, timeout => '3 min')");
is(drift('true'), "customer $newest missed_change", 'and all of them are read');

# asked for while the counts of an older comparison are awaited, which say that all is equal
my $counts = $simulator->fault('hang', path => 'COUNT', seconds => 60);
my $counted = sql('SELECT qbsync_reconcile()');
await('the counts', sub { $simulator->hits($counts) >= 7 });
sql("UPDATE qbsync.customer SET display_name = 'Another', raw = raw || '{\"DisplayName\": \"Another\"}', fingerprint = 1 WHERE id = '$changed'");
my $full = sql("SELECT qbsync_reconcile(entity => 'customer', \"full\" => true)");
$simulator->clear_faults;
$node->safe_psql('postgres', "CALL qbsync_wait(job => $_, timeout => '3 min')") for $counted, $full;
is(drift('true'), "customer $changed missed_change", 'EXT-9: a comparison that ends does not end one that was asked for meanwhile: every record is read');
is(sql("SELECT count(*) FROM qbsync.cursor WHERE phase = 'verifying' OR full_compare"), '0', 'and both are over');

# --- sums ----------------------------------------------------------------------------------------------------------------------

# an invoice whose payment was missed
my ($invoice, $payment) = split /\|/, sql("SELECT l.txn_id, l.payment_id FROM qbsync.payment_line l JOIN qbsync.invoice i ON i.id = l.txn_id AND i.deleted_at IS NULL JOIN qbsync.payment p ON p.id = l.payment_id WHERE l.txn_type = 'Invoice' AND l.amount > 0 AND p.deleted_at IS NULL ORDER BY l.payment_id LIMIT 1");
sql("UPDATE qbsync.payment_line SET amount = amount - 0.01 WHERE payment_id = '$payment' AND txn_id = '$invoice'; UPDATE qbsync.payment SET raw = raw || '{\"Line\": []}', fingerprint = 1 WHERE id = '$payment'");
is(sql('SELECT entity, difference FROM qbsync.tie_out ORDER BY 1'), "invoice|-0.01\npayment|-0.01", 'a cent is seen');
reconcile('');
is(drift("repaired_at IS NOT NULL AND kind = 'tie_out'"), "invoice $invoice tie_out", 'sums that do not add up are fetched again, and add up');
is(sql('SELECT count(*) FROM qbsync.tie_out') . sql('SELECT drift_count FROM qbsync.status'), '00', 'nothing is left');

# QuickBooks itself does not add up (for us): it stays, and is said
$simulator->control('POST', 'act', { act => 'rewrite', entity => 'Invoice', id => $invoice, set => { Balance => 12345.67 } });
sql("UPDATE qbsync.invoice SET balance = 12345.67, fingerprint = 1 WHERE id = '$invoice'");
$proven = sql('SELECT proven_equal_at FROM qbsync.status');
reconcile('');
is(drift('is_open'), "invoice $invoice tie_out", 'a sum that does not add up in QuickBooks either stays');
is(sql("SELECT drift_count, proven_equal_at = '$proven' FROM qbsync.status"), '1|t', 'is counted, and nothing is proven meanwhile');

# --- by itself, at night ----------------------------------------------------------------------------------------------------------

my $local = sql("SELECT to_char(now() AT TIME ZONE default_time_zone - interval '1 minute', 'HH24:MI') FROM qbsync.company_info");
sql("SELECT qbsync_set(setting => 'reconcile_at', value => '$local')");
sql("UPDATE qbsync.cursor SET reconciled_at = now() - interval '23 hours', finished_at = now() - interval '2 days' WHERE entity = '*'");
sql('SELECT qbsync_sync_now()');
$node->poll_query_until('postgres', "SELECT reconciled_at > now() - interval '1 hour' FROM qbsync.cursor WHERE entity = '*'") or die 'no reconciliation';
pass('EXT-9: at reconcile_at it begins by itself, with the next poll');
is(sql('SELECT qbsync.reconcile_due(connection_id) FROM qbsync.connection'), 'f', 'once a night');
is(sql('SELECT qbsync.full_reconcile_due(connection_id) FROM qbsync.connection'), 'f', 'every record is read once a week');
sql("UPDATE qbsync.cursor SET reconciled_at = now() - interval '23 hours', finished_at = now() - interval '8 days' WHERE entity = '*'; UPDATE qbsync.customer SET raw = raw || '{\"Notes\": \"x\"}', notes = 'x', fingerprint = 1 WHERE id = '$changed'; SELECT qbsync_sync_now()");
$node->poll_query_until('postgres', "SELECT full_reconciled_at > now() - interval '1 hour' FROM qbsync.cursor WHERE entity = '*'") or die sql("SELECT qbsync.reconcile_due(connection_id), qbsync.full_reconcile_due(connection_id), c.* FROM qbsync.cursor c WHERE entity = '*'") . sql("SELECT entity, phase, full_compare FROM qbsync.cursor");
is(sql("SELECT count(*) FROM qbsync.drift_found WHERE id = '$changed' AND after ->> 'Notes' IS DISTINCT FROM 'x' AND before ->> 'Notes' = 'x'"), '1', 'and then finds what changed without a sign');
sql("SELECT qbsync_set(setting => 'reconcile_full', value => 'never'); UPDATE qbsync.cursor SET full_reconciled_at = now() - interval '9 days' WHERE entity = '*'");
is(sql('SELECT qbsync.full_reconcile_due(connection_id) FROM qbsync.connection'), 'f', 'or never');
sql("SELECT qbsync_set(setting => 'reconcile_full', value => 'nightly'); UPDATE qbsync.cursor SET full_reconciled_at = now() WHERE entity = '*'");
is(sql('SELECT qbsync.full_reconcile_due(connection_id) FROM qbsync.connection'), 't', 'or every night');
sql("SELECT qbsync_set(setting => 'reconcile_at', value => 'off'); UPDATE qbsync.cursor SET reconciled_at = now() - interval '9 days' WHERE entity = '*'");
is(sql('SELECT qbsync.reconcile_due(connection_id) FROM qbsync.connection'), 'f', 'or not at all');

# --- refusals, and a server that stops in the middle --------------------------------------------------------------------------------

my (undef, undef, $error) = $node->psql('postgres', "SELECT qbsync_reconcile(entity => 'preferences')");
like($error, qr/entity "preferences" cannot be compared/, 'what is a single record is not compared');
sql("DELETE FROM qbsync.customer WHERE id IN ('$lost', '$changed')");
$simulator->control('POST', 'faults', { rules => [ { match => { kind => 'query' }, fault => 'hang', after => 3, times => 1 } ] });
my $job = sql('SELECT qbsync_reconcile("full" => true)');
$node->poll_query_until('postgres', "SELECT count(*) > 0 FROM qbsync.cursor WHERE phase = 'verifying'") or die;
seen_is_durable($node);
$node->stop('immediate');
$simulator->control('DELETE', 'faults');
$node->start;
$node->safe_psql('postgres', "CALL qbsync_wait(job => $job, timeout => '3 min')");
is_mirrored($node, $simulator, 'EXT-9: a comparison that was cut off goes on and ends');

$node->stop;
is_quiet($node, 'nothing unexpected in the server log', qr/entity "preferences" cannot be compared|immediate|terminating background worker/);
done_testing();
