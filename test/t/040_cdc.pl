# Change data capture at its limits: truncated answers, more than 30 days offline, clocks that differ, what it does not
# carry (EXT-8, EXT-9, EXT-25).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use PostgreSQL::Test::Utils;
use QbsyncListener;
use QbsyncTest;
use Test::More;

my $simulator = start_simulator(customers => 1300, invoices => 1250, seed => 40);
# Intuit's clock is five hours ahead of ours, from the beginning
$simulator->control('POST', 'clock', { offset => 5 * 3600 });
# the harder alternative: rows of one time come in another order each time
$simulator->control('POST', 'settings', { shuffle_ties => JSON::PP::true });
my $node = new_node('cdc', conf => "autovacuum = off\n");
install_qbsync($node, $simulator);
connect_company($node, $simulator, poll_interval => '7 days');
my $listener = QbsyncListener->new($node);

sub act { return $simulator->control('POST', 'act', { acts => [@_] })->{results} }
sub sql { return $node->safe_psql('postgres', $_[0]) }
sub cursor { return sql("SELECT $_[0] FROM qbsync.cursor WHERE entity = '*'") }
# Ids of living rows; the mirror is complete when this is asked.
sub ids { my ($table, $where) = @_; return split /\n/, sql("SELECT id FROM qbsync.$table WHERE deleted_at IS NULL AND " . ($where // 'true') . ' ORDER BY id::bigint') }

# What may not move when nothing changed: every row with its version.
sub keep_versions
{
	sql('SET client_min_messages = warning; DROP TABLE IF EXISTS version; CREATE TABLE version AS '
		  . join(' UNION ALL ', map { "SELECT '$_' AS entity, id, xmin::text AS version, raw, deleted_at FROM qbsync.$_" } mirrored()));
}
my @mirrored;
sub mirrored
{
	@mirrored = split /\n/, sql('SELECT entity FROM qbsync.catalogue WHERE (cdc OR singleton) AND NOT bought') unless @mirrored;
	return @mirrored;
}
sub moved
{
	return sql('SELECT coalesce(string_agg(format(\'%s %s\', entity, id), \', \' ORDER BY entity, id), \'\') FROM (' . join(' UNION ALL ',
		map { "SELECT '$_' AS entity, m.id FROM qbsync.$_ m JOIN version v ON v.entity = '$_' AND v.id = m.id
			AND v.version <> m.xmin::text AND v.raw IS NOT DISTINCT FROM m.raw AND v.deleted_at IS NOT DISTINCT FROM m.deleted_at" } mirrored()) . ') moved');
}

# --- truncated answers -----------------------------------------------------------------------------------------------

my $number = 0;
# Changes that one answer cannot hold; more of them while the gateway catches up.  name, settings of the simulator, acts
sub truncated
{
	my ($name, $settings, @acts) = @_;
	$number++;
	$simulator->control('POST', 'settings', $settings);
	my @payments = reverse ids('payment');
	my ($owed) = ids('invoice', "balance > 0 AND sync_token <> '7'");
	act(@acts);
	my $before = cursor('changed_since');
	my $queries = $simulator->control('GET', 'stats')->{requests}{query};

	# the first windowed query waits until more has changed
	$simulator->control('POST', 'faults', { match => { kind => 'query' }, fault => 'hang', times => 1 });
	sql("SELECT qbsync_sync_now('acme')");
	await("$name: a windowed query", sub { $simulator->control('GET', 'faults')->{rules}[0]{hits} });
	is(cursor("catch_up_to > changed_since AND changed_since = '$before'"), 't', "$name: the truncation was seen, the cursor stays");
	act({ act => 'create', entity => 'Customer', object => { DisplayName => "Pendant le rattrapage $number" } },
		{ act => 'edit', entity => 'Customer', id => '3', set => { Notes => "rattrapage $number" } },
		{ act => 'delete', entity => 'Payment', id => $payments[0] },
		{ act => 'pay', id => $owed });
	$simulator->control('DELETE', 'faults');
	wait_synced($node);

	cmp_ok($simulator->control('GET', 'stats')->{requests}{query}, '>', $queries + 4, "$name: windowed queries and counts were made");
	is(cursor("catch_up_to IS NULL AND changed_since > '$before'"), 't', "$name: the cursor moved");
	is(sql("SELECT count(*) FROM qbsync.cursor WHERE phase <> 'loaded' AND entity <> '*'"), '0', "$name: every entity was compared");
	is_mirrored($node, $simulator, "EXT-9 $name: the mirror equals the company");
	is(sql("SELECT count(*) FROM qbsync.payment WHERE id = '$payments[0]' AND deleted_at IS NULL"), '0',
		"EXT-9 $name: a deletion meanwhile was found");
}

sub notes { my ($text, $n) = @_; return map { { act => 'edit', entity => 'Customer', id => $_, set => { Notes => $text } } } (ids('customer'))[0 .. $n - 1] }
# those after the first 50, which other changes are for
sub deletions { my ($entity, $n) = @_; return map { { act => 'delete', entity => $entity, id => $_ } } (ids(lc $entity))[50 .. 49 + $n] }

truncated('in all, no entity full', { cdc_cap => 'total' },
	notes('a', 600), (map { { act => 'attach', entity => 'Invoice', id => $_ } } (ids('invoice'))[100 .. 599]),
	deletions('Payment', 20), deletions('Invoice', 20));

truncated('per entity, one full', { cdc_cap => 'per_entity' },
	notes('b', 30), deletions('Invoice', 25), { act => 'touch', entity => 'Invoice' });

# everything changed in the same second, with values of its own
$simulator->control('POST', 'clock', { freeze => JSON::PP::true });
# (a page of rows with one time is continued by position, which needs an order that stays)
truncated('all at one time', { cdc_cap => 'total', shuffle_ties => JSON::PP::false },
	(map { { act => 'edit', entity => 'Customer', id => $_, set => { Notes => "au seul instant $_" } } } ids('customer')),
	deletions('Payment', 10));
$simulator->control('POST', 'clock', { freeze => JSON::PP::false });
cmp_ok(sql("SELECT count(*) FROM (SELECT FROM qbsync.customer GROUP BY last_updated_time HAVING count(*) > 1000) x"), '>', 0,
	'more than 1,000 rows have one time');

# --- clocks ----------------------------------------------------------------------------------------------------------

wait_synced($node, sync => 1);
is(cursor("changed_since > now() + interval '4 hours'"), 't', 'the cursor is the clock of Intuit, which is ahead');
for my $inclusive (0, 1)
{
	$simulator->control('POST', 'settings', { cdc_inclusive => $inclusive ? JSON::PP::true : JSON::PP::false, cdc_cap => 'per_entity' });
	# two changes within one second, a poll between them
	$simulator->control('POST', 'clock', { freeze => JSON::PP::true });
	act({ act => 'edit', entity => 'Customer', id => '2', set => { Notes => "un $inclusive" } });
	wait_synced($node, sync => 1);
	is(sql("SELECT raw ->> 'Notes' FROM qbsync.customer WHERE id = '2'"), "un $inclusive", 'a change arrives');
	act({ act => 'edit', entity => 'Customer', id => '2', set => { Notes => "deux $inclusive" } },
		{ act => 'edit', entity => 'Customer', id => '4', set => { Notes => "deux $inclusive" } });
	wait_synced($node, sync => 1);
	is(sql("SELECT string_agg(raw ->> 'Notes', ',') FROM qbsync.customer WHERE id IN ('2', '4')"), "deux $inclusive,deux $inclusive",
		'EXT-25: and so do others of the same second, changedSince ' . ($inclusive ? 'inclusive' : 'exclusive'));
	$simulator->control('POST', 'clock', { freeze => JSON::PP::false });
}
$simulator->control('POST', 'settings', { cdc_inclusive => JSON::PP::false });
# Intuit's servers do not agree on the time to the second: a step back within the overlap
$simulator->control('POST', 'clock', { advance => -120 });
act({ act => 'edit', entity => 'Customer', id => '5', set => { Notes => 'avant le curseur' } });
wait_synced($node, sync => 1);
is(sql("SELECT raw ->> 'Notes' FROM qbsync.customer WHERE id = '5'"), 'avant le curseur', 'EXT-9: the overlap finds a change before the cursor');
is_mirrored($node, $simulator, 'a clock five hours ahead loses nothing');

# --- more than 30 days offline -----------------------------------------------------------------------------------------

# The gateway is away for 40 days of Intuit's; or, for our own clock, the cursor is that old.
sub offline
{
	my ($name, $away) = @_;
	keep_versions();
	$listener->heard;
	sql("SELECT qbsync_pause('acme')");
	my @gone = (ids('payment', 'total_amt > 0'))[5 .. 7];
	my $result = act((map { { act => 'delete', entity => 'Payment', id => $_ } } @gone),
		{ act => 'edit', entity => 'Customer', id => '6', set => { Notes => $name } },
		{ act => 'create', entity => 'Term', object => { Name => $name =~ s/[^a-z]//gr, DueDays => 45 } });
	my $term = $result->[-1]{Id};
	$away->();

	# EXT-8: asking for the rows that were not on their page fails at first, and a page now and then
	$simulator->control('DELETE', 'faults');
	my $lookups = $simulator->control('POST', 'faults', { rules => [
		{ match => { kind => 'query', path => '(?i)Id(%20|\+| )IN' }, fault => '500' },
		{ match => { kind => 'query', path => '(?i)STARTPOSITION' }, fault => '503_html', times => 1, after => 1 } ] })->{rules}[0]{id};
	sql("SELECT qbsync_resume('acme')");
	await("$name: looking up what was not there, several times", sub { $simulator->control('GET', 'faults')->{rules}[0]{hits} >= 2 });
	is(sql("SELECT state FROM qbsync.connection"), 'loading', "EXT-9 $name: everything is read again");
	is(sql("SELECT count(*) FROM qbsync.payment WHERE deleted_at IS NOT NULL AND id IN ('" . join("','", @gone) . "')"), '0',
		"EXT-8 $name: a look-up that fails is no deletion");
	$simulator->control('DELETE', "faults?id=$lookups");
	wait_synced($node);
	$simulator->control('DELETE', 'faults');

	is_mirrored($node, $simulator, "EXT-9 $name: the mirror equals the company");
	is(sql("SELECT count(*) FROM qbsync.payment WHERE deleted_at IS NOT NULL AND id IN ('" . join("','", @gone) . "')"), '3',
		"EXT-9 $name: deletions that happened meanwhile were found");
	is(moved(), '', "$name: rows that did not change have no new version");
	my %heard;
	foreach my $payload ($listener->heard)
	{
		push @{ $heard{ $payload->{entity} } }, $payload->{ids} ? @{ $payload->{ids} } : ("count $payload->{count}");
	}
	my %expected = (term => [$term], customer => [], payment => [@gone], invoice => []);
	my $changed = sql('SELECT string_agg(format(\'%s %s\', entity, id), \' \' ORDER BY entity, id::bigint) FROM (' . join(' UNION ALL ',
		map { "SELECT '$_' AS entity, m.id FROM qbsync.$_ m LEFT JOIN version v ON v.entity = '$_' AND v.id = m.id
			WHERE v.version IS DISTINCT FROM m.xmin::text" } mirrored()) . ') changed');
	is(join(' ', map { my $e = $_; map { "$e $_" } sort { $a <=> $b } @{ $heard{$e} } } sort keys %heard), $changed,
		"$name: listeners are told of what changed and of nothing else");
	like($changed, qr/customer 6 .*payment.*term $term/, "$name: which is what was done");
	is(sql("SELECT state, ok FROM qbsync.status"), 'live|t', "$name: live again");
}

offline('old cursor', sub { sql("UPDATE qbsync.cursor SET changed_since = changed_since - interval '40 days' WHERE entity = '*'") });
offline('month away', sub { $simulator->control('POST', 'clock', { advance => 40 * 86400 }) });

# --- what change data capture does not carry -----------------------------------------------------------------------------

my $stats = $simulator->control('GET', 'stats')->{requests};
act({ act => 'company_info', set => { CompanyName => "Paysages de l'\x{ce}le & fr\x{e8}res inc." } },
	{ act => 'preference', set => { SalesFormsPrefs => { CustomTxnNumbers => JSON::PP::true } } });
wait_synced($node, sync => 1);
is($simulator->control('GET', 'stats')->{requests}{companyinfo}, $stats->{companyinfo}, 'company facts are not read with every poll');
sql("UPDATE qbsync.cursor SET checked_at = checked_at - interval '25 hours' WHERE entity IN ('company_info', 'preferences')");
wait_synced($node, sync => 1);
is(sql('SELECT company_name FROM qbsync.status'), "Paysages de l'Île & frères inc.", 'EXT-9: they are read daily: the new name is in the status');
is(sql("SELECT raw #>> '{SalesFormsPrefs,CustomTxnNumbers}' FROM qbsync.preferences"), 'true', 'and so are the preferences');
is(sql('SELECT confirmed_name FROM qbsync.connection'), 'Paysages Laval inc.', 'what a person confirmed stays on record');
my $info = $simulator->control('GET', 'stats')->{requests}{companyinfo};
wait_synced($node, sync => 1);
is($simulator->control('GET', 'stats')->{requests}{companyinfo}, $info, 'and then not before another day has gone by');

# --- a clock that is behind ----------------------------------------------------------------------------------------------

my $slow = start_simulator(seed => 41);
$slow->control('POST', 'clock', { offset => -7 * 3600 });
sql('CREATE DATABASE behind');
write_credentials($node, $slow);
install_qbsync($node, $slow, database => 'behind', keep_credentials => 1);
$node->reload;
connect_company($node, $slow, database => 'behind', poll_interval => '7 days');
is($node->safe_psql('behind', "SELECT changed_since < now() - interval '6 hours' FROM qbsync.cursor WHERE entity = '*'"), 't',
	'the cursor is the clock of Intuit, which is behind');
my $polls = $slow->control('GET', 'stats')->{requests}{cdc};
for my $round (1 .. 3)
{
	$slow->control('POST', 'random', { seed => $round, n => 30 });
	wait_synced($node, sync => 1, database => 'behind');
	is_mirrored($node, $slow, "a clock seven hours behind loses nothing ($round)", database => 'behind');
}
is($slow->control('GET', 'stats')->{requests}{cdc}, $polls + 3, 'and nothing is read twice for it');

$listener->quit;
$node->stop;
is_quiet($node, 'nothing unexpected in the server log');
done_testing();
