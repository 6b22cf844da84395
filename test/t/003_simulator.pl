# The helpers of the tests for the simulator's control API, and that the simulator does what they ask for.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use lib abs_path(dirname(__FILE__)) . '/../perl';
use PostgreSQL::Test::Utils;
use Test::More;

use QbsyncTest;

my $simulator = start_simulator(data => PostgreSQL::Test::Utils::tempdir() . '/state.db');

sub create
{
	my ($path, $name) = @_;
	return $simulator->call('POST', $path, { DisplayName => $name });
}

sub code
{
	my ($answer) = @_;
	return $answer->{Fault}{Error}[0]{code};
}

# --- acts, store, ledger, versions --------------------------------------------------------------------------------

my $start = $simulator->ledger_end;
my $vendor = $simulator->act('create', entity => 'Vendor', object => { DisplayName => 'Plomberie Roy' });
my ($status, $answer) = create('customer', 'plomberie roy');
is("$status " . code($answer), '400 6240', 'a vendor holds the name of a customer (CAP-48)');
($status, $answer) = create('customer?requestid=r-1', 'Client Roy');
is($status, 200, 'a customer is created');
my $id = $answer->{Customer}{Id};
$simulator->act('edit', entity => 'Customer', id => $id, set => { Notes => 'par une personne' });
is($simulator->objects('Customer', $id)->{Notes}, 'par une personne', 'the store has what a person wrote');
is_deeply([ map { "$_->{source} $_->{operation} $_->{object}{SyncToken}" } $simulator->versions('Customer', $id) ],
	[ 'api create 0', 'ui edit 1' ], 'every state of the customer');
my @entries = $simulator->ledger($start, source => 'api');
is_deeply([ map { "$_->{entity} $_->{id} $_->{requestid}" } @entries ], ["Customer $id r-1"],
	'the ledger has the write of the client');

# --- faults ---------------------------------------------------------------------------------------------------------

my $rule = $simulator->fault('code', kind => 'object', entity => 'Customer', body => 'Dupuis', code => '6000', times => 1);
is((create('customer', 'Martin'))[0], 200, 'a write that does not match passes');
is(code((create('customer', 'Dupuis'))[1]), '6000', 'a write that matches is refused with the code asked for');
is($simulator->hits($rule), 1, 'the rule has struck once');
$simulator->clear_faults;
$simulator->fault('cut_after', kind => 'write', every => 2);
my $count = keys %{ $simulator->objects('Customer') };
is_deeply([ map { (create("customer?requestid=cut-$_", "Coupure $_"))[0] } 1 .. 4 ], [ 200, 599, 200, 599 ],
	'every second answer is lost');
$simulator->clear_faults;
is(keys(%{ $simulator->objects('Customer') }), $count + 4, 'but all the work is done');
is((create('customer?requestid=cut-2', 'Coupure 2'))[1]{Customer}{DisplayName}, 'Coupure 2',
	'the lost answer comes again with the same requestid (EXT-1)');
is(keys(%{ $simulator->objects('Customer') }), $count + 4, 'and nothing is done twice');
is($simulator->stats->{requestid}{replayed}, 1, 'the statistics count it');

# --- a crash of QuickBooks, time, switches --------------------------------------------------------------------------

$simulator->stop('KILL');
$simulator->start;
is((create('customer?requestid=cut-4', 'Coupure 4'))[1]{Customer}{DisplayName}, 'Coupure 4',
	'requestids are remembered across a crash');
my %before = $simulator->settings(requestid_life => 60);
$simulator->advance(61);
is(code((create('customer?requestid=cut-4', 'Coupure 4'))[1]), '6240', 'but not for ever');
$simulator->settings(%before);
is($simulator->control('GET', 'settings')->{requestid_life}, 14400, 'a switch is put back');

done_testing();
