# Everything is killed at random points of a load of 20,000 records and of 100 polls with changes running: afterwards the
# mirror equals the simulator's store record by record (promise 5).  QBSYNC_SEED repeats a run's choices (not its timing).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use POSIX ();
use QbsyncTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $seed = $ENV{QBSYNC_SEED} || 1 + int(rand(1_000_000));
srand($seed);
diag("seed $seed");

my $polls = 100;
my @kinds = qw(gateway_term gateway_kill server_immediate simulator_kill);
my %entities = (customer => 'Customer', invoice => 'Invoice', payment => 'Payment', item => 'Item', term => 'Term');

my $simulator = start_simulator(
	customers => 7500, invoices => 8000, seed => 20,
	data => PostgreSQL::Test::Utils::tempdir() . '/company.db',
	options => [ '--no-limits', '--latency-ms', 300 ]);
# A refresh may be cut between answer and commit: what becomes of the grant then has a test of its own.
$simulator->control('POST', 'settings', { rotate_after => 0, refresh_grace => 3600 });
my $node = new_node('crash', conf => "restart_after_crash = on\nautovacuum = off\n");
install_qbsync($node, $simulator, environment => { concurrency => 2 });

# Run a statement of which it does not matter whether the server is there.
sub try_sql
{
	my ($sql) = @_;
	my ($code, $out) = $node->psql('postgres', $sql);
	return $code == 0 ? $out : undef;
}

sub gateway_is_back
{
	my ($before) = @_;
	await('a gateway after its end', sub {
		my $pid = try_sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'qbsync gateway' AND qbsync.worker_state() = 'running'");
		return $pid && $pid ne $before;
	});
	return;
}

sub strike
{
	my ($kind) = @_;
	if ($kind eq 'simulator_kill')
	{
		$simulator->stop('KILL');
		$simulator->start;
		return;
	}
	my $pid = await('a gateway', sub { gateway_pid($node) });
	if ($kind eq 'server_immediate')
	{
		$node->stop('immediate');
		$node->start;
	}
	else
	{
		kill $kind eq 'gateway_kill' ? 'KILL' : 'TERM', $pid;
	}
	gateway_is_back($pid);
	return;
}

