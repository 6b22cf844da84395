# The CRM's shapes end to end, by what qbsync_map_suggest writes and real workers: organisations and persons with child tables of
# e-mails, phones, addresses and web sites; keys, types and tables of every kind.
use strict;
use warnings;

use Encode qw(decode_utf8);
use FindBin;
use lib "$FindBin::Bin/../perl";

use PostgreSQL::Test::Utils;
use QbsyncCrm;
use QbsyncTest;
use Test::More;

my $crm = QbsyncCrm->new('shapes', customers => 0, seed => 68, conf => "max_worker_processes = 16\nqbsync.max_apply_workers = 8\n");
my $node = $crm->{node};

sub sql { return $crm->sql($_[0]) }
sub settle { $crm->sync; $crm->applied }

# What is written here in UTF-8 goes to the simulator as text.
sub text
{
	my ($value) = @_;
	return { map { $_ => text($value->{$_}) } keys %$value } if ref $value eq 'HASH';
	return [ map { text($_) } @$value ] if ref $value eq 'ARRAY';
	return ref $value || !defined $value ? $value : decode_utf8($value);
}
sub customer { return $crm->customer(%{ text({@_}) }) }
sub edit { my ($id, %set) = @_; return $crm->edit($id, %{ text(\%set) }) }
sub mail { return { Address => $_[0] } }
sub phone { return { FreeFormNumber => $_[0] } }

# The caller's rights are those of a person who looks after the CRM, not of a superuser.
sql('CREATE ROLE crm_dba; GRANT crm_app, qbsync_admin, qbsync_operator TO crm_dba; GRANT CREATE ON DATABASE crm TO crm_app');
sub dba { return sql("SET ROLE crm_dba;\n$_[0]") }
sub crm_file
{
	my ($file) = @_;
	my ($in, $out);
	$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-v', 'role=crm_app', '-f', "$FindBin::Bin/../crm/$file.sql", $node->connstr('crm') ], "the CRM $file");
}
sub refused { my ($statement) = @_; my ($code, $out, $err) = $node->psql('crm', $statement); return $code == 0 ? 'done' : $err =~ /ERROR:\s+(.*)/ ? $1 : $err }
sub key_of { my ($id, $mapping) = @_; return sql("SELECT crm_key FROM qbsync.matched WHERE id = '$id' AND entity = 'customer' AND mapping = '$mapping'") }
sub errors { return sql("SELECT coalesce(string_agg(concat_ws('|', mapping, id, problem, column_name), ' ' ORDER BY mapping, id), '') FROM qbsync.error_open") }
sub seconds_spent { diag(sprintf '%3d s: %s', time - $^T, $_[0]) }

# --- organisations and persons: the plan ----------------------------------------------------------------------------------------

crm_file('b2b');

my %address = (Line1 => '800 boul. Industriel', Line2 => 'bureau 4', City => 'Laval', CountrySubDivisionCode => 'QC', PostalCode => 'H7L 9Z9', Country => 'CA');
my $paysages = customer(DisplayName => 'PAYSAGES LAVAL INC.', CompanyName => 'Paysages Laval inc.', PrimaryEmailAddr => mail('Comptes@Paysages.example'), Mobile => phone('514 555-0900'), BillAddr => {%address});
my $erabliere = customer(DisplayName => 'Érablière du Nord', CompanyName => 'Érablière du Nord', PrimaryEmailAddr => mail('nord@erabliere.example'));
my $brosseau = customer(DisplayName => 'Brosseau et fils', CompanyName => 'Brosseau et fils', PrimaryEmailAddr => mail('luke@brosseau.example'));
my $amelie = customer(DisplayName => 'Amélie Tremblay', GivenName => 'Amélie', FamilyName => 'Tremblay', PrimaryEmailAddr => mail('amelie@example.com,a.tremblay@work.example'));
my $mary = customer(DisplayName => "Mary O'Neil", GivenName => 'Mary', FamilyName => "O'Neil", PrimaryEmailAddr => mail('mary@oneil.example'));
my $inside = customer(DisplayName => 'Huit Nord inc. (Laval)', CompanyName => 'Huit Nord inc.');
my $employee = customer(DisplayName => 'Paul Dix', CompanyName => 'Chez quelqu un', GivenName => 'Paul', FamilyName => 'Dix');
$crm->sync;

