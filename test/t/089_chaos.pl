# A short run of test/chaos: whatever dies, CRM changes reach QuickBooks exactly once (EXT-1 to 3, X-18), and nothing that was
# rolled back does.  The seed is printed; QBSYNC_SEED repeats a run's actions (not its timing).
use strict;
use warnings;

use FindBin;

use Test::More;

my $seed = $ENV{QBSYNC_SEED} || 1 + int(rand(1_000_000));
my $checks = 0;
open(my $run, '-|', "$FindBin::Bin/../chaos", 300, '--seed', $seed) or die "test/chaos: $!";
while (my $line = <$run>)
{
	chomp $line;
	if ($line =~ /^(ok|wrong): (.*)/)
	{
		ok($1 eq 'ok', $2);
		$checks++;
	}
	else
	{
		diag($line);
	}
}
close $run;
is($?, 0, 'the run ended as it should');
cmp_ok($checks, '>', 5, 'and looked at everything');
done_testing();
