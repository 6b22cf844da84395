# Customers merged in QuickBooks, told by a webhook or found out: links and documents follow in the CRM, nothing is made twice, the
# lost id still resolves (CEN-42, CEN-43, CEN-44, EXT-8, EXT-13, EXT-30, X-15).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use JSON::PP;
use PostgreSQL::Test::Utils;
use QbsyncCrm;
use QbsyncTest;
use QbsyncWebhook;
use Test::More;

my $crm = QbsyncCrm->new('merge', customers => 5, invoices => 0, seed => 49, hold => 1);
my ($simulator, $node) = ($crm->{simulator}, $crm->{node});
sub sql { return $crm->sql($_[0]) }
# the harder alternative: QuickBooks touches neither the one that is lost nor its transactions
$simulator->settings(merge_touches_transactions => JSON::PP::false, merge_loser_in_cdc => JSON::PP::false);

$crm->app(<<'SQL');
CREATE TABLE crm.contact (id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY, name text NOT NULL, notes text);
SQL
sql(<<'SQL');
SELECT qbsync_map_table('crm.contact', name => 'contacts', role => 'crm_app', columns => '{"display_name": "name", "notes": "notes"}', policies => '{"pull_new": "review"}');
SELECT qbsync_enable('contacts');
SQL
my ($item) = grep { $_->{Type} eq 'Service' && $_->{Active} } values %{ $simulator->objects('Item') };
my $connection = sql('SELECT connection_id FROM qbsync.connection');

# A customer with two invoices, one of them paid in part; linked: with a record made for it in the CRM.
sub party
{
	my ($name, $linked) = @_;
	my $id = $crm->customer(DisplayName => $name, Notes => $name);
	my @invoices = map { $crm->qb(act => 'create', entity => 'Invoice', object => { CustomerRef => { value => $id },
				Line => [ { Amount => 100 * $_, DetailType => 'SalesItemLineDetail', SalesItemLineDetail => { ItemRef => { value => $item->{Id} } } } ] })->{Id} } 1, 2;
	my $payment = $crm->qb(act => 'pay', id => $invoices[0], amount => 40)->{Id};
	$crm->sync;
	$crm->applied;
	if ($linked)
	{
		sql("SELECT qbsync_resolve_match('$id', 'create')");
		$crm->applied;
	}
	return { id => $id, name => $name, invoices => \@invoices, payment => $payment };
}
sub key { return sql("SELECT string_agg(crm_key || ' ' || state, ', ') FROM qbsync.matched WHERE id = '$_[0]{id}'") }
sub contact { return sql("SELECT id FROM crm.contact WHERE name = '$_[0]{name}'") }
# Whose the mirror says the transactions are.
sub owner
{
	my ($party) = @_;
	my $ids = join ',', map { "'$_'" } @{ $party->{invoices} }, $party->{payment};
	return sql("SELECT string_agg(DISTINCT customer_id, ' ') FROM (SELECT id, customer_id FROM qbsync.invoice UNION ALL SELECT id, customer_id FROM qbsync.payment) t WHERE id IN ($ids)");
}
sub resolved { return sql("SELECT qbsync_resolve_id('acme', 'customer', '$_[0]{id}')") }
sub merge { my ($lost, $kept) = @_; $crm->qb(act => 'merge', entity => 'Customer', id => $lost->{id}, into => $kept->{id}) }
sub found { return sql("SELECT how FROM qbsync.merged WHERE lost_id = '$_[0]{id}' AND noted_at IS NOT NULL") }
sub asked { return sql("SELECT string_agg(crm_key, ' ') FROM qbsync.duplicate WHERE id = '$_[0]{id}'") }
sub contacts { return sql('SELECT count(*) FROM crm.contact') }
# Everything about merges is done, and applied.
sub merged
{
	await('merges', sub { sql(<<'SQL') eq 't' });
SELECT NOT EXISTS (SELECT FROM qbsync.suspect WHERE judged_at IS NULL) AND NOT EXISTS (SELECT FROM qbsync.merged m WHERE qbsync.is_due(m))
	AND NOT EXISTS (SELECT FROM qbsync.lookup)
SQL
	$crm->applied;
}