my $script = sql("SELECT qbsync_map_suggest('b2b.organisation')");
dba($script);
is(sql("SELECT string_agg(concat_ws(' ', mapping, kind, role, state, ok), ', ' ORDER BY mapping) FROM qbsync.mapping_status"),
	'organisation organisation crm_app declared t, person person crm_app declared t', 'CAP-23, CAP-24: what is suggested runs as it is written: a mapping of organisations and one of persons');
dba("SELECT qbsync_set(mapping => m, setting => 'pull_new_first', value => 'all') FROM unnest('{organisation,person}'::text[]) m");

my $plan = "SELECT concat_ws(' ', action, crm_key, CASE action WHEN 'conflict' THEN (conflict ->> 'unit') || ': ' || reason END) FROM qbsync_plan('%s') WHERE id = '%s' AND count IS NULL ORDER BY 1";
is(dba(sprintf $plan, 'organisation', $paysages), "conflict 1 bill_addr: the addresses agree in part only\nconflict 1 display_name: the two sides differ\nconflict 1 emails: the two sides differ\nlink 1", 'KAR-1, CAP-13, CAP-38: the plan says what would be linked, and that addresses agree in part');
is(dba(sprintf $plan, 'organisation', $erabliere), 'candidate 3', 'KAR-1: and what a person will be asked');
is(dba("SELECT action || ' ' || reason FROM qbsync_plan('person') WHERE id = '$employee' AND count IS NULL"), 'create matches nothing', 'KAR-18: and what would be made');
is(sql("SELECT (SELECT count(*) FROM b2b.organisation) || ' ' || (SELECT count(*) FROM b2b.person) || ' ' || (SELECT count(*) FROM qbsync.matched)"), '3 6 0', 'ORD-4, CEN-8, KAR-7: nothing has moved');

# --- linking --------------------------------------------------------------------------------------------------------------------

my $others = sql('SELECT count(*) FROM qbsync.customer WHERE active');
dba("SELECT qbsync_enable('organisation'), qbsync_enable('person')");
$crm->applied;
is(errors(), '', 'no errors');
is(sql("SELECT crm_table || ' ' || crm_key || ' ' || how FROM qbsync.matched WHERE id = '$paysages'"), 'b2b.organisation 1 the same name and e-mail', 'KAR-9, KAR-10, KAR-17, CAP-20: name and e-mail alike, whatever the case: linked');
is(key_of($amelie, 'person'), '5', 'KAR-17, CAP-20: a person, too');
is(sql("SELECT unit || ' ' || kind || ' ' || (crm ->> 'bill_postal_code') || ' ' || (quickbooks ->> 'bill_postal_code') FROM qbsync.conflict_open WHERE crm_key = '1' AND unit = 'bill_addr'"), 'bill_addr address_partial H7L 4R2 H7L 9Z9',
	'CAP-38, CAP-39: addresses that agree in part wait for a person, with both');
is(sql("SELECT string_agg(postal_code, ' ' ORDER BY id) FROM b2b.address WHERE organisation_id = 1"), 'H7L 4R3 H7L 4R2', 'CAP-38: and neither is overwritten');
is(sql("SELECT number FROM b2b.phone WHERE organisation_id = 1 AND kind = 'mobile'"), '514 555-0900', 'what was empty in the CRM is filled');
is(sql("SELECT string_agg(concat_ws(' ', crm_table, crm_key, reasons::text), ', ' ORDER BY crm_table, crm_key) FROM qbsync.duplicate WHERE id IN ('$erabliere', '$brosseau', '$mary')"),
	'b2b.organisation 2 {"same e-mail"}, b2b.organisation 3 {"same name"}, b2b.person 6 {"same name"}', 'KAR-11, KAR-19, KAR-21, KAR-24, CAP-22: alike in one thing only: a person is asked, and told why');
is(sql("SELECT m.mapping || ' ' || o.name FROM qbsync.matched m JOIN b2b.organisation o ON o.id::text = m.crm_key WHERE m.id = '$inside' AND m.origin = 'created_in_crm'"), 'organisation Huit Nord inc. (Laval)',
	'CAP-23, CAP-16, CAP-21, X-8: the company is in the display name: an organisation');
