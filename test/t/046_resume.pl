# What goes on after an interruption at an awkward moment: a long pause, a sign-in cut off, opposite commands.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use HTTP::Tiny;
use QbsyncTest;
use Test::More;

my $simulator = start_simulator(customers => 120, invoices => 60);
my $node = new_node('resume');
install_qbsync($node, $simulator);
connect_company($node, $simulator);
my $realm = $simulator->{realm};

sub reads { return $simulator->control('GET', 'stats')->{metered}{$realm}; }
sub sql { return $node->safe_psql('postgres', $_[0]); }

# EXT-9: paused for more than 30 days of our own clock: one full re-read, no more
sql("SELECT qbsync_pause('acme')");
sql("UPDATE qbsync.cursor SET checked_at = checked_at - interval '31 days', started_at = started_at - interval '31 days',"
  . " finished_at = finished_at - interval '31 days'");
$simulator->control('POST', 'random', { seed => 3, n => 30 });
my $before = reads();
sql("SELECT qbsync_resume('acme')");
wait_synced($node, sync => 1);
cmp_ok(reads() - $before, '<', 60, 'EXT-9: after a long pause everything is read again, once');
is_mirrored($node, $simulator, 'EXT-9: and the mirror is whole');

# What was read and cannot be written: the flow begins again after its back-off, which nothing else wakes the gateway for.
sql("SELECT qbsync_set('acme', 'poll_interval', '1 day')");
wait_synced($node, sync => 1);
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN; LOCK TABLE qbsync.customer IN SHARE MODE');
sql("UPDATE qbsync.cursor SET phase = 'waiting', position = 0, total = NULL WHERE entity = 'customer'; SELECT qbsync_worker_restart()");
$node->poll_query_until('postgres', "SELECT problem = 'internal' FROM qbsync.status") or die 'nothing failed';
$holder->quit;
await('the page to be written', sub { sql("SELECT phase = 'loaded' FROM qbsync.cursor WHERE entity = 'customer'") eq 't' });
pass('a page that could not be written is read again after the back-off');

# A poll that fails is repeated after its back-off, not at the next interval, and costs nothing meanwhile.
sql("SELECT qbsync_set('acme', 'poll_interval', '1 day')");
wait_synced($node, sync => 1);
$simulator->control('POST', 'faults', { fault => 'no_time', times => 1, match => { kind => 'cdc' } });
sql("SELECT qbsync_sync_now('acme')");
$node->poll_query_until('postgres', "SELECT problem = 'not_understood' OR NOT EXISTS (SELECT FROM qbsync.job WHERE state = 'queued') FROM qbsync.status")
  or die 'the fault was not noticed';
wait_synced($node);
is(sql('SELECT ok FROM qbsync.status'), 't', 'a failed poll is repeated by itself');

# A sign-in that is cut off after Intuit gave the grant goes on with it: the code is used up, the grant is not.
my $rule = $simulator->control('POST', 'faults', { fault => 'hang', match => { kind => 'companyinfo' } })->{rules}[0]{id};
my $back = HTTP::Tiny->new(max_redirect => 0)->get(sql("SELECT qbsync_authorize_url(connection => 'acme')"))->{headers}{location};
my $job = sql("SELECT qbsync_connect(redirect_url => '$back')");
await('the reading of CompanyInfo', sub { $simulator->control('GET', 'stats')->{faults_injected}{hang} });
is(sql("SELECT state FROM qbsync.job WHERE job_id = $job"), 'running', 'the sign-in is under way');
$simulator->control('DELETE', "faults?id=$rule");
sql('SELECT qbsync_worker_restart()');
$simulator->control('POST', 'release', {});
sql("CALL qbsync_wait(job => $job)");
is(sql("SELECT state, problem FROM qbsync.job WHERE job_id = $job"), 'done|', 'KAR-5: and ends well after a restart');
wait_synced($node, sync => 1);

# A person changes his mind: the later command counts.
my $slow = $simulator->control('POST', 'faults', { fault => 'hang', match => { kind => 'revoke' } })->{rules}[0]{id};
sql("SELECT qbsync_disconnect('acme', confirm => true)");
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM qbsync.job WHERE kind = 'disconnect' AND state = 'running'");
$back = HTTP::Tiny->new(max_redirect => 0)->get(sql("SELECT qbsync_authorize_url(connection => 'acme')"))->{headers}{location};
$job = sql("SELECT qbsync_connect(redirect_url => '$back')");
$simulator->control('DELETE', "faults?id=$slow");
$simulator->control('POST', 'release', {});
sql("CALL qbsync_wait(job => $job)");
is(sql("SELECT state FROM qbsync.job WHERE job_id = $job"), 'done', 'ORD-7: connecting during a disconnection is not lost');
wait_synced($node, sync => 1);
is_mirrored($node, $simulator, 'ORD-7: and the company is there');

# Disconnecting ends what waits, also what runs.
write_credentials($node, $simulator, connections => []);
sql("DELETE FROM qbsync.secret WHERE owner_kind = 'connection'");
sql("SELECT qbsync_worker_restart()");
sql("SELECT qbsync_sync_now('acme')");
$node->poll_query_until('postgres', "SELECT problem = 'token_missing' FROM qbsync.status");
sql("SELECT qbsync_disconnect('acme', confirm => true)");
is(sql("SELECT count(*) FROM qbsync.job WHERE state IN ('queued', 'running')"), '0', 'no job is left open by a disconnection');
is(sql('SELECT state, problem FROM qbsync.status'), 'disconnected|', 'and no problem on what is disconnected');

$node->stop;
is_quiet($node, 'nothing unexpected in the server log');
done_testing();
