# CRM → QuickBooks from persons and organisations in two tables with child tables, as qbsync_map_suggest maps them: what an export
# consists of, changes in child tables, policies of e-mails.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use JSON::PP;
use QbsyncCrm;
use QbsyncTest;
use Test::More;

my $crm = QbsyncCrm->new('out_shapes', customers => 2, seed => 84);
my $node = $crm->{node};
sub sql { return $crm->sql($_[0]) }
sub dba { return sql("SET ROLE crm_dba;\n$_[0]") }
sub idle { $crm->sql("CALL qbsync_wait('acme', 'idle', '3 min')") }
# What QuickBooks has, in bytes as this file is written.
sub objects { return @{ JSON::PP->new->decode($crm->{simulator}->store('Customer'))->{objects} } }
sub named { my ($name) = @_; return grep { $_->{DisplayName} eq $name } objects() }
sub show
{
	my ($object, @members) = @_;
	return join '|', map { my $value = $object; $value = $value->{$_} foreach split /\./; $value // '-' } @members;
}
my @address = qw(Line1 Line2 City CountrySubDivisionCode PostalCode Country);

sql('CREATE ROLE crm_dba; GRANT crm_app, qbsync_admin, qbsync_operator TO crm_dba; GRANT CREATE ON DATABASE crm TO crm_app');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-v', 'role=crm_app', '-f', "$FindBin::Bin/../crm/b2b.sql", $node->connstr('crm') ], 'a CRM');
dba(sql("SELECT qbsync_map_suggest('b2b.organisation')"));
dba("SELECT qbsync_enable('organisation'), qbsync_enable('person')");
idle();

# --- business to business ------------------------------------------------------------------------------------------------

sql(<<'SQL');
SET ROLE crm_app;
INSERT INTO b2b.organisation (id, name) VALUES (50, 'Toitures Élan inc.');
INSERT INTO b2b.person (id, organisation_id, is_primary, salutation, first_name, last_name, created_at) VALUES
	(60, 50, false, 'M.', 'Aîné', 'Premier', '2020-01-01'), (61, 50, true, 'Mme', 'Léa', 'Contact', '2024-01-01');
INSERT INTO b2b.email (organisation_id, person_id, kind, address, is_primary) VALUES (50, NULL, 'work', 'info@elan.example', true), (50, NULL, 'work', 'compta@elan.example', false),
	(NULL, 61, 'work', 'lea@elan.example', true);
INSERT INTO b2b.phone (organisation_id, person_id, kind, number) VALUES (50, NULL, 'mobile', '514 2'), (50, NULL, 'work', '514 1'), (NULL, 61, 'work', '514 61');
INSERT INTO b2b.address (organisation_id, person_id, label, street, street2, city, region, postal_code, country) VALUES
	(50, NULL, 'billing', '1 rue A', 'app. 2', 'Laval', 'QC', 'H7A 1A1', 'CA'), (50, NULL, 'shipping', '2 rue B', NULL, 'Montréal', 'QC', 'H1A 1A1', 'CA');
SQL
dba("SELECT qbsync_push('person', '61')");
idle();
is(sql("SELECT concat_ws('|', crm_key, problem, mapping) FROM qbsync.error_open"), '61|send_not_shown|person', 'CAP-59: a person of a company is no customer; who asks for her is told');
dba("SELECT qbsync_push('organisation', '50')");
idle();
my ($elan) = named('Toitures Élan inc.');
is(show($elan, qw(DisplayName CompanyName Title GivenName FamilyName)), 'Toitures Élan inc.|Toitures Élan inc.|Mme|Léa|Contact',
	'CAP-41, CAP-42, CAP-43: the company is exported, under its name; the person is its contact person');
is(show($elan, 'PrimaryEmailAddr.Address', 'PrimaryPhone.FreeFormNumber', 'Mobile.FreeFormNumber'), 'info@elan.example|514 1|514 2',
	'CAP-33, CAP-45, CAP-46, CAP-60, X-3: e-mail and work phone are the company\'s; the first e-mail');
is(show($elan, map { "BillAddr.$_" } @address) . ' ' . show($elan, map { "ShipAddr.$_" } @address), '1 rue A|app. 2|Laval|QC|H7A 1A1|CA 2 rue B|-|Montréal|QC|H1A 1A1|CA',
	'CAP-44, CAP-60: its two addresses');
sql("SET ROLE crm_app; UPDATE b2b.person SET last_name = 'Contact-Roy' WHERE id = 61");
idle();
is(show((named('Toitures Élan inc.'))[0], 'FamilyName'), 'Contact-Roy', 'CAP-41: a change of the person is one of the company');
sql("SET ROLE crm_app; UPDATE b2b.phone SET number = '514 9' WHERE organisation_id = 50 AND kind = 'work'; DELETE FROM b2b.phone WHERE organisation_id = 50 AND kind = 'mobile'");
sql("SET ROLE crm_app; UPDATE b2b.address SET street = '7 rue G' WHERE organisation_id = 50 AND label::text = 'billing'");
idle();
is(show((named('Toitures Élan inc.'))[0], 'PrimaryPhone.FreeFormNumber', 'Mobile.FreeFormNumber', 'BillAddr.Line1', 'BillAddr.City'), '514 9|-|7 rue G|Laval',
	'KAR-2, KAR-26 to 29, KAR-35: changes in the child tables are changes of the record');

# --- business to consumer ------------------------------------------------------------------------------------------------

sql(<<'SQL');
SET ROLE crm_app;
INSERT INTO b2b.person (id, salutation, first_name, last_name) VALUES (70, 'M.', 'Jean', 'Seul');
INSERT INTO b2b.email (person_id, kind, address, is_primary) VALUES (70, 'work', 'jean@seul.example', true);
INSERT INTO b2b.address (person_id, label, street, city, postal_code) VALUES (70, 'main', '3 rue C', 'Laval', 'H7A 3C3');
SQL
dba("SELECT qbsync_push('person', '70')");
idle();
my ($jean) = named('Jean Seul');
is(show($jean, qw(DisplayName CompanyName GivenName FamilyName), 'PrimaryEmailAddr.Address', 'BillAddr.Line1'), 'Jean Seul|-|Jean|Seul|jean@seul.example|3 rue C',
	'CAP-48, CAP-58, CAP-44: a person without a company is a customer, with the name first last and the main address for bills');

# --- several e-mails ------------------------------------------------------------------------------------------------------

my $id = $elan->{Id};
sub address { return show((grep { $_->{Id} eq $id } objects())[0], 'PrimaryEmailAddr.Address') }
$crm->edit($id, PrimaryEmailAddr => { Address => 'info@elan.example, theirs@elan.example' });
$crm->sync;
idle();
sql("SET ROLE crm_app; UPDATE b2b.email SET address = 'bonjour\@elan.example' WHERE organisation_id = 50 AND is_primary");
idle();
is(address(), 'bonjour@elan.example,theirs@elan.example', 'CAP-34, X-3: primary_first_keep_rest: the first is ours, theirs stay behind it');
dba("SELECT qbsync_set(mapping => 'organisation', setting => 'email_out', value => 'all')");
sql("SET ROLE crm_app; UPDATE b2b.email SET address = 'allo\@elan.example' WHERE organisation_id = 50 AND is_primary");
idle();
is(join(' ', sort split /,/, address()), sql("SELECT string_agg(address::text, ' ' ORDER BY address::text) FROM b2b.email WHERE organisation_id = 50"), 'X-3: all: those of the CRM');
dba("SELECT qbsync_set(mapping => 'organisation', setting => 'email_out', value => 'primary')");
sql("SET ROLE crm_app; UPDATE b2b.email SET address = 'seule\@elan.example' WHERE organisation_id = 50 AND is_primary");
idle();
is(address(), 'seule@elan.example', 'CAP-33, CAP-34, X-3: primary: the first alone');
my $writes = $crm->{simulator}->control('GET', 'ledger')->{last};
$crm->sync;
idle();
is($crm->{simulator}->control('GET', 'ledger')->{last}, $writes, 'EXT-31: and no policy makes the two sides answer each other');
is(sql('SELECT count(*) FROM qbsync.conflict') . sql('SELECT count(*) FROM qbsync.request'), '00', 'nothing is left');

is_quiet($node, 'nothing unexpected in the server log', qr/have no value for some columns/);
done_testing;
