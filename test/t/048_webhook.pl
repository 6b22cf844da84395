# Webhooks, from QuickBooks to the tables, by the receiver that doc/webhooks.md shows (EXT-8, EXT-11, EXT-12, EXT-16, EXT-25, EXT-31, X-17).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use PostgreSQL::Test::Utils;
use QbsyncTest;
use QbsyncWebhook;
use Test::More;
use Time::HiRes qw(time);

my $simulator = start_simulator(customers => 60, invoices => 80, seed => 48,
	options => [ '--no-limits', '--company', 'Acme', '--company', 'Bolt' ]);
my $node = new_node('webhook', streaming => 1);
install_qbsync($node, $simulator);
connect_company($node, $simulator, poll_interval => '7 days');
connect_company($node, $simulator, poll_interval => '7 days', connection => 'bolt', number => 1);
my $realms = [ map { $_->{realm_id} } @{ $simulator->{companies} } ];

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub polls { return $simulator->stats->{requests}{cdc} }
# One company's column of a record.
sub shows
{
	my ($entity, $id, $column, $connection) = @_;
	return sql("SELECT $column FROM qbsync.$entity JOIN qbsync.connection c USING (connection_id) WHERE id = '$id' AND c.name = '"
		  . ($connection // 'acme') . "'");
}

is(sql("SELECT last_webhook_at IS NULL AND webhooks_alive IS NULL FROM qbsync.status WHERE connection = 'acme'"), 't', 'no webhook came yet');
my $receiver = start_receiver($node, $simulator);

# --- the walk ---------------------------------------------------------------------------------------------------------

my $before;
foreach my $format (qw(cloudevents classic))
{
	$simulator->control('POST', 'webhooks', { format => $format, gather => 0 });
	my $began = time;
	$simulator->act('edit', entity => 'Customer', id => '5', set => { Notes => $format });
	await("$format: the change", sub { shows('customer', '5', "raw ->> 'Notes'") eq $format });
	my $took = time - $began;
	note(sprintf 'EXT-11 %s: in the tables after %.2f s', $format, $took);
	cmp_ok($took, '<', 20, "EXT-11 EXT-12 $format: a change is in the tables soon, without a poll being due");
}
$receiver->settled($node);
$before = polls();
$simulator->act('edit', entity => 'Customer', id => '6', set => { Notes => 'un' });
await('the change', sub { shows('customer', '6', "raw ->> 'Notes'") eq 'un' });
$receiver->settled($node);
is(polls() - $before, 1, 'one change costs one read');

my ($owed) = grep { $_->{Balance} > 0 } values %{ $simulator->objects('Invoice') };
my $payment = $simulator->act('pay', id => $owed->{Id})->{Id};
await('the invoice of a payment', sub { shows('invoice', $owed->{Id}, 'balance') eq '0' || shows('invoice', $owed->{Id}, 'balance') eq '0.00' });
is(shows('payment', $payment, 'deleted_at IS NULL'), 't', 'a payment comes with what it changed and nobody announced');
$simulator->act('delete', entity => 'Payment', id => $payment);
await('its deletion', sub { shows('payment', $payment, 'deleted_at IS NOT NULL') eq 't' });
my $new = $simulator->act('create', entity => 'Customer', object => { DisplayName => 'Annonce' })->{Id};
$simulator->act('inactivate', entity => 'Customer', id => '7');
$simulator->act('void', entity => 'Invoice', id => $owed->{Id});
$simulator->act('preference', set => { AccountingInfoPrefs => { BookCloseDate => '2020-12-31' } });
await('a new one, an inactive one, a void one, a preference', sub {
	sql("SELECT (SELECT count(*) FROM qbsync.customer WHERE id = '$new' OR (id = '7' AND NOT active AND connection_id = 1))
		+ (SELECT count(*) FROM qbsync.invoice WHERE id = '$owed->{Id}' AND total_amt = 0 AND connection_id = 1)
		+ (SELECT count(*) FROM qbsync.preferences WHERE book_close_date = '2020-12-31')") eq '4' });
$receiver->settled($node);
is_mirrored($node, $simulator, 'EXT-11: the mirror equals the company');
is(sql("SELECT webhooks_alive AND last_webhook_at > now() - interval '1 hour' FROM qbsync.status WHERE connection = 'acme'"), 't', 'status shows that webhooks live');

# --- two companies in one delivery ------------------------------------------------------------------------------------

$simulator->control('POST', 'webhooks', { gather => 1 });
my $deliveries = $simulator->control('GET', 'webhooks?after=1000000')->{deliveries};
$simulator->control('POST', 'act', { acts => [ { act => 'edit', entity => 'Customer', id => '5', set => { Notes => 'premiere' } },
	{ act => 'edit', entity => 'Customer', id => '5', realm => $realms->[1], set => { Notes => 'seconde' } } ] });
await('both companies', sub { shows('customer', '5', "raw ->> 'Notes'") eq 'premiere' && shows('customer', '5', "raw ->> 'Notes'", 'bolt') eq 'seconde' });
is($simulator->control('GET', 'webhooks?after=1000000')->{deliveries}, $deliveries + 1, 'EXT-12: one delivery told of two companies');
$simulator->control('POST', 'webhooks', { gather => 0 });

# --- the same again, late, never ------------------------------------------------------------------------------------------

my $old = '[' . $receiver->event('customer.updated', 5) . ']';
$simulator->advance(30);
$simulator->act('edit', entity => 'Customer', id => '8', set => { Notes => 'plus tard' });
await('a later change', sub { shows('customer', '8', "raw ->> 'Notes'") eq 'plus tard' });
$receiver->settled($node);
$before = polls();
my $queries = $simulator->stats->{requests}{query};
is($receiver->deliver($old), 200, 'a delivery that comes late, and twice, is accepted') for 1 .. 2;
$receiver->settled($node);
is(polls() + $simulator->stats->{requests}{query} - $before - $queries, 0, 'EXT-12 EXT-31: and costs nothing, what it tells of is known');
is(sql("SELECT webhook_first FROM qbsync.cursor WHERE entity = '*' AND connection_id = 1"), 'f', 'it is remembered that it was no news');

$simulator->control('POST', 'webhooks', { loss => 0.3, duplicates => 0.3, disorder => JSON::PP::true, delay => 0.5, gather => 0.05, format => 'either' });
for my $round (1 .. 4)
{
	$simulator->control('POST', 'random', { realm => $realms->[0], seed => $round, n => 20 });
	$simulator->control('POST', 'random', { realm => $realms->[1], seed => 10 + $round, n => 5 });
}
$receiver->settled($node);
my $told = $simulator->control('GET', 'webhooks');
cmp_ok($told->{lost}, '>', 0, 'some were lost');
cmp_ok($told->{duplicated}, '>', 0, 'some came twice');
is($told->{failed}, 0, 'EXT-11: every delivery was accepted');
cmp_ok((sort { $b <=> $a } map { $_->{seconds} } @{ $told->{log} })[0], '<', 15, 'EXT-11: none is kept waiting');
wait_synced($node, sync => 1);
wait_synced($node, sync => 1, connection => 'bolt');
is_mirrored($node, $simulator, 'EXT-9 EXT-11: with loss, duplicates and disorder the mirror equals the company once it was polled');
is_mirrored($node, $simulator, 'and so does the other', connection => 'bolt', number => 1);
$simulator->control('POST', 'webhooks', { loss => 0, duplicates => 0, disorder => JSON::PP::false, delay => 0, gather => 0 });

# --- polling saw it and no webhook told --------------------------------------------------------------------------------------

$simulator->control('POST', 'webhooks', { loss => 1 });
$simulator->act('edit', entity => 'Customer', id => '9', set => { Notes => 'en silence' });
wait_synced($node, sync => 1);
is(sql("SELECT webhooks_alive FROM qbsync.status WHERE connection = 'acme'"), 'f', 'a change that polling found and no webhook told of is remembered');
$simulator->control('POST', 'webhooks', { loss => 0 });
$simulator->act('edit', entity => 'Customer', id => '9', set => { Notes => 'a voix haute' });
await('a webhook again', sub { shows('customer', '9', "raw ->> 'Notes'") eq 'a voix haute' });
$receiver->settled($node);
is(sql("SELECT webhooks_alive FROM qbsync.status WHERE connection = 'acme'"), 't', 'until a webhook tells again');

# --- deletions are verified ---------------------------------------------------------------------------------------------------

my @payments = split /\n/, sql("SELECT id FROM qbsync.payment WHERE connection_id = 1 AND deleted_at IS NULL ORDER BY id::bigint LIMIT 2");
is($receiver->deliver('[' . $receiver->event('payment.deleted', $payments[0]) . ']'), 200, 'a deletion that did not happen is accepted');
$receiver->settled($node);
is(shows('payment', $payments[0], 'deleted_at IS NULL'), 't', 'EXT-8: but the record is asked for, and stays');
$simulator->control('POST', 'settings', { index_delay => 3600 });
$simulator->act('delete', entity => 'Payment', id => $payments[1]);
await('a deletion that polling does not show', sub { shows('payment', $payments[1], 'deleted_at IS NOT NULL') eq 't' });
pass('EXT-8: what is not found by its id either is marked deleted');
$simulator->control('POST', 'settings', { index_delay => 0 });

# --- not now ------------------------------------------------------------------------------------------------------------------

sql("SELECT qbsync_pause('acme')");
$simulator->act('edit', entity => 'Customer', id => '10', set => { Notes => 'pendant la pause' });
await('a note', sub { sql("SELECT count(*) FROM qbsync.webhook_event WHERE id = '10'") eq '1' });
is(sql("SELECT last_webhook_at IS NOT NULL FROM qbsync.status WHERE connection = 'acme'"), 't', 'a paused connection hears');
sql("SELECT qbsync_resume('acme')");
await('what was heard in the pause', sub { shows('customer', '10', "raw ->> 'Notes'") eq 'pendant la pause' });
$receiver->settled($node);

# outside the sync window, as in a pause (X-17)
my ($closed) = sql("SELECT to_char(t + interval '3 hours', 'HH24:MI') || '-' || to_char(t + interval '5 hours', 'HH24:MI')
	FROM (SELECT now() AT TIME ZONE coalesce((SELECT default_time_zone FROM qbsync.company_info WHERE connection_id = 1), 'UTC')) AS n (t)");
sql("SELECT qbsync_set('acme', 'sync_window', '$closed')");
$before = polls();
$simulator->act('edit', entity => 'Customer', id => '13', set => { Notes => 'hors fenetre' });
await('a note', sub { sql("SELECT count(*) FROM qbsync.webhook_event WHERE id = '13'") eq '1' });
$simulator->act('edit', entity => 'Customer', id => '13', realm => $realms->[1], set => { Notes => 'dans la fenetre' });
await('the other company', sub { shows('customer', '13', "raw ->> 'Notes'", 'bolt') eq 'dans la fenetre' });
is(polls() - $before, 1, 'X-17: outside its sync window a company is not read for a webhook');
sql("SELECT qbsync_set('acme', 'sync_window', NULL)");
await('what was heard outside', sub { shows('customer', '13', "raw ->> 'Notes'") eq 'hors fenetre' });

$receiver->stop;
$simulator->act('edit', entity => 'Customer', id => '11', set => { Notes => 'sans recepteur' });
await('a delivery that failed', sub { $simulator->control('GET', 'webhooks?after=1000000')->{failed} > 0 });
$receiver->run;
await('what was delivered again', sub { shows('customer', '11', "raw ->> 'Notes'") eq 'sans recepteur' });
pass('EXT-11: a delivery that nobody took comes again');

# the gateway ends between the note and the read
$simulator->fault('hang', kind => 'cdc', times => 1);
$simulator->act('edit', entity => 'Customer', id => '12', set => { Notes => 'malgre tout' });
await('a poll that hangs', sub { $simulator->control('GET', 'faults')->{rules}[0]{hits} });
sql('SELECT qbsync_worker_restart()');
await('what was heard before', sub { shows('customer', '12', "raw ->> 'Notes'") eq 'malgre tout' });
$simulator->clear_faults;
pass('what was heard survives the gateway');

# --- from outside ----------------------------------------------------------------------------------------------------------

$receiver->settled($node);
$before = polls();
my %hostile = ('nothing' => '', 'no JSON' => '<xml/>', 'a NUL' => "\0", 'half of it' => '[{"type":"qbo.customer.upd',
	'deep nesting' => '[' x 500_000, 'no UTF-8' => "[{\"type\":\"\xff\xfe\"}]", 'UTF-16' => "\xff\xfe[\0]\0",
	'huge numbers' => '[{"intuitentityid":1e999999999,"time":' . '9' x 100_000 . '}]',
	'a foreign company' => '[' . $receiver->event('customer.updated', 5, realm => '1') . ']',
	'no entity of ours' => '[' . $receiver->event('spaceship.launched', 5) . ']');
foreach my $what (sort keys %hostile)
{
	is($receiver->deliver($hostile{$what}), 200, "EXT-11: signed, $what: accepted");
	is($receiver->deliver($hostile{$what}, $receiver->sign('x')), 401, "not signed, $what: refused");
}
my $big = '[' . ' ' x (10 * 1024 * 1024) . ']';
my $began = time;
isnt($receiver->deliver($big), 200, '10 MB are refused');
cmp_ok(time - $began, '<', 20, 'at once');
is(sql("SELECT qbsync_webhook(body, repeat('x', 44)) FROM convert_to(repeat(' ', 10 * 1024 * 1024), 'UTF8') AS body"), 'refused', 'by the function, too');
is($receiver->deliver('[]', $_), 401, 'a signature that is none is refused') foreach ('', 'x' x 44, 'x' x 5000);
$receiver->settled($node);
is(polls(), $before, 'nothing of it had anything read');

# thirty reads at once, then one every ten seconds (EXT-16)
sql('SELECT qbsync_worker_restart()');
$began = time;
my $burst;
for my $reads (1 .. 32)
{
	$receiver->deliver('[' . $receiver->event('customer.updated', 5) . ']');
	await("read $reads", sub { sql('SELECT count(*) FROM qbsync.webhook_event') eq '0' });
	$burst = time - $began if $reads == 29;
}
cmp_ok($burst, '<', 200, 'a company that was quiet is read at once');		# one every ten seconds would take 280
cmp_ok(time - $began, '>=', 15, 'EXT-16: webhooks without end do not cost reads without end');

# a standby can judge, but not note
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('webhook_standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay');
my $signature = $receiver->sign('[]');
is($standby->safe_psql('postgres', "SELECT qbsync_webhook('[]', '$signature'), qbsync_webhook('[]', upper('$signature'))"), 'unavailable|refused',
	'a standby asks to be spared what is genuine');
$standby->stop;

# the verifier is replaced at Intuit, and in the credentials file
my $old_signature = $receiver->sign('[]');
$receiver->{verifier} = 'a new one';
is($receiver->deliver('[]'), 401, 'a verifier that is not known yet');
write_credentials($node, $simulator, webhook_verifier => 'a new one');
$node->reload;
await('the new verifier', sub { $receiver->deliver('[]') == 200 });
is($receiver->deliver('[]', $old_signature), 401, 'the old one counts no more once the credentials file has another');

is_quiet($node, 'no warning, no error');
done_testing();