# --- told by a webhook --------------------------------------------------------------------------------------------------------

my $receiver = start_receiver($node, $simulator, database => 'crm', gather => 0);

my ($lost, $kept) = (party('Perdu', 1), party('Garde'));
my $before = contacts();
my $its = contact($lost);
merge($lost, $kept);
await('the merge', sub { found($lost) eq 'said' && owner($lost) eq $kept->{id} });
merged();
is(key($kept), "$its linked", 'CEN-44 X-15 repoint: the link follows to the one that stays');
is(key($lost), '', 'and the lost one has none');
is(owner($lost), $kept->{id}, 'EXT-8: transactions that QuickBooks did not touch are read again');
is(resolved($lost), $kept->{id}, 'CEN-42: the lost id still resolves');
is(contacts(), $before, 'nothing was made in the CRM');
is(sql("SELECT name FROM crm.contact WHERE id = $its"), 'Garde', 'the CRM record has what the survivor is called');
is(sql("SELECT count(*) FROM qbsync.crm_error") . sql("SELECT count(*) FROM qbsync.error_open"), '00', 'and there is no error');

($lost, $kept) = (party('Perdu deux', 1), party('Garde deux', 1));
$simulator->control('POST', 'webhooks', { format => 'classic' });
my ($lost_key, $kept_key) = (contact($lost), contact($kept));
merge($lost, $kept);
await('the merge', sub { found($lost) eq 'said' && owner($lost) eq $kept->{id} });
merged();
is(key($lost) . '; ' . key($kept), "$kept_key alias; $kept_key linked", 'CEN-44: both linked: the lost one counts for the other CRM record');
is(asked($kept), $lost_key, 'X-15: and the CRM is asked to merge the two');
is(sql("SELECT count(*) FROM crm.contact WHERE id IN ($lost_key, $kept_key)"), '2', 'no CRM record is taken away');

sql("SELECT qbsync_set('acme', 'on_qbo_merge', 'review')");
($lost, $kept) = (party('Perdu trois', 1), party('Garde trois'));
merge($lost, $kept);
await('the merge', sub { found($lost) eq 'said' && owner($lost) eq $kept->{id} });
merged();
is(key($lost), contact($lost) . ' linked', 'X-15 review: the link stays');
is(asked($kept), contact($lost), 'and a person is asked');
sql("SELECT qbsync_set('acme', 'on_qbo_merge', NULL)");

# one after the other, and told in the other order
my ($first, $second, $third) = (party('Un', 1), party('Deux'), party('Trois'));
$simulator->control('POST', 'webhooks', { loss => 1 });
merge($first, $second);
merge($second, $third);
is($receiver->deliver('[' . $receiver->event('customer.merged', $third->{id}, data => { deletedid => $second->{id} }) . ','
	  . $receiver->event('customer.merged', $second->{id}, data => { deletedid => $first->{id} }) . ']'), 200, 'two merges in one delivery');
await('the merges', sub { found($first) eq 'said' && found($second) eq 'said' && owner($first) eq $third->{id} });
merged();
is(key($third), "$1 linked", 'CEN-44: the link follows to the last') if contact($third) =~ /(\d+)/;
is(join(' ', resolved($first), resolved($second), resolved($third)), join(' ', ($third->{id}) x 3), 'CEN-42: ids resolve in several steps');

# --- found out -------------------------------------------------------------------------------------------------------------------

