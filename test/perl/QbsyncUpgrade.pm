# What tests of updates share: an installation of the server that the test may add scripts to, the statements of an SQL script,
# and what an installed extension consists of.
package QbsyncUpgrade;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(basename dirname);
use File::Copy qw(copy);
use File::Path qw(make_path);
use JSON::PP;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(private_installation statements expand catalog shipped_tables differences);

my $root = abs_path(dirname(__FILE__) . '/../..');

# A directory of pg_config.
sub configured
{
	my ($what) = @_;
	my $config = $ENV{PG_CONFIG} || 'pg_config';
	chomp(my $path = `$config --$what`);
	die "$config --$what failed" if $? != 0 || $path eq '';
	return $path;
}

# The server below a directory of the test, with the folder of extensions its own: a server finds its files from where its
# programs are, so these are copied and all else leads to the installed ones.  Returns the path for install_path and that of the
# folder.
sub private_installation
{
	my ($base) = @_;
	my %path = map { $_ => configured($_) } qw(bindir sharedir pkglibdir);
	# what all three begin with is what moves
	my @common = split m{/}, $path{bindir};
	foreach my $other (@path{qw(sharedir pkglibdir)})
	{
		my @parts = split m{/}, $other;
		my $n = 0;
		$n++ while $n < @common && $n < @parts && $common[$n] eq $parts[$n];
		splice @common, $n;
	}
	my $prefix = join '/', @common;
	my %here = map { $_ => $base . substr($path{$_}, length $prefix) } keys %path;

	make_path($here{bindir}, "$here{sharedir}/extension", dirname($here{pkglibdir}));
	foreach my $program (glob "$path{bindir}/*")
	{
		copy($program, $here{bindir}) or die "$program: $!";
		chmod 0755, "$here{bindir}/" . basename($program);
	}
	symlink $path{pkglibdir}, $here{pkglibdir} or die "$here{pkglibdir}: $!" unless -e $here{pkglibdir};
	foreach my $file (grep { basename($_) ne 'extension' } glob "$path{sharedir}/*")
	{
		symlink $file, "$here{sharedir}/" . basename($file) unless -e "$here{sharedir}/" . basename($file);
	}
	symlink $_, "$here{sharedir}/extension/" . basename($_) foreach glob "$path{sharedir}/extension/*";
	return (dirname($here{bindir}), "$here{sharedir}/extension");
}

# The statements of a script, without the comments between them.
sub statements
{
	my ($script) = @_;
	my @found;
	my ($statement, $words) = ('', '');		# words: the statement without what is quoted

	while ($script =~ m{\G(?: (?<blank>\s+ | --[^\n]* | \\[^\n]* | /\*.*?\*/)
			| (?<quoted>'(?:[^']|'')*' | "[^"]*" | (?<tag>\$\w*\$).*?\k<tag>) | (?<word>[^;'"\$\s\\/-]+ | .) )}gxs)
	{
		my $text = $+{blank} // $+{quoted} // $+{word};
		my $is_word = defined $+{word};

		next if defined $+{blank} && $statement eq '';
		$statement .= $text;
		$words .= $is_word ? $text : ' ';
		# a body that is not quoted has statements of its own
		next if !$is_word || $text ne ';' || $words =~ /\bBEGIN ATOMIC\b/ && $words !~ /;\s*END;\z/;
		push @found, $statement;
		$statement = $words = '';
	}
	die "unfinished statement: $statement" if $statement =~ /\S/;
	return @found;
}

# An upgrade script in which "-- install: PATTERN" stands for statements of the install script, in full.
sub expand
{
	my ($script, $install) = @_;
	my @statements = statements($install);

	$script =~ s{^-- install: ([^\n]*)}{
		my $pattern = $1;
		my @wanted = grep { /^(?:$pattern)/s } @statements;
		die "the install script has no statement $pattern" unless @wanted;
		join "\n", map { s/^CREATE (FUNCTION|VIEW)/CREATE OR REPLACE $1/r } @wanted;
	}gme;
	return $script;
}

# What makes up the extension in a database: what it is => its definition.  rows: tables whose rows belong to it; before: a script
# that comes first, in a transaction that is rolled back.  undef when that fails.
sub catalog
{
	my ($node, $database, %arg) = @_;
	my $rows = join '', map { "SELECT jsonb_object_agg('row of $_ ' || to_jsonb(t)::text, '') FROM $_ t;\n" } @{ $arg{rows} // [] };
	my $sql = "SET client_min_messages = error;\nBEGIN;\n" . ($arg{before} // '') . "\n\\i $root/test/upgrade/catalog.sql\n${rows}ROLLBACK;\n";
	my ($code, $out, $error) = $node->psql($database, $sql, on_error_stop => 1);
	if ($code != 0)
	{
		die "$database: $error" unless defined $arg{before};
		return undef;
	}
	return { map { %{ decode_json($_) } } grep { /^\{/ } split /\n/, $out };
}

# Tables of a fresh installation that have rows.
sub shipped_tables
{
	my ($node, $database) = @_;
	return split /\n/, $node->safe_psql($database, <<'SQL');
SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'qbsync'::regnamespace AND c.relkind = 'r'
	AND (xpath('//n/text()', query_to_xml(format('SELECT count(*) AS n FROM %s', c.oid::regclass), false, true, '')))[1]::text <> '0' ORDER BY 1
SQL
}

# What two catalogs differ in, one line each; '' if in nothing.
sub differences
{
	my ($updated, $fresh) = @_;
	my @lines;
	foreach my $what (sort keys %{ { %$updated, %$fresh } })
	{
		push @lines, !exists $updated->{$what} ? "missing: $what"
		  : !exists $fresh->{$what} ? "too much: $what"
		  : ($updated->{$what} // '') ne ($fresh->{$what} // '') ? "differs: $what\n\tupdated: $updated->{$what}\n\tfresh: $fresh->{$what}" : ();
	}
	return join "\n", @lines;
}

1;
