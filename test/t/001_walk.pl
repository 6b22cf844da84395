# The user's way: connect by browser, confirm, load, watch changes arrive, pause, resume, disconnect.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use HTTP::Tiny;
use QbsyncTest;
use Test::More;

my $simulator = start_simulator(customers => 1500, invoices => 1200, seed => 7);
my $node = new_node('walk');
install_qbsync($node, $simulator);

# Connecting: CAP-3…6 begin with CEN-4, ORD-3, KAR-5 (log in, choose the company, consent)
my $url = $node->safe_psql('postgres', "SELECT qbsync_authorize_url(connection => 'acme', app => 'my-app')");
my $browser = HTTP::Tiny->new(max_redirect => 0)->get($url);
is($browser->{status}, 302, 'CEN-4 ORD-3 KAR-5: the link leads to consent, which sends the browser back');
my $back = $browser->{headers}{location};
like($back, qr/^https:\/\/crm\.example\.com\/qbo\?.*realmId=/, 'the browser came back with a code');

my $job = $node->safe_psql('postgres', "SELECT qbsync_connect(redirect_url => '$back')");
like($job, qr/^\d+$/, 'qbsync_connect returns a job at once');
$node->safe_psql('postgres', "CALL qbsync_wait('acme', 'connected', '3 min')");
is($node->safe_psql('postgres', 'SELECT company_name, state FROM qbsync.status'),
	'Paysages Laval inc.|unconfirmed', 'the company is known and waits for a person');
my $stats = $simulator->control('GET', 'stats');
is($stats->{metered}{ $simulator->{realm} }, 1, 'before the confirmation only CompanyInfo was read (ORD-4, CEN-8)');
is($node->safe_psql('postgres', 'SELECT count(*) FROM qbsync.customer'), '0', 'and nothing else is here');

my ($code, undef, $error) = $node->psql('postgres', "SELECT qbsync_confirm_company('acme', 'Autre compagnie')");
isnt($code, 0, 'another name is refused');
like($error, qr/Paysages Laval inc\./, 'and the error says the name');
($code, undef, $error) = $node->psql('postgres', "CALL qbsync_wait('acme', 'synced', '5 s')");
like($error, qr/qbsync_confirm_company/, 'waiting for a sync says what a person must do first');

$node->safe_psql('postgres', "SELECT qbsync_confirm_company('acme', 'Paysages Laval inc.')");
$node->safe_psql('postgres', "CALL qbsync_wait('acme', 'synced', '5 min')");
is($node->safe_psql('postgres', 'SELECT state, ok FROM qbsync.status'), 'live|t', 'the company is live');
is_mirrored($node, $simulator, 'EXT-10: the mirror equals the company, the newest and the inactive included');
is($node->safe_psql('postgres', "SELECT count(*) FROM qbsync.progress WHERE done <> total OR percent <> 100"), '0',
	'progress is complete');
is($node->safe_psql('postgres', 'SELECT count(*) FROM qbsync.customer_summary'),
	$node->safe_psql('postgres', 'SELECT count(*) FROM qbsync.customer'), 'CAP-3…6: a summary for every customer');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM qbsync.invoice_status WHERE is_overdue'), '>', 0,
	'PIP-27: overdue invoices are found');

# Changes made inside QuickBooks arrive: a rename, an edit, a payment
$simulator->control('POST', 'random', { realm => $simulator->{realm}, seed => 11, n => 60 });
wait_synced($node, sync => 1);
is_mirrored($node, $simulator, 'CAP-25, KAR-57: what changed inside QuickBooks is here');

$node->safe_psql('postgres', "SELECT qbsync_pause('acme')");
is($node->safe_psql('postgres', 'SELECT state FROM qbsync.status'), 'paused', 'paused');
$node->safe_psql('postgres', "SELECT qbsync_resume('acme')");
is($node->safe_psql('postgres', 'SELECT state FROM qbsync.status'), 'live', 'resumed where it was');
wait_synced($node, sync => 1);

($code, undef, $error) = $node->psql('postgres', "SELECT qbsync_disconnect('acme')");
like($error, qr/confirm => true/, 'CAP-61: disconnecting wants a confirmation');
$node->safe_psql('postgres', "SELECT qbsync_disconnect('acme', confirm => true)");
$node->safe_psql('postgres', "CALL qbsync_wait('acme', 'disconnected', '3 min')");
is($node->safe_psql('postgres', 'SELECT state FROM qbsync.status'), 'disconnected', 'disconnected');
is($node->safe_psql('postgres', 'SELECT count(*) FROM qbsync.invoice_status'), '0', 'CAP-62: nothing of it is shown');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM qbsync.invoice'), '>', 0, 'X-28: the tables keep it');
is($node->safe_psql('postgres', "SELECT count(*) FROM qbsync.secret WHERE owner_kind = 'connection'"), '0',
	'no token is left');

$node->stop;
is_quiet($node, 'nothing unexpected in the server log',
	qr/is not named that|waits for a person|was not confirmed/);
done_testing();