# So many strikes of each kind, in random order.
sub strikes
{
	my ($of_each) = @_;
	my @list = (@kinds) x $of_each;
	for my $i (reverse 1 .. $#list)
	{
		my $j = int rand($i + 1);
		@list[ $i, $j ] = @list[ $j, $i ];
	}
	return @list;
}

# --- the load ---------------------------------------------------------------------------------------------------------

my (%position, @backwards, @watched, $again);

sub look_at_positions
{
	my $rows = $node->safe_psql('postgres', "SELECT entity, position FROM qbsync.cursor WHERE entity <> '*'");
	seen_is_durable($node);
	foreach my $row (split /\n/, $rows)
	{
		my ($entity, $position) = split /\|/, $row;
		push @backwards, "$entity $position after $position{$entity}" if $position < ($position{$entity} // 0);
		$position{$entity} = $position;
	}
	return;
}

# Rules that spoil nothing, but count requests of pages that are settled already.
sub watch_settled_pages
{
	foreach my $entity (sort keys %entities)
	{
		my $pages = join '|', map { 1000 * $_ + 1 } 0 .. int(($position{$entity} // 0) / 1000) - 1;
		next if $pages eq '';
		my $answer = $simulator->control('POST', 'faults', {
			match => { kind => 'query', path => "FROM.{1,3}$entities{$entity}\\b(?!.*CreateTime.*CreateTime).*STARTPOSITION.{1,3}(?:$pages)\\b(?!.*Id)" },
			fault => '500', after => 1_000_000 });
		push @watched, $answer->{rules}[0]{id};
	}
	return;
}

sub count_settled_pages
{
	my %ours = map { $_ => 1 } @watched;
	foreach my $rule (@{ $simulator->control('GET', 'faults')->{rules} })
	{
		next unless $ours{ $rule->{id} };
		$again += $rule->{seen};
		diag("asked again, $rule->{seen} times: $rule->{match}{path}") if $rule->{seen};
		$simulator->control('DELETE', "faults?id=$rule->{id}");
	}
	@watched = ();
	return;
}

connect_company($node, $simulator, no_wait => 1, poll_interval => '1 day');
is($node->safe_psql('postgres', "SELECT settings ->> 'poll_interval' IS NOT NULL FROM qbsync.connection"), 't',
	'polls come only when asked for');
$again = 0;
my ($interrupted, $settled, $strikes) = (0, 0, 0);
sub loaded { my $sum = 0; $sum += $_ for values %position; return $sum }
foreach my $kind (strikes(2))
{
	my $until = time + 0.1 + rand 0.8;
	while (time < $until)
	{
		look_at_positions();
		sleep 0.03;
	}
	# on a busy machine that may be before anything was loaded: every other strike waits for a page
	my $before = loaded();
	await('a page', sub { look_at_positions(); loaded() > $before || $node->safe_psql('postgres', 'SELECT state FROM qbsync.status') ne 'loading' })
		if $strikes++ % 2 == 1 && $before <= 5000;
	look_at_positions();
	my $state = $node->safe_psql('postgres', 'SELECT state FROM qbsync.status');
	my $sum = loaded();
	note("$kind with $sum records loaded, $state");
	$interrupted++ if $state eq 'loading';
	$settled = $sum if $state eq 'loading';
	count_settled_pages();
	watch_settled_pages() unless $kind eq 'simulator_kill';
	strike($kind);
	watch_settled_pages() if $kind eq 'simulator_kill';
	look_at_positions();
}
cmp_ok($interrupted, '>=', 5, 'most of it struck while the load was running');
cmp_ok($settled, '>', 1000, 'and in the middle of it');
wait_synced($node);
look_at_positions();
count_settled_pages();
is(join(', ', @backwards), '', 'the position of the load never went backwards');
is($again, 0, 'pages that were settled are not asked for again');
cmp_ok($node->safe_psql('postgres', 'SELECT sum(done) FROM qbsync.progress'), '>=', 20_000, '20,000 records were loaded');
is_mirrored($node, $simulator, 'EXT-10: after a load struck by everything the mirror equals the store');

# --- polls --------------------------------------------------------------------------------------------------------------

# Somebody works in QuickBooks all the time, in a process of its own.
sub start_changes
{
	my $parent = $$;
	my $pid = fork // die "fork: $!";
	return $pid if $pid;
	for (my $n = 0; getppid() == $parent; $n++)
	{
		eval { $simulator->control('POST', 'random', { realm => $simulator->{realm}, seed => "$seed $n", n => 2 }) };
		sleep 0.02;
	}
	POSIX::_exit(0);
}

$simulator->control('POST', 'settings', { latency_ms => 20 });
$simulator->{arg}{options} = [ '--no-limits', '--latency-ms', 20 ];
my @list = strikes(2);
my %round;
while (keys %round < @list)
{
	$round{ 1 + int rand $polls } = 1;
}
my $cdc = $simulator->control('GET', 'stats')->{requests}{cdc};
my $writes = $simulator->control('GET', 'stats')->{writes};
my $changes = start_changes();
for my $poll (1 .. $polls)
{
	# a minute passes in QuickBooks: access tokens expire on the way
	$simulator->control('POST', 'clock', { advance => 60 });
	if ($round{$poll})
	{
		my $kind = shift @list;
		$node->safe_psql('postgres', "SELECT qbsync_sync_now('acme')");
		sleep rand 0.08;
		note("$kind in poll $poll");
		strike($kind);
	}
	else
	{
		$node->safe_psql('postgres', "SELECT qbsync_sync_now('acme');\nCALL qbsync_wait('acme', 'synced', '180 s')");
	}
}
kill 'KILL', $changes;
waitpid $changes, 0;
wait_synced($node, sync => 1);
is_mirrored($node, $simulator, 'CAP-25: after 100 polls struck by everything, with changes running, the mirror equals the store');
is(scalar(@list), 0, 'everything was struck');
cmp_ok($simulator->control('GET', 'stats')->{requests}{cdc} - $cdc, '>=', $polls * 0.8, 'every poll asked QuickBooks');
cmp_ok($simulator->control('GET', 'stats')->{writes} - $writes, '>=', 500, 'many changes were running');
my %operations = map { ("$_->{operation} of $_->{entity}" => 1) } @{ $simulator->control('GET', 'ledger')->{entries} };
ok($operations{$_}, "among them: $_") foreach 'delete of Invoice', 'delete of Payment', 'void of Invoice', 'merge of Customer';
is($node->safe_psql('postgres', 'SELECT state, ok, error_count FROM qbsync.status'), 'live|t|0', 'all is well');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'qbsync gateway'"), '1', 'one gateway');
is($node->safe_psql('postgres', "SELECT count(*) FROM qbsync.invoice_line l LEFT JOIN qbsync.invoice i
	ON i.connection_id = l.connection_id AND i.id = l.invoice_id WHERE i.id IS NULL"), '0', 'no line without its invoice');

$node->stop;
is_quiet($node, 'nothing unexpected in the server log',
	qr/terminating connection because of (crash|unexpected)|was terminated by signal 9/,
	qr/the database system is (in recovery mode|starting up|shutting down|not yet accepting)/,
	qr/immediate shutdown command|is not named that/);
done_testing();
