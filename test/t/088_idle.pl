# qbsync_wait(…, 'idle') waits for a record that takes long to be written, too: such a one is written by itself, and stands among the
# errors while that is tried.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use QbsyncCrm;
use QbsyncTest;
use Test::More;

my $crm = QbsyncCrm->new('idle', customers => 2);
my $id = $crm->customer(DisplayName => 'Slow', PrimaryEmailAddr => { Address => 'slow@example.com' });
$crm->sync;
$crm->app(<<'SQL');
CREATE TABLE crm.contacts (id int PRIMARY KEY, name text, email text, phone text);
INSERT INTO crm.contacts VALUES (1, 'Slow', 'slow@example.com');
CREATE FUNCTION crm.dawdle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.4); RETURN NEW; END';
CREATE TRIGGER dawdle BEFORE UPDATE ON crm.contacts FOR EACH ROW EXECUTE FUNCTION crm.dawdle();
SQL
$crm->sql("SELECT qbsync_map_table('crm.contacts', role => 'crm_app'); SELECT qbsync_enable('contacts')");
$crm->applied;
foreach my $phone (1 .. 4)
{
	$crm->edit($id, PrimaryPhone => { FreeFormNumber => "555-$phone" });
	$crm->sync;
	$crm->sql("CALL qbsync_wait('acme', 'idle', '3 min')");
	is($crm->sql('SELECT phone FROM crm.contacts WHERE id = 1'), "555-$phone", 'EXT-32: idle is when a slow record has been written');
}
is($crm->sql('SELECT count(*) FROM qbsync.error_open'), '0', 'and none of it is an error then');
is_quiet($crm->{node}, 'nothing unexpected in the server log', qr/have no value for some columns/);
done_testing;
