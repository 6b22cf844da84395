# Fault × phase: what a company's state, its row in qbsync.status and its next attempt are while Intuit misbehaves, and
# that it heals by itself (or after what status says) once that is over.  Companies go through the table side by side;
# one more is healthy all the time and must notice nothing (EXT-28).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use PostgreSQL::Test::Utils;
use QbsyncTest;
use Test::More;
use Time::HiRes qw(time);

# What is expected of a cell.
my $smooth = { kind => 'smooth' };                                  # nothing is ever shown
my $brief = { kind => 'brief', problem => 'intuit_failing' };      # shown until the next good answer
sub retries { return { kind => 'retries', problem => $_[0] }; }     # back-off, nobody has to do anything
sub pauses  { return { kind => 'pauses', problem => 'throttled', from => $_[0] // 0.2, to => $_[1] // 1.5 }; }
sub waits   { return { kind => 'waits', problem => $_[0], from => $_[1], to => $_[2] }; }    # looks again much later
sub stops   { return { kind => 'stops', problem => $_[0] }; }       # until a person connects again

my %forever;
my %once = (times => 1);
my %page = (match => { path => 'STARTPOSITION' });

# fault, options of its rule, and what is expected in a load, in a poll (CDC) and in a token refresh
my @table = (
	[ '401', \%once, $smooth, $smooth ],
	[ '401', \%forever, stops('grant_revoked'), stops('grant_revoked'), retries('not_understood') ],
	[ '401_revoked', \%forever, stops('grant_revoked'), stops('grant_revoked') ],
	[ '401_user_removed', \%forever, stops('no_permission'), stops('no_permission') ],
	[ '403_3100', \%forever, stops('wrong_environment'), stops('wrong_environment'), retries('not_understood') ],
	[ '403_html', \%forever, waits('forbidden', 840, 900), waits('forbidden', 840, 900), retries('not_understood') ],
	[ '404', \%forever, retries('internal'), retries('internal'), retries('not_understood') ],
	[ '429_gateway', \%forever, pauses(), pauses(), pauses() ],
	[ '429_fault', \%forever, pauses(), pauses(), pauses() ],
	[ '429_empty', \%forever, pauses(), pauses(), pauses() ],
	[ '429_retry_after', { seconds => 2 }, pauses(1.2, 2.5), pauses(1.2, 2.5), pauses(1.2, 2.5) ],
	[ '500', \%forever, retries('intuit_failing'), retries('intuit_failing'), retries('intuit_failing') ],
	[ '500_html', \%forever, retries('intuit_failing'), retries('intuit_failing'), retries('intuit_failing') ],
	[ '502_html', \%forever, retries('intuit_failing'), retries('intuit_failing'), retries('intuit_failing') ],
	[ '503_html', \%forever, retries('intuit_failing'), retries('intuit_failing'), retries('intuit_failing') ],
	[ '504_html', \%forever, retries('intuit_failing'), retries('intuit_failing'), retries('intuit_failing') ],
	[ '503_after', \%forever, retries('intuit_failing'), retries('intuit_failing'), retries('intuit_failing') ],
	[ 'fault_on_200', \%forever, retries('intuit_failing'), retries('intuit_failing'), retries('not_understood') ],
	[ 'fault_6190', \%forever, waits('suspended', 86000, 86400), waits('suspended', 86000, 86400) ],
	[ 'fault_10200', \%once, retries('company_reset'), $smooth ],
	[ 'validation', { code => '4001' }, retries('internal'), retries('internal') ],
	[ 'cut_before', \%forever, retries('unreachable'), retries('unreachable'), retries('unreachable') ],
	[ 'cut_after', \%forever, retries('unreachable'), retries('unreachable'), retries('unreachable') ],
	[ 'cut_headers', \%forever, retries('unreachable'), retries('unreachable'), retries('unreachable') ],
	[ 'truncated', \%forever, retries('unreachable'), retries('unreachable'), retries('unreachable') ],
	[ 'truncated_chunked', \%forever, retries('unreachable'), retries('unreachable'), retries('unreachable') ],
	[ 'hang', \%forever, retries('unreachable'), retries('unreachable'), retries('unreachable') ],
	[ 'slow', { seconds => 0.2 }, $smooth, $smooth, $smooth ],
	[ 'slow_body', { seconds => 0.2 }, $smooth, $smooth, $smooth ],
	[ 'slow_body', { seconds => 30 }, retries('unreachable'), retries('unreachable'), retries('unreachable') ],
	[ 'endless', \%forever, retries('too_big'), undef, retries('too_big') ],
	[ 'endless', \%once, undef, $smooth ],                             # caught up by windows
	[ 'endless', { %once, %page }, $smooth ],                          # asked for in halves
	[ 'oversized', { bytes => 3_000_000 }, retries('too_big'), undef, retries('too_big') ],
	[ 'oversized', { bytes => 3_000_000, %once }, undef, $smooth ],
	[ '503_html', { times => 3, %page }, $brief ],
	[ 'bad_json', \%forever, retries('not_understood'), retries('not_understood'), retries('not_understood') ],
	[ 'deep', \%forever, retries('not_understood'), retries('not_understood'), retries('not_understood') ],
	[ 'empty_body', \%forever, retries('not_understood'), retries('not_understood'), retries('not_understood') ],
	[ 'xml', \%forever, retries('not_understood'), retries('not_understood'), retries('not_understood') ],
	[ 'wrong_content_type', \%forever, $smooth, $smooth, $smooth ],
	[ 'no_time', \%forever, retries('not_understood'), retries('not_understood'), $smooth ],
	[ 'invalid_utf8', \%forever, undef, undef, retries('not_understood') ],
	[ 'nul_escape', \%forever, undef, undef, retries('not_understood') ],
	[ 'invalid_grant', \%forever, undef, undef, stops('grant_revoked') ],
	[ 'invalid_client', \%forever, undef, undef, waits('wrong_secret', 280, 300) ],
	[ 'invalid_request', \%forever, undef, undef, retries('not_understood') ],
);

my $lanes = 12;
my $simulator = start_simulator(seed => 3,
	options => [ '--no-limits', map { ('--company', "Compagnie $_") } 0 .. $lanes ]);
my $node = new_node('faults', conf => <<"CONF");
qbsync.request_timeout = '5 s'
qbsync.max_response_size = '1 MB'
CONF
install_qbsync($node, $simulator);

# The healthy company is number 0, the others are the lanes.
my @names = ('healthy', map { "lane$_" } 1 .. $lanes);
connect_company($node, $simulator, connection => $names[$_], number => $_, no_wait => 1) for 0 .. $lanes;
$node->safe_psql('postgres', "CALL qbsync_wait('$_', 'synced', '3 min')") for @names;

sub realm { return $simulator->{companies}[ $_[0] ]{realm_id}; }

# Everything shown of every connection, by name.
sub look
{
	my %rows;
	my $text = $node->safe_psql('postgres', <<'SQL');
SELECT s.connection, s.state, s.ok, s.problem, s.attempts, round(extract(epoch FROM s.next_attempt_at - clock_timestamp()), 1),
	p.needs_person, (SELECT count(*) FROM qbsync.job j WHERE j.connection_id = s.connection_id AND j.state IN ('queued', 'running')),
	coalesce(s.problem_text, '') <> '', s.what_to_do
FROM qbsync.status s LEFT JOIN qbsync.problem p ON p.code = s.problem
SQL
	foreach my $line (split /\n/, $text)
	{
		my %row;
		@row{qw(name state ok problem attempts next person jobs meaning what)} = split /\|/, $line, 10;
		$rows{ $row{name} } = \%row;
	}
	return \%rows;
}

# --- one cell ----------------------------------------------------------------------------------------------------------

my %kind_of_phase = (load => 'query', cdc => 'cdc', refresh => 'token');
my $load_anew = <<'SQL';
SELECT qbsync.purge_mirror(connection_id), qbsync.set_state(connection_id, 'loading'), qbsync.wake()
FROM qbsync.connection WHERE name = '%s'
SQL

# Spoil a company's requests, and make it send some.
sub begin
{
	my ($cell, $number) = @_;
	my %rule = (fault => $cell->{fault}, %{ $cell->{options} });
	$rule{match} = { kind => $kind_of_phase{ $cell->{phase} }, realm => realm($number), %{ $rule{match} // {} } };

	$cell->{number} = $number;
	$cell->{name} = $names[$number];
	$cell->{log} = -s $node->logfile;
	$cell->{deadline} = time + 40;
	$simulator->control('POST', 'random', { realm => realm($number), seed => $cell->{seed}, n => 2 });
	$simulator->control('POST', 'act', { act => 'expire_tokens', realm => realm($number) }) if $cell->{phase} eq 'refresh';
	$cell->{rule} = $simulator->control('POST', 'faults', \%rule)->{rules}[0]{id};
	$node->safe_psql('postgres', $cell->{phase} eq 'load'
		? sprintf($load_anew, $cell->{name}) : "SELECT qbsync_sync_now('$cell->{name}')");
	$cell->{step} = 'watching';
}

# What is wrong with what is shown, as text.
sub complaints
{
	my ($cell, $row) = @_;
	my $expect = $cell->{expect};
	my $state = $expect->{kind} eq 'stops' ? 'reauthorize' : $cell->{phase} eq 'load' ? 'loading' : 'live';
	my $person = $expect->{kind} =~ /stops/ || $expect->{problem} =~ /suspended|wrong_secret/;
	my @wrong;

	push @wrong, "problem $row->{problem}" if $row->{problem} ne $expect->{problem};
	push @wrong, "state $row->{state}" if $row->{state} ne $state;
	push @wrong, 'no meaning' if $row->{meaning} ne 't';
	push @wrong, "needs_person $row->{person}" if $row->{person} ne ($person ? 't' : 'f');
	push @wrong, "what_to_do: $row->{what}"
	  if $person ? $row->{what} eq '' || $row->{what} =~ /^Nothing/ : $row->{what} !~ /^(Nothing|See the detail)/;
	push @wrong, "attempts $row->{attempts}"
	  if $expect->{kind} =~ /stops|pauses/ ? $row->{attempts} != 0 : $row->{attempts} < 1;
	# waits double, from one second on, and a quarter more; an attempt that is under way was due
	my ($from, $to) = ($expect->{from} // '-inf', $expect->{to} // 2**(($row->{attempts} || 1) - 1) * 1.25 + 0.1);
	push @wrong, "next attempt in $row->{next} s"
	  if $expect->{kind} eq 'stops' ? $row->{next} ne '' : $row->{next} eq '' || $row->{next} < $from || $row->{next} > $to;
	return join(', ', @wrong);
}

# The fault ends; what status says is done.
sub mend
{
	my ($cell) = @_;
	my ($rule) = grep { $_->{id} == $cell->{rule} } @{ $simulator->control('GET', 'faults')->{rules} };
	$cell->{wrong} .= ' the fault never struck' unless $rule->{hits};
	$simulator->control('DELETE', "faults?id=$cell->{rule}");
	$cell->{deadline} = time + 40;
	$node->safe_psql('postgres', sprintf("SELECT qbsync_connect(connection => '%s', app => 'my-app', realm_id => '%s')",
		$cell->{name}, realm($cell->{number}))) if $cell->{expect}{kind} eq 'stops';
	# whoever cured it does not wait for the appointment
	$node->safe_psql('postgres', "SELECT qbsync_sync_now('$cell->{name}')") if $cell->{expect}{kind} eq 'waits';
	$cell->{step} = $cell->{expect}{kind} eq 'stops' ? 'connecting' : 'healing';
}

# A company's next step; true when the cell is done.
sub go_on
{
	my ($cell, $row) = @_;
	my $well = $row->{ok} eq 't' && $row->{state} eq 'live' && $row->{jobs} == 0;

	if ($cell->{step} eq 'watching')
	{
		my $passes = $cell->{expect}{kind} =~ /smooth|brief/;
		if ($passes ? $well : $row->{problem} ne '')
		{
			$cell->{wrong} = $passes ? '' : complaints($cell, $row);
			# a first sight may be that of another call of the same load
			return 0 if $cell->{wrong} ne '' && $row->{problem} eq ($cell->{expect}{problem} // '') && time < $cell->{deadline} - 10;
			mend($cell);
		}
		elsif (time > $cell->{deadline})
		{
			$cell->{wrong} = 'nothing happened: ' . join('|', map { "$_=$row->{$_}" } sort keys %$row);
			mend($cell);
		}
		return 0;
	}
	if ($well && $cell->{step} eq 'connecting')
	{
		$node->safe_psql('postgres', "SELECT qbsync_sync_now('$cell->{name}')");
		$cell->{step} = 'healing';
		return 0;
	}
	if ($well)
	{
		$cell->{wrong} .= ' differs: ' . $_
		  for grep { $_ ne '' } mirror_differences($node, $simulator, connection => $cell->{name}, number => $cell->{number});
		my ($shown) = slurp_file($node->logfile, $cell->{log}) =~ /connection "$cell->{name}": (\w+)$/m;
		$cell->{wrong} .= ' shown in the log: ' . ($shown // 'nothing')
		  if ($shown // '') ne ($cell->{expect}{problem} // '') && $cell->{fault} !~ /^401/;
		return 1;
	}
	if (time > $cell->{deadline})
	{
		$cell->{wrong} .= ' never healed: ' . join('|', map { "$_=$row->{$_}" } sort keys %$row);
		return 1;
	}
	return 0;
}

# --- all of them ---------------------------------------------------------------------------------------------------------

my @cells;
foreach my $row (@table)
{
	my ($fault, $options, %expect) = (@$row[ 0, 1 ], load => $row->[2], cdc => $row->[3], refresh => $row->[4]);
	foreach my $phase (grep { $expect{$_} } qw(load cdc refresh))
	{
		my $words = join ' ', $options->{times} ? 'once' : 'for ever', $options->{match} ? 'on pages' : ();
		push @cells, { title => "$fault $words × $phase", fault => $fault, options => $options, phase => $phase,
			expect => $expect{$phase}, seed => scalar(@cells) + 1 };
	}
}

my @waiting = @cells;
my %running;
while (@waiting || %running)
{
	my $rows;
	foreach my $number (1 .. $lanes)
	{
		next if $running{$number} || !@waiting;
		$running{$number} = shift @waiting;
		begin($running{$number}, $number);
	}
	$rows = look();
	foreach my $number (sort keys %running)
	{
		delete $running{$number} if go_on($running{$number}, $rows->{ $names[$number] });
	}
	$node->safe_psql('postgres', "SELECT qbsync_sync_now('healthy')") unless $rows->{healthy}{jobs};
}

foreach my $cell (@cells)
{
	my $expect = $cell->{expect};
	my $means = $expect->{kind} eq 'smooth' ? 'goes through'
	  : $expect->{kind} eq 'stops' ? "$expect->{problem}, waits for a new sign-in"
	  : $expect->{kind} eq 'pauses' ? 'a pause, no failed attempt (EXT-15)'
	  : "$expect->{problem}, $expect->{kind}";
	is($cell->{wrong}, '', "EXT-23 EXT-27 $cell->{title}: $means; heals whole");
}
diag(scalar(@cells) . ' cells of fault × phase were run');
cmp_ok(scalar(@cells), '>=', 110, 'the table was run');

# --- the healthy one -------------------------------------------------------------------------------------------------------

$node->safe_psql('postgres', "CALL qbsync_wait('healthy', 'idle', '3 min')");
my ($polls, $slowest) = split /\|/, $node->safe_psql('postgres', <<'SQL');
SELECT count(*), max(extract(epoch FROM finished_at - requested_at))
FROM qbsync.job j JOIN qbsync.connection c USING (connection_id) WHERE c.name = 'healthy' AND j.kind = 'sync' AND j.state = 'done'
SQL
note("the healthy company was polled $polls times, the slowest took $slowest s");
cmp_ok($polls, '>=', 10, 'EXT-28: a healthy company is polled all the while');
cmp_ok($slowest, '<', 25, 'EXT-28: and none of its polls waited for a failing company');
unlike(slurp_file($node->logfile), qr/connection "healthy": /, 'EXT-28: no failure of another company shows on it');
is($node->safe_psql('postgres', "SELECT count(*) FROM qbsync.http_log l JOIN qbsync.connection c USING (connection_id) WHERE c.name = 'healthy' AND path <> 'token'"),
	'0', 'EXT-28: and none of its calls failed');
is_mirrored($node, $simulator, 'EXT-28: it is complete', connection => 'healthy', number => 0);
is($node->safe_psql('postgres', 'SELECT count(*) FROM qbsync.error_open'), '0', 'no record is left among the errors');

$node->stop;
is_quiet($node, 'nothing unexpected in the server log');
done_testing();
