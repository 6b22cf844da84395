# Library and extension of different versions: packages and ALTER EXTENSION UPDATE are upgraded at different moments.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use QbsyncTest;
use Test::More;

my $simulator = start_simulator(customers => 30, invoices => 20);
my $node = new_node('versions');
install_qbsync($node, $simulator);
connect_company($node, $simulator);
my $version = $node->safe_psql('postgres', "SELECT extversion FROM pg_extension WHERE extname = 'qbsync'");
my $requests = sub { my $stats = $simulator->control('GET', 'stats'); my $sum = 0; $sum += $_ for values %{ $stats->{requests} }; $sum };

# The package was upgraded first: the gateway finds it out with its next unit of work, and idles.
$node->safe_psql('postgres', "UPDATE pg_extension SET extversion = '0.0.1' WHERE extname = 'qbsync'");
$node->safe_psql('postgres', 'SELECT qbsync.wake()');
$node->poll_query_until('postgres', "SELECT qbsync.worker_state() = 'versions_apart'") or die 'the gateway did not notice';
pass('the gateway says that the versions are apart');
$node->wait_for_log(qr/WARNING:  qbsync's library and extension differ in version/);
my $before = $requests->();
my $pid = gateway_pid($node);
like($pid, qr/^\d+$/, 'and stays, instead of starting again and again');
like($node->safe_psql('postgres', 'SELECT what_to_do FROM qbsync.status'), qr/ALTER EXTENSION qbsync UPDATE/,
	'status says what to do');
$node->safe_psql('postgres', "SELECT qbsync_sync_now('acme')");
my ($code, undef, $error) = $node->psql('postgres', "CALL qbsync_wait('acme', 'synced', '20 s')");
like($error, qr/version.*HINT:.*ALTER EXTENSION qbsync UPDATE/s, 'waiting fails at once, with the same');
$node->safe_psql('postgres', 'SELECT qbsync.wake()');
is(gateway_pid($node), $pid, 'a wake-up changes nothing');
is($requests->(), $before, 'nothing is sent meanwhile');

# ALTER EXTENSION UPDATE has been run: the gateway goes on, with what was asked for meanwhile.
$node->safe_psql('postgres', "UPDATE pg_extension SET extversion = '$version' WHERE extname = 'qbsync'");
$node->safe_psql('postgres', 'SELECT qbsync.wake()');
wait_synced($node);
is($node->safe_psql('postgres', 'SELECT qbsync.worker_state()'), 'running', 'the versions fit: it goes on');
is_mirrored($node, $simulator, 'the mirror is whole');

$node->stop;
is_quiet($node, 'nothing unexpected in the server log', qr/differ in version|nothing can talk to Intuit/);
done_testing();
