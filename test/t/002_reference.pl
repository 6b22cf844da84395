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
