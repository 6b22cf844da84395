# What the CRM makes of what is written: defaults of columns that QuickBooks leaves empty, triggers that give a row another key,
# and values that a trigger rewrote when they are taken back.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use QbsyncCrm;
use QbsyncTest;
use Test::More;

my $crm = QbsyncCrm->new('rewritten', hold => 1, customers => 10);
my $policies = q{policies => '{"pull_new_first": "all", "pull_new": "all"}'};

sub map_view { $crm->sql("SELECT qbsync_map('crm.v', 'customer', name => 'm', role => 'crm_app', $policies); SELECT qbsync_enable('m')"); $crm->applied }
sub unmap { $crm->sql("SELECT qbsync_unmap('m', confirm => true)"); $crm->app('DROP VIEW crm.v') }
sub row { my ($id, $columns) = @_; return $crm->sql("SELECT $columns FROM crm.v JOIN qbsync.link l ON l.crm_key = v.id::text WHERE l.id = '$id'") }
sub conflicts { return $crm->sql("SELECT coalesce(string_agg(unit, ' ' ORDER BY unit), '') FROM qbsync.conflict") }
sub arrived { $crm->sync; $crm->applied }

# --- defaults -----------------------------------------------------------------------------------------------------------------

# One that comes in a sweep and one that comes alone, which go different ways; each without a phone, and with one.
sub defaults
{
	my ($what) = @_;
	my $empty = $crm->customer(DisplayName => "Empty $what");
	my $full = $crm->customer(DisplayName => "Full $what", PrimaryPhone => { FreeFormNumber => '1' });
	$crm->sync;
	map_view();
	my $later = $crm->customer(DisplayName => "Later $what");
	arrived();
	is(row($empty, 'primary_phone, notes') . ' ' . row($full, 'primary_phone') . ' ' . row($later, 'primary_phone, notes'), 'none| 1 none|', "$what: what QuickBooks leaves empty has the CRM's value");
	is($crm->sql("SELECT string_agg(coalesce(crm_base::text, 'null'), ' ' ORDER BY id::integer) FROM qbsync.link WHERE id IN ('$empty', '$full', '$later')"),
		'{"primary_phone": "none"} null {"primary_phone": "none"}', "$what: which is agreed on, and no edit");
	$crm->edit($_, PrimaryPhone => { FreeFormNumber => '2' }) for $empty, $full, $later;
	arrived();
	is(join(' ', map { row($_, 'primary_phone') } $empty, $full, $later) . conflicts(), '2 2 2', "X-1: $what: QuickBooks' next value comes in");
	$crm->edit($empty, PrimaryPhone => { FreeFormNumber => '' });
	arrived();
	is(row($empty, 'primary_phone') . conflicts(), 'none', "$what: emptied in QuickBooks, it is the CRM's value again");
	unmap();
}

$crm->app(<<'SQL');
CREATE TABLE crm.a (id serial PRIMARY KEY, name text, phone text NOT NULL DEFAULT 'none', notes text NOT NULL DEFAULT '');
CREATE VIEW crm.v AS SELECT id, name AS display_name, phone AS primary_phone, notes FROM crm.a;
SQL
defaults('a default');
$crm->app(<<'SQL');
CREATE TABLE crm.b (id serial PRIMARY KEY, name text, phone text, notes text);
CREATE FUNCTION crm.fill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.phone := coalesce(NEW.phone, 'none'); RETURN NEW; END $$;
CREATE TRIGGER fill BEFORE INSERT OR UPDATE ON crm.b FOR EACH ROW EXECUTE FUNCTION crm.fill();
CREATE VIEW crm.v AS SELECT id, name AS display_name, phone AS primary_phone, notes FROM crm.b;
SQL
defaults('a trigger');

# --- keys ---------------------------------------------------------------------------------------------------------------------

$crm->app(<<'SQL');
CREATE TABLE crm.c (id serial PRIMARY KEY, name text, phone text, notes text);
CREATE VIEW crm.v AS SELECT id, name AS display_name, phone AS primary_phone, notes FROM crm.c;
SQL
my @moved = map { $crm->customer(DisplayName => "Moved $_") } 1 .. 3;
$crm->sync;
map_view();
$crm->app(<<'SQL');
CREATE FUNCTION crm.move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.phone = 'move' THEN NEW.id := NEW.id + 1000; END IF; RETURN NEW; END $$;
CREATE TRIGGER move BEFORE UPDATE ON crm.c FOR EACH ROW EXECUTE FUNCTION crm.move();
SQL
my $key = row($moved[1], 'v.id');
$crm->edit($moved[$_], PrimaryPhone => { FreeFormNumber => $_ == 1 ? 'move' : 'stay' }) for 0 .. 2;
arrived();
is($crm->sql("SELECT id, problem, sqlstate, crm_key FROM qbsync.crm_error"), "$moved[1]|crm_key_changed|QB004|$key", 'promise 9: a trigger that gives a row another key: it waits');
like($crm->sql('SELECT detail FROM qbsync.error_open'), qr/"$key" became "@{[ $key + 1000 ]}"/, 'and people read why');
is(join(' ', map { row($_, "coalesce(primary_phone, 'none')") } @moved), 'stay none stay', 'it was taken back, the others are there');
is($crm->sql("SELECT DISTINCT state FROM qbsync.link") . $crm->sql("SELECT count(*) FROM qbsync.history WHERE crm_key = '$key'"), 'linked0', 'it is linked as before');
$crm->app('DROP TRIGGER move ON crm.c');
$crm->sql('SELECT qbsync_retry_all()');
await('the record', sub { $crm->sql('SELECT count(*) FROM qbsync.crm_error') eq '0' });
is(row($moved[1], 'v.id, primary_phone'), "$key|move", 'without the trigger it comes in');

# --- undoing ------------------------------------------------------------------------------------------------------------------

$crm->app(<<'SQL');
CREATE FUNCTION crm.shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.phone := upper(NEW.phone); NEW.notes := upper(NEW.notes); RETURN NEW; END $$;
CREATE TRIGGER shout BEFORE UPDATE ON crm.c FOR EACH ROW EXECUTE FUNCTION crm.shout();
INSERT INTO crm.c (name) VALUES ('Of the CRM');
SQL
my $undone = $crm->customer(DisplayName => 'Of QuickBooks', PrimaryPhone => { FreeFormNumber => 'ext a' }, Notes => 'a note');
$crm->sql("SELECT qbsync_set(setting => 'pull_new', value => 'review', mapping => 'm')");
arrived();
my $of_crm = $crm->sql("SELECT id FROM crm.c WHERE name = 'Of the CRM'");
my $decision = $crm->sql("SELECT decision_id FROM qbsync_link('$of_crm', '$undone', mapping => 'm')");
$crm->applied;
is(row($undone, 'primary_phone, notes'), 'EXT A|A NOTE', 'a trigger rewrites what comes in');
$crm->app("ALTER TABLE crm.c DISABLE TRIGGER shout; UPDATE crm.c SET notes = 'a note' WHERE id = $of_crm");
$crm->sql("SELECT qbsync_undo($decision)");
await('undone', sub { $crm->sql("SELECT count(*) FROM qbsync.arrival WHERE action = 'undo'") eq '0' });
is($crm->sql("SELECT name, coalesce(phone, 'none'), notes FROM crm.c WHERE id = $of_crm"), 'Of the CRM|none|a note', 'KAR-22: undone, also what a trigger rewrote; what a person wrote since stays');

done_testing;
