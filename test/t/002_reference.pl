# doc/reference.md lists every function, view, table and setting, and every public object has its comment.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use PostgreSQL::Test::Utils;
use QbsyncTest;
use Test::More;

my $node = new_node('reference', conf => "qbsync.paused = on\nqbsync.credentials_file = ''");
$node->safe_psql('postgres', 'CREATE EXTENSION qbsync');
my $reference = slurp_file("$FindBin::Bin/../../doc/reference.md");

# The mirror's tables are the catalogue's: an entity that is added there is added here by running this test with
# QBSYNC_ACCEPT=1, which writes what belongs between the two marks.
my $mirror = $node->safe_psql('postgres', <<'SQL');
SELECT format('| `%s` | %s | %s | %s | %s |', c.entity, c.comment,
	coalesce((SELECT string_agg(format('`%s`', l."table"), ', ' ORDER BY l.ordinal) FROM qbsync.catalogue_line l WHERE l.entity = c.entity), ''), c.reading, CASE WHEN c.bought THEN 'vendor readers, if `vendors` is import' ELSE 'readers' END)
FROM qbsync.catalogue c ORDER BY c.load_order
SQL
my ($begin, $end) = ("<!-- mirror tables: test/t/002_reference.pl -->\n", "<!-- end of mirror tables -->\n");
my $table = "| table | holds | lines | changes come with | for |\n|---|---|---|---|---|\n$mirror\n";
my ($said) = $reference =~ /\Q$begin\E(.*?)\Q$end\E/s;
if ($ENV{QBSYNC_ACCEPT} && defined $said && $said ne $table)
{
	$reference =~ s/\Q$begin$said\E/$begin$table/;
	open(my $out, '>', "$FindBin::Bin/../../doc/reference.md") or die "doc/reference.md: $!";
	print $out $reference;
	close $out;
	$said = $table;
}
is($said, $table, 'the reference shows the mirror tables as the catalogue has them (QBSYNC_ACCEPT=1 writes them)');

# So does the table of policies.
my %policies = $reference =~ /^\| `(\w+)`[^|]*\|[^|]*\|[^|]*\| (.*) \|$/mg;
is(join("\n", grep { my ($name, $meaning) = split /\t/; ($policies{$name} // '') ne $meaning } split /\n/, $node->safe_psql('postgres', "SELECT name || E'\t' || meaning FROM qbsync.policy ORDER BY name")),
	'', 'the reference says what each policy means as qbsync.policy does');

my %named = (
	functions => "SELECT DISTINCT proname FROM pg_proc WHERE proname ~ '^qbsync_' AND pronamespace = 'public'::regnamespace",
	'tables and views' => "SELECT relname FROM pg_class WHERE relnamespace = 'qbsync'::regnamespace AND relkind IN ('r', 'v')",
	settings => "SELECT name FROM pg_settings WHERE name ~ '^qbsync[.]'");
foreach my $kind (sort keys %named)
{
	my @names = split /\n/, $node->safe_psql('postgres', $named{$kind});
	cmp_ok(scalar @names, '>', 0, "there are $kind");
	is(join(', ', grep { $reference !~ /\b\Q$_\E\b/ } sort @names), '', "the reference names all $kind");
}

my $mute = $node->safe_psql('postgres', <<'SQL');
SELECT 'function ' || p.oid::regprocedure FROM pg_proc p
WHERE (p.pronamespace = 'qbsync'::regnamespace OR p.proname ~ '^qbsync_') AND obj_description(p.oid, 'pg_proc') IS NULL
UNION ALL
SELECT 'relation ' || c.oid::regclass FROM pg_class c
WHERE c.relnamespace = 'qbsync'::regnamespace AND c.relkind IN ('r', 'v') AND obj_description(c.oid, 'pg_class') IS NULL
SQL
is($mute, '', 'every function, table and view has its comment');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_settings WHERE name ~ '^qbsync[.]' AND short_desc = ''"), '0', 'and every setting');

$node->stop;
is_quiet($node, 'nothing unexpected in the server log');
done_testing();
