# What a person reads when QuickBooks refuses a change: every code, its words, our explanation and remedy in his language, the field; how
# the row leaves; retrying and dismissing; what is no error of a record at all.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use JSON::PP;
use QbsyncCrm;
use QbsyncTest;
use Test::More;

# Codes that speak about one record, and the column that a person would look at; 6000 with its details.
my @codes = (500, 700, 800, 900, 1050, 2000, 2010, 2020, 2030, 2040, 2050, 2060, 2070, 2080, 2090, 2100, 2110, 2120, 2130, 2140, 2150, 2160, 2170,
	2180, 2190, 2200, 2210, 2220, 2230, 2240, 2250, 2260, 2270, 2280, 2290, 2300, 2500, 2600, 3000, 4000, 4001, 5000, 5020, 5030, 6000, 6010, 6020, 6030, 6040, 6050, 6060,
	6070, 6080, 6090, 6100, 6110, 6120, 6130, 6140, 6150, 6160, 6170, 6180, 6200, 6210, 6220, 6230, 6240, 6250, 6270, 6280, 6290, 6390, 6400, 6420, 6430, 6440, 6450,
	6460, 6470, 6480, 6490, 6510, 6520, 6530, 6540, 6560);
my @details = ('Error validating Email Address: they must be comma separated', 'Make sure all lines have a % sales tax rate', 'You must select a customer.',
	'Select an account with the same currency', 'Invalid Currency: not this one', 'You can only add one sales tax', 'Please enter a transaction amount that is 0 or greater',
	'It is before the closing date', 'You\'ve reached the maximum limit', 'The term is inactive');
my @cases = ((map { { code => $_ } } @codes), (map { { code => 6000, detail => $_ } } @details));
my %columns = (2210 => 'emails', 6420 => 'emails', 6240 => 'display_name', 6080 => 'display_name', 700 => 'parent_id', 900 => 'parent_id', 6150 => 'parent_id',
	6180 => 'parent_id', 6220 => 'active', 6280 => 'active', 2200 => 'web_addr', 6130 => 'bill_with_parent', 2040 => 'primary_phone');
my %own = (emails => 'crm.contacts.email', display_name => 'crm.contacts.name', parent_id => 'crm.contacts.parent', primary_phone => 'crm.contacts.phone');

my $crm = QbsyncCrm->new('errors', customers => 0, seed => 83);
my $sim = $crm->{simulator};
$cases[$_]{key} = 1001 + $_ foreach 0 .. $#cases;
$cases[$_]{id} = $crm->customer(DisplayName => "Contact $cases[$_]{key}", PrimaryEmailAddr => { Address => "c$cases[$_]{key}\@example.com" }) foreach 0 .. $#cases;
$crm->sync;
$crm->sql(<<'SQL');
SET ROLE crm_app;
CREATE TABLE crm.contacts (id integer PRIMARY KEY, name text, email text, phone text, parent integer);
CREATE VIEW crm.v AS SELECT id, name AS display_name, email AS emails, phone AS primary_phone, parent AS parent_key FROM crm.contacts;
INSERT INTO crm.contacts SELECT i, 'Contact ' || i, 'c' || i || '@example.com' FROM generate_series(1001, 1200) i;
RESET ROLE;
SELECT qbsync_map('crm.v', 'customer', name => 'contacts', role => 'crm_app', key => '{id}', crm_table => 'crm.contacts', policies => '{"pull_new_first": "none", "pull_new": "none"}');
SELECT qbsync_enable('contacts');
SQL
$crm->applied;

