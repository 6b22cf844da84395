# A psql session that listens on channel qbsync, for the TAP tests.
#
#	my $listener = QbsyncListener->new($node, $database);
#	my @payloads = $listener->heard;	# decoded, since the last call, sorted by connection and entity
package QbsyncListener;

use strict;
use warnings;

use IPC::Run ();
use JSON::PP;

sub new
{
	my ($class, $node, $database) = @_;
	my $self = bless { in => '', out => '', err => '', asked => 0 }, $class;
	$self->{psql} = IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($database // 'postgres') ],
		'<', \$self->{in}, '>', \$self->{out}, '2>', \$self->{err},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	$self->_say('LISTEN qbsync;');
	return $self;
}

# Run a statement; what psql printed until then.
sub _say
{
	my ($self, $statement) = @_;
	my $mark = 'asked ' . ++$self->{asked};
	$self->{in} .= "$statement\n\\echo $mark\n";
	$self->{psql}->pump until $self->{out} =~ /^$mark$/m || $self->{err} =~ /\S/ || !$self->{psql}->pumpable;
	die "listening psql: $self->{err}" unless $self->{out} =~ s/\A(.*?)^$mark\n//ms;
	return $1;
}

# psql shows what has arrived after each statement; what the first one only fetches, the second one shows.
sub heard
{
	my ($self) = @_;
	my $text = join "\n", map { $self->_say('SELECT 1;') } 1, 2;
	my @payloads = map { decode_json($_) } $text =~ /^Asynchronous notification "qbsync" with payload "(.*)" received/mg;
	return sort { "$a->{connection} $a->{entity}" cmp "$b->{connection} $b->{entity}" } @payloads;
}

# The same as text: "acme customer 1,2" or "acme customer #1234" for a count.
sub heard_text
{
	my ($self) = @_;
	return join "\n", map {
		my $what = $_->{ids} ? join(',', sort { $a <=> $b } @{ $_->{ids} }) : "#$_->{count}";
		"$_->{connection} $_->{entity} $what"
	} $self->heard;
}

sub quit
{
	my ($self) = @_;
	$self->{in} .= "\\q\n";
	$self->{psql}->finish;
}

1;