is(sql("SELECT m.mapping || ' ' || concat_ws('/', p.first_name, p.last_name) FROM qbsync.matched m JOIN b2b.person p ON p.id::text = m.crm_key WHERE m.id = '$employee'"), 'person Paul/Dix',
	'CAP-24, X-8: the names of a person are in it: a person, with first and last name');
is(sql("SELECT (SELECT count(DISTINCT id) FROM qbsync.matched) + (SELECT count(DISTINCT id) FROM qbsync.duplicate)"), $others, 'KAR-18, X-5: everybody else is there, once');
is(sql("SELECT count(*) FROM qbsync.matched WHERE origin = 'created_in_crm' AND id IN ('$erabliere', '$brosseau', '$mary')"), '0', 'X-7, Q-1: nobody is made who may be there already');

# one call each
dba(sql("SELECT resolve FROM qbsync.duplicate WHERE id = '$erabliere'"));
dba("SELECT qbsync_resolve_match('$brosseau', 'create', mapping => 'organisation')");
dba("SELECT qbsync_resolve_match('$mary', 'link', '6', mapping => 'person')");
$crm->applied;
is(key_of($erabliere, 'organisation') . ' ' . sql('SELECT address FROM b2b.email WHERE organisation_id = 3'), '3 nord@erabliere.example', 'KAR-19, KAR-24: accepted by the call that the view shows');
is(sql("SELECT o.name || ' ' || (o.id > 100) FROM b2b.organisation o WHERE o.id::text = '" . key_of($brosseau, 'organisation') . "'"), 'Brosseau et fils true', 'KAR-23: or made anew, although the e-mail is the same');
is(sql('SELECT name FROM b2b.organisation WHERE id = 2'), 'Brosseau & Sons', 'KAR-23: beside the other');
is(key_of($mary, 'person'), '6', 'KAR-23: a person, too');
is(sql("SELECT count(*) FROM qbsync.duplicate WHERE id IN ('$erabliere', '$brosseau', '$mary')"), '0', 'and nothing is asked again');
dba(sql("SELECT take_quickbooks FROM qbsync.conflict_open WHERE crm_key = '1' AND unit = 'bill_addr'"));
$crm->applied;
is(sql("SELECT string_agg(concat_ws(' ', label, postal_code), ', ' ORDER BY id) FROM b2b.address WHERE organisation_id = 1"), 'shipping H7L 4R3, billing H7L 9Z9', 'CAP-38: decided: only the billing address follows');
seconds_spent('linked');

# --- what arrives anew ------------------------------------------------------------------------------------------------------------

# The child rows of a record, by id.
sub children
{
	my ($column, $key) = @_;
	my $persons = $column eq 'organisation_id' ? <<'SQL' : '';
	UNION ALL SELECT 5, id, 'person ' || id || ' ' || concat_ws(' ', salutation, first_name, last_name, job_title, CASE WHEN is_primary THEN 'primary' END) FROM b2b.person WHERE organisation_id = KEY
SQL
	$persons =~ s/KEY/$key/;
	return sql(<<"SQL");
SELECT r FROM (
	SELECT 1, id, 'email ' || id || ' ' || concat_ws(' ', kind, address, CASE WHEN is_primary THEN 'primary' END) FROM b2b.email WHERE $column = $key
	UNION ALL SELECT 2, id, 'phone ' || id || ' ' || concat_ws(' ', kind, number) FROM b2b.phone WHERE $column = $key
	UNION ALL SELECT 3, id, 'address ' || id || ' ' || concat_ws('; ', label, street, street2, city, region, postal_code, country) FROM b2b.address WHERE $column = $key
	UNION ALL SELECT 4, id, 'web_site ' || id || ' ' || url FROM b2b.web_site WHERE $column = $key
$persons) c(t, id, r) ORDER BY t, id
SQL
}
sub contents { return join "\n", map { s/^(\w+) \d+ /$1 /r } split /\n/, children(@_) }