$simulator->control('POST', 'webhooks', { url => undef });
$simulator->settings(merge_touches_transactions => JSON::PP::true, merge_loser_in_cdc => JSON::PP::true);
($lost, $kept) = (party('Discret', 1), party('Survivant'));
$before = contacts();
$its = contact($lost);
merge($lost, $kept);
$crm->sync;
merged();
is(found($lost), 'likely', 'EXT-13: inactive, and its transactions are another\'s: likely merged');
is(owner($lost), $kept->{id}, 'the transactions came with the poll');
is(key($lost) . '; ' . asked($kept), "$its linked; $its", 'a person is asked, nothing is taken for certain');
is(resolved($lost), $lost->{id}, 'and the id is still its own');
is(contacts(), $before, 'CEN-44: nothing is made in the CRM');
# a day later QuickBooks has it no more
$simulator->advance(86400 + 60);
sql("UPDATE qbsync.merged SET found_at = found_at - interval '25 hours' WHERE lost_id = '$lost->{id}'; SELECT qbsync.wake()");
await('that it is gone', sub { found($lost) eq 'inferred' });
merged();
is(key($kept) . '; ' . key($lost), "$its linked; ", 'CEN-44: gone: the link follows by itself');
is(asked($kept), '', 'and nobody is asked any more');
is(resolved($lost), $kept->{id}, 'CEN-42: its id resolves');
is(contacts(), $before, 'still nothing was made');

# neither shows in polls: one of the transactions is met by chance, as by the comparison of the night
$simulator->settings(merge_touches_transactions => JSON::PP::false, merge_loser_in_cdc => JSON::PP::false);
sub look_up { my ($entity, $id) = @_; sql("INSERT INTO qbsync.lookup VALUES ($connection, '$entity', '$id'); SELECT qbsync.wake()") }
($lost, $kept) = (party('Muet', 1), party('Muet survit', 1));
merge($lost, $kept);
look_up('payment', $lost->{payment});
await('what follows from one transaction', sub { found($lost) eq 'likely' });
merged();
is(owner($lost), $kept->{id}, 'EXT-13: one transaction of another customer has the customer and the other transactions read');
# or it is found to be gone
($lost, $kept) = (party('Parti', 1), party('Parti survit'));
$its = contact($lost);
merge($lost, $kept);
$simulator->advance(86400 + 60);
look_up('customer', $lost->{id});
await('what follows from the customer', sub { found($lost) eq 'inferred' });
merged();
is(owner($lost), $kept->{id}, 'EXT-8 EXT-13: a customer that is gone has its transactions read');
is(key($kept), "$its linked", 'CEN-44: and its link follows');

# or nobody meets anything, and the comparison of the night reads every record
($lost, $kept) = (party('Cache', 1), party('Cache survit', 1));
merge($lost, $kept);
sql("SELECT qbsync_reconcile('acme', full => true)");
await('what the comparison finds', sub { found($lost) eq 'likely' });
wait_synced($node, database => 'crm');
merged();
is(owner($lost), $kept->{id}, 'CEN-44 EXT-13: a merge that shows nowhere is found by the comparison of the night');

# --- no merges ----------------------------------------------------------------------------------------------------------------------

$before = sql('SELECT count(*) FROM qbsync.merged');
my ($one, $other) = (party('Reste', 1), party('Autre'));
$crm->qb(act => 'edit', entity => 'Invoice', id => $one->{invoices}[1], set => { CustomerRef => { value => $other->{id} } });
$crm->qb(act => 'inactivate', entity => 'Customer', id => $one->{id});
my $third_one = party('Inactif', 1);
$crm->qb(act => 'inactivate', entity => 'Customer', id => $third_one->{id});
$crm->sync;
merged();
is(sql("SELECT count(*) FROM qbsync.suspect WHERE id IN ('$one->{id}', '$third_one->{id}') AND judged_at IS NOT NULL"), '2', 'two that became inactive were judged');
is(sql('SELECT count(*) FROM qbsync.merged'), $before, 'CEN-43: that one invoice went to another makes no merge, nor does being inactive');
is(join(' ', key($one), key($third_one)), contact($one) . ' linked ' . contact($third_one) . ' linked', 'and the links stay');

# --- gone at last -----------------------------------------------------------------------------------------------------------------------

$simulator->advance(86400 + 60);
sql("UPDATE qbsync.merged SET found_at = found_at - interval '25 hours', looked_at = looked_at - interval '25 hours'; SELECT qbsync.wake()");
merged();
is(sql('SELECT count(*) FROM qbsync.merged WHERE gone_at IS NULL'), '0', 'EXT-8: those that QuickBooks has no more are marked deleted');
is_mirrored($node, $simulator, 'the mirror equals the company', database => 'crm');
is_quiet($node, 'no warning, no error');
done_testing();
