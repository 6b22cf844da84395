# The sender through crashes, with requests at every point of their way: each object is in QuickBooks once, and the log of writes
# shows that what was repeated was the same request.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use QbsyncSend;
use QbsyncTest;
use Test::More;

my $crm = QbsyncSend->new('send_crash', customers => 4, seed => 81, conf => "restart_after_crash = on\nqbsync.request_timeout = 20s\n");
my $sim = $crm->{simulator};
my $n = 0;

# Contacts $first … $first + $count - 1 of the CRM called "$name $first" …, with requests to make them.
sub ask
{
	my ($name, $count) = @_;
	my $first = 1000 * ++$n;
	$crm->sql("INSERT INTO crm.contacts (id, name) SELECT i, '$name ' || i FROM generate_series($first, $first + $count - 1) i;
		SELECT crm.request_create(i::text, jsonb_build_object('display_name', '$name ' || i)) FROM generate_series($first, $first + $count - 1) i; SELECT qbsync.wake()");
}

# All of them are there, once, linked with their own.
sub all_there
{
	my ($name, $count, $what) = @_;
	$crm->sent;
	is(scalar(grep { $_->{DisplayName} =~ /^\Q$name\E \d+$/ } $crm->all_theirs), $count, "$what: each is made once");
	is($crm->sql("SELECT count(*) FROM qbsync.link l JOIN qbsync.customer c USING (connection_id, id) JOIN crm.contacts k ON k.id::text = l.crm_key
		WHERE c.display_name = k.name AND k.name LIKE '$name %'"), $count, 'and linked with its own');
}

# What is there of requests, by state.
sub states { return $crm->sql("SELECT coalesce(string_agg(state || ' ' || n, ', ' ORDER BY state), '') FROM (SELECT state, count(*) AS n FROM qbsync.request GROUP BY 1) s") }

sub hits { return $sim->control('GET', 'faults')->{rules}[0]{hits} }

sub kill_gateway
{
	my $pid = gateway_pid($crm->{node}, 'crm');
	kill 'KILL', $pid;
	await('the server', sub { my $now = eval { gateway_pid($crm->{node}, 'crm') } // ''; $now ne '' && $now ne $pid });
}
sub stop_server { $crm->{node}->stop('immediate'); $crm->{node}->start }

foreach my $end ([ 'kill -9', \&kill_gateway ], [ 'immediate stop', \&stop_server ])
{
	my ($how, $crash) = @$end;
	foreach my $count (1, 40)
	{
		my $name = ($how =~ /kill/ ? 'Killed' : 'Stopped') . " $count";

		# before anything is done there: the request hangs in front of it
		$crm->faults({ match => { kind => 'write' }, fault => 'hang' });
		ask("$name early", $count);
		await('the request', sub { hits() > 0 });
		like(states(), qr/sent/, "$how: what is on its way is marked");
		$crash->();
		$crm->faults;
		all_there("$name early", $count, "EXT-1: $how before it is done, $count");

		# it is done, the answer never comes
		$crm->faults({ match => { kind => 'write' }, fault => 'hang_after' });
		ask("$name late", $count);
		await('the request', sub { hits() > 0 });
		$crash->();
		$crm->faults;
		all_there("$name late", $count, "EXT-2: $how after it is done, $count");
	}
}
is_deeply([ $crm->duplicates ], [], 'nothing is there twice');
my %times;
$times{"$_->{requestid} $_->{id}"}++ foreach $crm->writes;
is(scalar(grep { $_ > 1 } values %times), 0, 'EXT-2: no request was carried out twice');
cmp_ok($sim->control('GET', 'stats')->{requestid}{replayed} // 0, '>', 0, 'repetitions were recognized');

# A creation found on its way long after: its requestid may be forgotten there, so it is looked for by its name.
$crm->faults({ match => { kind => 'write' }, fault => 'hang_after' });
ask('Forgotten', 1);
await('the request', sub { hits() > 0 });
$crm->{node}->stop('immediate');
$crm->faults;
$sim->control('POST', 'settings', { requestid_life => 0 });
$crm->{node}->append_conf('postgresql.conf', "qbsync.paused = on\n");
$crm->{node}->start;
$crm->sql("UPDATE qbsync.request SET first_sent_at = now() - interval '1 hour'");
$crm->{node}->append_conf('postgresql.conf', "qbsync.paused = off\n");
$crm->{node}->reload;
all_there('Forgotten', 1, 'EXT-3: what was forgotten there is found by its name');
is($crm->sql("SELECT count(*) FROM qbsync.send_error"), '0', 'and no error');

# The answer of a creation was lost, its requestid is forgotten: the name is taken, by itself.
my $adopted = sub {
	my ($name, $spoil) = @_;
	$crm->faults({ match => { kind => 'write' }, fault => 'cut_after', times => 1 });
	ask($name, 1);
	await('the cut', sub { hits() > 0 });
	$spoil->() if $spoil;
	$crm->sent;
	$crm->faults;
};
$adopted->('Taken by itself');
is($crm->sql("SELECT count(*) FROM qbsync.link l JOIN crm.contacts k ON k.id::text = l.crm_key WHERE k.name LIKE 'Taken by itself%'"), '1', 'a name that is taken by what this request made is adopted');
is(scalar(grep { $_->{DisplayName} =~ /^Taken by itself/ } $crm->all_theirs), 1, 'once');

# A name that somebody else has is said (looked at once more, the creation would be withdrawn: the mapping pulls).
$crm->sql("SELECT qbsync_set(mapping => 'contacts', setting => 'match_name_only', value => 'off')");
$sim->control('POST', 'settings', { requestid_life => 86400 });
$crm->customer(DisplayName => 'Someone Else ' . 1000 * ($n + 1), Notes => 'not ours', PrimaryPhone => { FreeFormNumber => '1' });
$crm->faults({ match => { kind => 'write' }, fault => 'cut_before', times => 1 });
$n++;
$crm->contact(1000 * $n, 'Someone Else ' . 1000 * $n, phone => '2');
$crm->create(1000 * $n, { display_name => 'Someone Else ' . 1000 * $n, primary_phone => '2' });
$crm->sent;
is($crm->sql("SELECT problem, code, column_name FROM qbsync.send_error"), 'send_name_taken|6240|display_name', "a name that is somebody else's is not adopted");
$crm->sql('DELETE FROM qbsync.request; DELETE FROM qbsync.send_error');
$crm->faults;

# A poll sees what was made before its answer is here.
$crm->sql("SELECT qbsync_set(mapping => 'contacts', setting => 'pull_new', value => 'all')");
$crm->faults({ match => { kind => 'write' }, fault => 'hang_after' });
$crm->contact(90001, 'Under another name');
$crm->create(90001, { display_name => 'Seen Early' });
await('the request', sub { hits() > 0 });
$crm->sync;
$crm->applied;
is($crm->sql("SELECT count(*) FROM qbsync.customer WHERE display_name = 'Seen Early'") . $crm->sql("SELECT count(*) FROM crm.contacts WHERE name = 'Seen Early'"), '10',
	'EXT-31: what is being made from the CRM is not made in the CRM');
$crm->faults;
$crm->sent;
$crm->applied;
is($crm->sql("SELECT l.crm_key, l.state FROM qbsync.link l JOIN qbsync.customer c USING (connection_id, id) WHERE c.display_name = 'Seen Early'"), '90001|linked', 'and linked with its own');

# Another timeline: QuickBooks is read first, then what may have been made is looked for.
$crm->sql("SELECT qbsync_pause('acme')");
await('the pause', sub { $crm->sql('SELECT state FROM qbsync.connection') eq 'paused' });
ask('Lost', 2);
my ($first) = $crm->sql('SELECT min(crm_key) FROM qbsync.request');
$crm->customer(DisplayName => "Lost $first");
$crm->{node}->stop('immediate');
$crm->{node}->append_conf('postgresql.conf', "qbsync.paused = on\n");
$crm->{node}->start;
$crm->sql("UPDATE qbsync.connection SET timeline = timeline + 1; SELECT qbsync_resume('acme')");
await('the mark', sub { $crm->sql('SELECT recheck_since IS NOT NULL FROM qbsync.connection') eq 't' });
$crm->{node}->append_conf('postgresql.conf', "qbsync.paused = off\n");
$crm->{node}->reload;
all_there('Lost', 2, 'EXT-3: after a promotion what another timeline made is found');
is($crm->sql("SELECT recheck_since IS NULL FROM qbsync.connection"), 't', 'and sending goes on');

is_quiet($crm->{node}, 'the log is quiet', qr/terminated by signal 9|not yet accepting connections|terminating connection because of crash|shutting down|starting up|all server processes terminated|not properly shut down|recovery mode/);
done_testing();