# What a code block changes in them: rows that changed, new ones, rows that are gone.
sub changes
{
	my ($column, $key, $act) = @_;
	my %before = map { /^(\w+ \d+) (.*)/ } split /\n/, children($column, $key);
	$act->();
	settle();
	my %after = map { /^(\w+ \d+) (.*)/ } split /\n/, children($column, $key);
	my @found;
	foreach my $row (sort keys %{ { %before, %after } })
	{
		my ($old, $new, $what) = ($before{$row}, $after{$row}, $row =~ s/ .*//r);
		push @found, !defined $old ? "$what + $new" : !defined $new ? "$what - $old" : "$what: $old -> $new"
		  if ($old // '') ne ($new // '');
	}
	return join "\n", @found;
}

my $neuf = customer(DisplayName => 'Neuf inc.', CompanyName => 'Neuf inc.', Title => 'M.', GivenName => 'Luc', FamilyName => 'Neuf',
	PrimaryEmailAddr => mail('a@neuf.example, b@neuf.example,c@neuf.example'), PrimaryPhone => phone('514 1'), AlternatePhone => phone('514 2'), Mobile => phone('514 3'), Fax => phone('514 4'),
	WebAddr => { URI => 'https://neuf.example' }, Notes => 'appeler', PrimaryTaxIdentifier => '123456789',
	BillAddr => { Line1 => '1 rue A', Line2 => 'app. 2', City => 'Laval', CountrySubDivisionCode => 'QC', PostalCode => 'H7A 1A1', Country => 'CA' }, ShipAddr => { Line1 => '2 rue B', City => 'Montréal', PostalCode => 'H1A 1A1' });
my $zoe = customer(DisplayName => 'Zoé Onze', GivenName => 'Zoé', FamilyName => 'Onze', PrimaryEmailAddr => mail('zoe@onze.example'), Mobile => phone('438 5'), BillAddr => { Line1 => '3 rue C', City => 'Laval' });
my $before = sql('SELECT count(*) FROM b2b.organisation');
settle();
my $neuf_key = key_of($neuf, 'organisation');
my $zoe_key = key_of($zoe, 'person');
is(sql("SELECT name FROM b2b.organisation WHERE id = $neuf_key"), 'Neuf inc.', 'KAR-8, KAR-12, KAR-30, CEN-13, CAP-27: sync now: a new customer is an organisation');
is(contents('organisation_id', $neuf_key), join("\n", 'email work a@neuf.example primary', 'email work b@neuf.example', 'email work c@neuf.example',
	'phone work 514 1', 'phone other 514 2', 'phone mobile 514 3', 'phone fax 514 4', 'address billing; 1 rue A; app. 2; Laval; QC; H7A 1A1; CA', 'address shipping; 2 rue B; Montréal; H1A 1A1',
	'web_site https://neuf.example', 'person M. Luc Neuf primary'),
	'CAP-26…32, CEN-14…18, KAR-13…16, X-2, X-25, CAP-35, CAP-36: with its e-mails, phones by kind, labelled addresses, web site and contact person, each in its table');
is(sql("SELECT concat_ws(' ', first_name, last_name, organisation_id) FROM b2b.person WHERE id = $zoe_key"), 'Zoé Onze', 'CAP-24, CAP-26: a person with her names, of no organisation');
is(contents('person_id', $zoe_key), join("\n", 'email work zoe@onze.example primary', 'phone mobile 438 5', 'address billing; 3 rue C; Laval'), 'CAP-28, CAP-31: with what she has, and nothing else');
is(sql('SELECT count(*) FROM b2b.organisation'), $before + 1, 'once');

# --- edits: the right row, and no other -------------------------------------------------------------------------------------------

sub neuf { my (%set) = @_; return changes('organisation_id', $neuf_key, sub { edit($neuf, %set) }) }
is(neuf(DisplayName => 'Neuf ltée', CompanyName => 'Neuf ltée'), '', 'KAR-25, CAP-56: a new name changes no child row');
is(sql("SELECT name FROM b2b.organisation WHERE id = $neuf_key") . ' ' . key_of($neuf, 'organisation'), "Neuf ltée $neuf_key", 'KAR-12, KAR-25, CAP-56: it is the same organisation under its new name');
is(neuf(PrimaryEmailAddr => mail('a@neuf.example,neu@neuf.example,c@neuf.example')), 'email: work b@neuf.example -> work neu@neuf.example', 'KAR-13, KAR-26, CEN-18: one e-mail of three changes');
is(neuf(PrimaryEmailAddr => mail('c@neuf.example,a@neuf.example')), join("\n", 'email: work a@neuf.example primary -> work a@neuf.example', 'email - work neu@neuf.example', 'email: work c@neuf.example -> work c@neuf.example primary'),
	'KAR-26, CAP-32: one goes, another is the first');
is(neuf(PrimaryPhone => phone('514 10')), 'phone: work 514 1 -> work 514 10', 'KAR-14, KAR-27, CAP-31: the phone');
is(neuf(AlternatePhone => phone('514 20'), Mobile => phone(''), Fax => phone('514 40')), join("\n", 'phone: other 514 2 -> other 514 20', 'phone - mobile 514 3', 'phone: fax 514 4 -> fax 514 40'), 'KAR-27, CEN-17: the others, by kind; one goes');
is(neuf(BillAddr => { Line1 => '1 rue A', Line2 => 'app. 2', City => 'Laval', CountrySubDivisionCode => 'QC', PostalCode => 'H7A 2B2', Country => 'CA' }), 'address: billing; 1 rue A; app. 2; Laval; QC; H7A 1A1; CA -> billing; 1 rue A; app. 2; Laval; QC; H7A 2B2; CA',
	'KAR-16, KAR-29, CEN-14: the mailing address');
is(neuf(ShipAddr => { Line1 => '9 quai D', City => 'Montréal', PostalCode => 'H1A 1A1' }), 'address: shipping; 2 rue B; Montréal; H1A 1A1 -> shipping; 9 quai D; Montréal; H1A 1A1', 'KAR-15, KAR-28: the physical address');
is(neuf(WebAddr => { URI => 'https://neuf.test' }), 'web_site: https://neuf.example -> https://neuf.test', 'CEN-15, CAP-30: the web site');
is(neuf(Title => 'Me', FamilyName => 'Neuf-Roy'), 'person: M. Luc Neuf primary -> Me Luc Neuf-Roy primary', 'CEN-16, CAP-26: title and name of the contact person');
is(changes('person_id', $zoe_key, sub { edit($zoe, DisplayName => 'Zoé Douze', FamilyName => 'Douze', Mobile => phone('438 55'), ShipAddr => { Line1 => '4 rue E' }) }),
	join("\n", 'address + shipping; 4 rue E', 'phone: mobile 438 5 -> mobile 438 55'), 'KAR-25, KAR-27, KAR-28: a person: what changes changes, what is new is added');
is(sql("SELECT last_name FROM b2b.person WHERE id = $zoe_key"), 'Douze', 'KAR-25: and her name');
# CAP-37: an address without a label that says anything is the billing address, and stays that row
is(changes('organisation_id', 3, sub { edit($erabliere, BillAddr => { Line1 => '1 rang 4', City => 'Val-David' }) }), 'address + billing; 1 rang 4; Val-David', 'X-25, CAP-35: a first address gets its label');

# CEN-37, X-9: of two persons of an organisation the marked one stands in the customer, else the oldest
is(changes('organisation_id', 1, sub { edit($paysages, Title => 'Mme', GivenName => 'Julie', FamilyName => 'Côté-Roy') }), '', 'X-9: a name that differs from the contact person waits for a person');
sql("SELECT qbsync_resolve_conflicts('quickbooks', mapping => 'organisation')");
$crm->applied;
is(sql("SELECT string_agg(first_name || ' ' || last_name, ', ' ORDER BY id) FROM b2b.person WHERE organisation_id = 1"), 'Marc Roy, Julie Côté-Roy', 'X-9: the person with the mark, not the oldest');
seconds_spent('edited');

# CEN-40: only the first e-mail comes in
dba("SELECT qbsync_set(mapping => 'person', setting => 'email_in', value => 'first')");
my $first = customer(DisplayName => 'Une Adresse', GivenName => 'Une', FamilyName => 'Adresse', PrimaryEmailAddr => mail('one@x.example,two@x.example'));
settle();
is(contents('person_id', key_of($first, 'person')), 'email work one@x.example primary', 'CEN-40, X-2: only the first e-mail');
is(sql('SELECT string_agg(address, $$ $$ ORDER BY id) FROM b2b.email WHERE person_id = 5'), 'amelie@example.com', 'CEN-40: for those linked before, too');
dba("SELECT qbsync_set(mapping => 'person', setting => 'email_in', value => NULL)");

is_quiet($node, "nothing unexpected in the server log");
done_testing();