sub idle { return if eval { $crm->sql("CALL qbsync_wait('acme', 'idle', '3 min')"); 1 }; diag($crm->state, map { "\n" . $crm->sql("SELECT to_jsonb(t) FROM $_ t LIMIT 5") } qw(qbsync.request qbsync.send_error qbsync.outgoing qbsync.lookup qbsync.capture)); die 'not idle' }
sub phone { my ($id) = @_; my ($theirs) = grep { $_->{Id} eq $id } @{ decode_json($sim->store('Customer'))->{objects} }; return $theirs->{PrimaryPhone}{FreeFormNumber} // '' }
sub open_errors { return $crm->sql("SELECT coalesce(string_agg(concat_ws(' ', crm_key, problem, code), ', ' ORDER BY crm_key), '') FROM qbsync.error_open") }
sub rows { my ($query) = @_; return @{ decode_json($crm->sql("SELECT coalesce(jsonb_agg(to_jsonb(t)), '[]') FROM ($query) t")) } }
sub faults { my (@rules) = @_; $sim->control('DELETE', 'faults'); $sim->control('POST', 'faults', { rules => \@rules }) if @rules }

# How often the only rule struck.
sub hits { return $sim->control('GET', 'faults')->{rules}[0]{hits} }

# --- every code -----------------------------------------------------------------------------------------------------

# The number that is sent names the case.
faults(map { { match => { kind => 'object', body => "555-$_->{key}" }, fault => 'code', code => "$_->{code}", $_->{detail} ? (detail => $_->{detail}) : (),
	$columns{ $_->{code} } && $_->{code} != 2040 ? () : (element => 'PrimaryPhone') } } @cases);
my ($first, $last) = ($cases[0]{key}, $cases[-1]{key});
$crm->app("UPDATE crm.contacts SET phone = '555-' || id WHERE id BETWEEN $first AND $last");
idle();
my %shown = map { $_->{crm_key} => $_ } rows('SELECT * FROM qbsync.error_open');
$crm->sql("SELECT qbsync_set(mapping => 'contacts', setting => 'language', value => 'fr')");
my %french = map { $_->{crm_key} => $_ } rows('SELECT crm_key, meaning, what_to_do, language FROM qbsync.error_open');
my %texts;
push @{ $texts{"$_->{code} $_->{language}"} }, $_ foreach rows('SELECT * FROM qbsync.fault_text');
foreach my $case (@cases)
{
	my $name = $case->{detail} // "code $case->{code}";
	my ($row, $fr) = ($shown{ $case->{key} } // {}, $french{ $case->{key} } // {});
	my $column = exists $columns{ $case->{code} } ? $columns{ $case->{code} } : 'primary_phone';
	my $known = sub {
		my ($language, $text) = @_;
		return grep { ($case->{detail} ? $_->{detail} ne '' && index(lc $case->{detail}, $_->{detail}) >= 0 : $_->{detail} eq '') && ($_->{meaning} eq $text || $_->{meaning} =~ /\{/) }
		  @{ $texts{"$case->{code} $language"} };
	};
	is(join('|', map { $_ // 'null' } @{$row}{qw(mapping crm_table crm_key id record_name code column_name crm_column has_record occurrences language)}),
		join('|', 'contacts', 'crm.contacts', $case->{key}, $case->{id}, "Contact $case->{key}", $case->{code}, $column, $own{$column} // 'null', 0, 1, 'en'),
		"KAR-62, KAR-64: $name: which record, which field of the CRM");
	ok($row->{message} && $row->{intuit_tid} && (!$case->{detail} || $row->{detail} eq $case->{detail}), "$name: QuickBooks' own words");
	ok($known->('en', $row->{meaning} // ''), "$name: $row->{meaning}");
	ok($known->('fr', $fr->{meaning} // '') && $fr->{language} eq 'fr', "$name: in French");
	ok(($row->{what_to_do} // '') =~ /\w.*\.$/ && ($fr->{what_to_do} // '') =~ /\w.*\.$/ && "$row->{what_to_do}$fr->{what_to_do}" !~ /[{}…]/, "$name: and what to do");
}
$crm->sql("SELECT qbsync_set(mapping => 'contacts', setting => 'language', value => NULL)");
my ($count) = $crm->sql('SELECT error_count FROM qbsync.status');
is($count, scalar @cases, 'KAR-63: their number is in qbsync.status');
is($crm->sql("SELECT count(*) FROM qbsync.pending WHERE state = 'refused' AND since > now() - interval '1 hour'"), scalar @cases, 'EXT-32: what is owed and refused stays visible, with its age');
is($crm->sql("SELECT string_agg(DISTINCT code::text, ' ' ORDER BY code::text) FROM qbsync.error_open WHERE next_attempt_at IS NULL AND code IN (2050, 2210, 5030, 6220)"), '2050 2210',
	'X-29: what only an edit can mend is not tried in vain');

# The cause is gone: the edit of the CRM, one at a time, all.
faults();
my ($edited, $single, $several, $rest) = map { my $code = $_; (grep { $_->{code} == $code } @cases)[0] } 2040, 6220, 2060, 6130;
$crm->app("UPDATE crm.contacts SET phone = '555-0001' WHERE id = $edited->{key}");
idle();
is(phone($edited->{id}) . "|$shown{ $edited->{key} }{code}|" . ($crm->sql("SELECT count(*) FROM qbsync.error_open WHERE crm_key = '$edited->{key}'")), '555-0001|2040|0',
	'KAR-64: mended in the CRM it goes by itself, and the error leaves');
is($crm->sql("SELECT qbsync_retry($shown{ $single->{key} }{error_id})"), "customer $single->{id} is tried again", 'KAR-65: one is tried again');
idle();
is(phone($single->{id}) . '|' . $crm->sql("SELECT count(*) FROM qbsync.error_open"), "555-$single->{key}|" . (@cases - 2), 'and leaves, no other');
my $alike = $crm->sql("SELECT count(*) FROM qbsync.error_open WHERE problem = 'send_bad_value'");
is($crm->sql("SELECT qbsync_retry_all(problem => 'send_bad_value')"), $alike, 'X-29: those of one kind');
idle();
is(phone($several->{id}) . '|' . $crm->sql("SELECT count(*) FROM qbsync.error_open WHERE problem = 'send_bad_value'"), "555-$several->{key}|0", 'leave');
is(phone($rest->{id}), '', 'others wait');
cmp_ok($crm->sql("SELECT qbsync_retry_all(mapping => 'contacts')"), '>', 40, 'KAR-65: all of them');
idle();
is(open_errors(), '', 'no error is left');
is($crm->sql('SELECT count(*) FROM qbsync.pending'), '0', 'nothing is owed');
my %theirs = map { $_->{Id} => $_->{PrimaryPhone}{FreeFormNumber} // '' } @{ decode_json($sim->store('Customer'))->{objects} };
is(join(' ', grep { $theirs{ $_->{id} } ne ($_ == $edited ? '555-0001' : "555-$_->{key}") } @cases), '', 'every change is in QuickBooks');

# --- what is tried again by itself first, and stays all the same ------------------------------------------------------------

my @stubborn = ((map { { code => $_ } } 130, 610, 620, 630, 1000, 1010, 1020, 5010, 10000), (map { { code => 6000, detail => $_ } } 'The payment amount exceeds it',
	'You cannot apply more than that', 'Another user is editing it', 'The record is locked'));
$stubborn[$_]{key} = $cases[$_]{key} foreach 0 .. $#stubborn;
faults(map { { match => { kind => 'object', body => "556-$_->{key}" }, fault => 'code', code => "$_->{code}", $_->{detail} ? (detail => $_->{detail}) : () } } @stubborn);
$crm->app("UPDATE crm.contacts SET phone = '556-' || id WHERE id BETWEEN $stubborn[0]{key} AND $stubborn[-1]{key}");
await('the last attempt', sub { $crm->sql('SELECT count(*) FROM qbsync.error_open') == @stubborn });
%shown = map { $_->{crm_key} => $_ } rows('SELECT * FROM qbsync.error_open');
foreach my $case (@stubborn)
{
	my $row = $shown{ $case->{key} };
	my $name = $case->{detail} // "code $case->{code}";
	ok((grep { $row->{meaning} eq $_->{meaning} && ($case->{detail} ? index(lc $case->{detail}, $_->{detail}) >= 0 && $_->{detail} : !$_->{detail}) } @{ $texts{"$case->{code} en"} }) && $row->{next_attempt_at},
		"KAR-64: $name, again and again: $row->{problem}: $row->{meaning}");
}
faults();
$crm->sql("SELECT qbsync_retry_all()");
idle();
is(open_errors() . phone($cases[ 3 ]{id}), "556-$stubborn[3]{key}", 'KAR-65: and goes when it is over there');

# --- creations: a name that is taken ------------------------------------------------------------------------------------

$crm->qb(act => 'create', entity => 'Vendor', object => { DisplayName => 'Papeterie du Port' });
my $vendor = $crm->qb(act => 'create', entity => 'Vendor', object => { DisplayName => 'Zoe' })->{Id};
$crm->app("INSERT INTO crm.contacts (id, name) VALUES (1, 'papeterie du port'), (2, 'Zoe'), (3, 'Not wanted')");
$crm->sql("SELECT qbsync_push('contacts', k) FROM unnest('{1,2}'::text[]) k");
idle();
my ($taken) = rows("SELECT * FROM qbsync.error_open WHERE crm_key = '1'");
is(join('|', map { $_ // 'null' } @{$taken}{qw(crm_key id record_name problem code column_name crm_column)}), '1|null|papeterie du port|send_name_taken|6240|display_name|crm.contacts.name',
	'CAP-47, CAP-49: a name that a vendor has');
like($taken->{meaning}, qr/^A vendor or an employee of QuickBooks, .* has the name "papeterie du port": no customer has it/, 'it is said who it must be');
like($taken->{what_to_do}, qr/Rename the CRM record, for example to "papeterie du port \(customer\)"/, 'and a free name is offered');
$crm->app("UPDATE crm.contacts SET name = 'papeterie du port (customer)' WHERE id = 1");
idle();
is(open_errors(), '2 send_name_taken 6240', 'CAP-49: renamed it goes');
$crm->qb(act => 'edit', entity => 'Vendor', id => $vendor, set => { DisplayName => 'Zoe (vendor)' });
$crm->sql('SELECT qbsync_retry_all()');
idle();
is(open_errors(), '', 'KAR-65: or the vendor is renamed and it is tried again, under another requestid');
is($crm->sql("SELECT string_agg(c.display_name, ', ' ORDER BY l.crm_key) FROM qbsync.link l JOIN qbsync.customer c USING (connection_id, id) WHERE l.crm_key IN ('1', '2')"),
	'papeterie du port (customer), Zoe', 'both are there, and linked');

# A customer that the mirror learns of later: a question for qbsync.duplicate where names are compared.
my $late = $crm->customer(DisplayName => 'Late One');
$crm->app("INSERT INTO crm.contacts (id, name, phone) VALUES (4, 'LATE ONE', '555-4444')");
$crm->sql("SELECT qbsync_push('contacts', '4')");
idle();
is(open_errors(), '4 send_name_taken 6240', 'a customer has the name, as QuickBooks knows');
$crm->sync;
idle();
is(open_errors(), '4 send_may_exist', 'CAP-49: once it is read it is compared: the two may be the same');
$crm->sql($crm->sql("SELECT resolve FROM qbsync.duplicate WHERE id = '$late' AND crm_key = '4'"));
idle();
is(open_errors() . phone($late), '555-4444', 'linked, the error leaves, and what differs is sent');

# Where they are not, the row says which it is, with the call that links the two.
$crm->sql("SELECT qbsync_set(mapping => 'contacts', setting => 'match_name_only', value => 'off')");
$late = $crm->customer(DisplayName => 'Late Two');
$crm->app("INSERT INTO crm.contacts (id, name, phone) VALUES (5, 'LATE TWO', '555-5555')");
$crm->sql("SELECT qbsync_push('contacts', '5')");
idle();
is(open_errors(), '5 send_name_taken 6240', 'a customer has the name, as QuickBooks knows');
$crm->sync;
idle();
my ($holder) = rows("SELECT * FROM qbsync.error_open WHERE crm_key = '5'");
like($holder->{meaning} // '', qr/^Customer "Late Two" of QuickBooks \(number $late,/, 'CAP-49: once it is read the row says who');
my ($call) = ($holder->{what_to_do} // '') =~ /(SELECT qbsync_link\(.*?\);)/;
is($call, "SELECT qbsync_link(crm_key => '5', id => '$late', mapping => 'contacts');", 'and offers the call that links them');
$crm->sql($call);
idle();
is(open_errors() . phone($late), '555-5555', 'linked, the error leaves, and what differs is sent');
$crm->sql("SELECT qbsync_set(mapping => 'contacts', setting => 'match_name_only', value => NULL)");
idle();

# --- refused again and again, dismissed -----------------------------------------------------------------------------------

my ($poison, $good) = @cases[ 3, 4 ];
faults({ match => { kind => 'object', body => '555-6666' }, fault => 'code', code => '6430' });
$crm->app("UPDATE crm.contacts SET phone = '555-6666' WHERE id = $poison->{key}");
idle();
my @waits;
foreach my $round (1 .. 6)
{
	push @waits, $crm->sql("SELECT occurrences || ':' || round(extract(epoch FROM next_attempt_at - last_seen) / 3600) FROM qbsync.error_open");
	$crm->sql("UPDATE qbsync.send_error SET next_attempt_at = now(); SELECT qbsync.wake()");
	await("attempt $round", sub { $crm->sql('SELECT attempts FROM qbsync.send_error') eq $round + 1 });
}
is("@waits", '1:1 2:2 3:4 4:8 5:16 6:24', 'X-29, KAR-66: what is refused again and again is tried after longer and longer waits');
$crm->app("UPDATE crm.contacts SET phone = '555-7777' WHERE id = $good->{key}");
idle();
is(phone($good->{id}), '555-7777', 'and holds nobody up');

my $error = $crm->sql('SELECT error_id FROM qbsync.error_open');
is($crm->sql("SELECT qbsync_dismiss($error)"), "customer $poison->{id} is left alone until it changes", 'a person leaves it alone');
my $seen = hits();
is(open_errors() . $crm->sql('SELECT error_count FROM qbsync.status'), '0', 'it is not shown any more, nor counted');
$crm->sql("UPDATE qbsync.send_error SET next_attempt_at = now(); SELECT qbsync_retry_all()");
idle();
is(hits(), $seen, 'nor tried');
is($crm->sql("SELECT qbsync_retry($error)"), "customer $poison->{id} is tried again", 'until somebody asks for it');
idle();
is(hits() . '|' . open_errors(), $seen + 1 . "|$poison->{key} send_refused 6430", 'then it is tried, and shown again');
$crm->sql("SELECT qbsync_dismiss($error)");
$crm->app("UPDATE crm.contacts SET phone = '555-8888' WHERE id = $poison->{key}");
idle();
is(phone($poison->{id}) . $crm->sql('SELECT count(*) FROM qbsync.send_error'), '555-88880', 'or until it changes');
$crm->app("UPDATE crm.contacts SET phone = '555-6666' WHERE id = $poison->{key}");
idle();
$crm->sql("SELECT qbsync_dismiss(error_id) FROM qbsync.error_open");
$crm->app("UPDATE crm.contacts SET phone = '555-66667' WHERE id = $poison->{key}");
idle();
is(open_errors(), "$poison->{key} send_refused 6430", 'changed, and refused once more: it is shown again');
$crm->app("UPDATE crm.contacts SET phone = '555-8888', email = 'bad' WHERE id = $poison->{key}");
idle();
is(open_errors(), "$poison->{key} send_bad_email", 'CAP-47: and what is seen before it is sent');
$crm->sql("SELECT qbsync_dismiss(error_id) FROM qbsync.error_open");
$crm->look_again;
is(open_errors(), '', 'dismissed, and looked at again without a change: it stays away');
$crm->app("UPDATE crm.contacts SET email = 'worse' WHERE id = $poison->{key}");
idle();
is(open_errors(), "$poison->{key} send_bad_email", 'changed for something no better: it is shown again');
$crm->app("UPDATE crm.contacts SET email = 'good\@example.com' WHERE id = $poison->{key}");
idle();
is(phone($poison->{id}) . open_errors(), '555-8888', 'mended, it goes');

# Many of them, creations, all due at once: the good one goes, and each is one call a retry.
faults({ match => { kind => 'object', body => 'Poison ' }, fault => 'code', code => '6430' });
$crm->app("INSERT INTO crm.contacts (id, name) SELECT i, 'Poison ' || i FROM generate_series(2001, 2100) i");
$crm->sql("SELECT count(qbsync_push('contacts', i::text)) FROM generate_series(2001, 2100) i");
idle();
is($crm->sql("SELECT count(*) || ' ' || min(occurrences) || ' ' || count(*) FILTER (WHERE id IS NULL AND next_attempt_at > now()) FROM qbsync.error_open") . ' ' . hits(), '100 1 100 100',
	'X-29: a hundred creations are refused, each asked for once');
$crm->sql("UPDATE qbsync.send_error SET next_attempt_at = now()");
$crm->app("UPDATE crm.contacts SET phone = '555-9999' WHERE id = $good->{key}");
await('the good one', sub { phone($good->{id}) eq '555-9999' });
idle();
is($crm->sql('SELECT count(*), min(occurrences), max(occurrences) FROM qbsync.error_open') . ' ' . hits(), '100|2|2 200', 'they are tried again by themselves when it is time, once');
is($crm->sql('SELECT qbsync_retry_all(), qbsync_retry_all(), qbsync_retry_all()'), '100|100|100', 'KAR-66: retrying all is asked for three times');
idle();
is(hits(), 300, 'KAR-66: and done once');
faults();
$crm->sql("SELECT qbsync_retry_all('contacts', 'send_refused')");
idle();
is(open_errors() . scalar(grep { $_->{DisplayName} =~ /^Poison / } @{ decode_json($sim->store('Customer'))->{objects} }), '100', 'mended, all are made, each once');

# --- what is no error of a record -----------------------------------------------------------------------------------------

my @some = @cases[ 10 .. 14 ];
my ($from, $to) = ($some[0]{key}, $some[-1]{key});
my $round = 0;
foreach my $fault ({ fault => '429_gateway', times => 2 }, { fault => '503_html', times => 2 }, { fault => '500', times => 2 }, { fault => '401', times => 1 },
	{ fault => 'cut_after', times => 1 }, map { { fault => 'code', code => $_, times => 2 } } qw(600 3001 4002))
{
	$round++;
	faults({ match => { kind => $fault->{code} ? 'object' : 'write' }, %$fault });
	$crm->app("UPDATE crm.contacts SET phone = '555-$round-' || id WHERE id BETWEEN $from AND $to");
	idle();
	is(join(' ', map { phone($_->{id}) } @some) . '|' . $crm->sql('SELECT count(*) FROM qbsync.send_error'), join(' ', map { "555-$round-$_->{key}" } @some) . '|0', join(' ', $fault->{fault}, $fault->{code} // ()) . ' passes, and is no error');
}

foreach my $case ([ '401_revoked', 'grant_revoked' ], [ '403_3100', 'wrong_environment' ])
{
	my ($fault, $problem) = @$case;
	faults({ match => { kind => 'write' }, fault => $fault });
	$crm->app("UPDATE crm.contacts SET phone = '$fault ' || id WHERE id BETWEEN $from AND $to");
	await('the company to stop', sub { $crm->sql('SELECT state FROM qbsync.connection') eq 'reauthorize' });
	is($crm->sql('SELECT problem, ok, error_count FROM qbsync.status'), "$problem|f|0", "KAR-71: $fault stops the company once, no record is to blame");
	# what was not composed when the company stopped is counted with the mapping
	cmp_ok($crm->sql('SELECT (SELECT count(*) FROM qbsync.pending) + (SELECT sum(waiting_count) FROM qbsync.mapping_status) + (SELECT count(*) FROM qbsync.capture)'), '>=', scalar @some, 'what is owed is shown');
	faults();
	my $grant = $sim->control('POST', 'grant', { realm => $sim->{realm} });
	$crm->{node}->psql('crm', "SELECT qbsync_connect(realm_id => '$sim->{realm}', refresh_token => '$grant->{refresh_token}')");
	await('the company to go on', sub { $crm->sql('SELECT state FROM qbsync.connection') eq 'live' });
	idle();
	is(join(' ', map { phone($_->{id}) } @some) . '|' . open_errors(), join(' ', map { "$fault $_->{key}" } @some) . '|', 'KAR-71: signed in again, everything goes by itself');
}

faults({ match => { kind => 'write' }, fault => 'fault_6190' });
$crm->app("UPDATE crm.contacts SET phone = 'paid ' || id WHERE id BETWEEN $from AND $to");
await('the suspension', sub { ($crm->sql('SELECT problem FROM qbsync.status') // '') eq 'suspended' });
is($crm->sql('SELECT error_count FROM qbsync.status'), '0', 'a subscription that ended is the company\'s trouble, not a record\'s');
faults();
$crm->sql("SELECT qbsync_sync_now('acme')");
idle();
is(join(' ', map { phone($_->{id}) } @some), join(' ', map { "paid $_->{key}" } @some), 'and all goes when it is renewed');

is_quiet($crm->{node}, 'the log is quiet', qr/secret|statement/);
done_testing();
