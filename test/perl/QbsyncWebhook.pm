# Webhooks in TAP tests: the receiver of doc/webhooks.md, and deliveries signed as Intuit signs them.
package QbsyncWebhook;

use strict;
use warnings;

use Cwd qw(abs_path);
use Digest::SHA qw(hmac_sha256_base64);
use Exporter qw(import);
use File::Basename qw(dirname);
use HTTP::Tiny;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use QbsyncTest;

our @EXPORT = qw(start_receiver);

# Let the database (postgres, or database => …) know the simulator's verifier, make the receiver's login, run the receiver as the documentation has it, and have
# the simulator deliver to it.
sub start_receiver
{
	my ($node, $simulator, %settings) = @_;
	my $database = delete $settings{database} // 'postgres';
	my $self = bless { database => $database, simulator => $simulator, verifier => $simulator->control('GET', 'webhooks')->{verifier} }, 'QbsyncWebhook';
	my $hex = unpack 'H*', $self->{verifier};
	$node->safe_psql($database, "CREATE ROLE qbo_receiver LOGIN IN ROLE qbsync_webhook;
		SELECT qbsync_app('my-app', webhook_verifier => convert_from(decode('$hex', 'hex'), 'UTF8'))");
	my $page = slurp_file(dirname(abs_path(__FILE__)) . '/../../doc/webhooks.md');
	my ($code) = $page =~ /^```python\n(.*?)^```/ms;
	die 'doc/webhooks.md shows no receiver' unless $code;
	$self->{program} = PostgreSQL::Test::Utils::tempdir() . '/receiver.py';
	append_to_file($self->{program}, $code);
	$self->{port} = PostgreSQL::Test::Cluster::get_free_port();
	$self->{connection} = $node->connstr($database) . ' user=qbo_receiver';
	$self->run;
	$simulator->control('POST', 'webhooks', { url => "http://127.0.0.1:$self->{port}/", retries => [0.2], %settings });
	return $self;
}

# Start the program (again).
sub run
{
	my ($self) = @_;
	my $log = PostgreSQL::Test::Utils::tempdir() . '/receiver.log';
	$self->{pid} = fork // die "fork: $!";
	if ($self->{pid} == 0)
	{
		open(STDOUT, '>>', $log);
		open(STDERR, '>>', $log);
		exec 'python3', $self->{program}, $self->{port}, $self->{connection} or POSIX::_exit(1);
	}
	await('the receiver', sub { HTTP::Tiny->new->get("http://127.0.0.1:$self->{port}/")->{status} == 501 });
}

sub stop
{
	my ($self) = @_;
	return unless $self->{pid};
	kill 'KILL', $self->{pid};
	waitpid $self->{pid}, 0;
	delete $self->{pid};
}

sub DESTROY
{
	my ($self) = @_;
	local $?;
	$self->stop;
}

# Deliver bytes; signature: null for the right one.  Returns the HTTP status.
sub deliver
{
	my ($self, $body, $signature) = @_;
	return HTTP::Tiny->new->post("http://127.0.0.1:$self->{port}/", { content => $body,
		headers => { 'Content-Type' => 'application/json', 'intuit-signature' => $signature // $self->sign($body) } })->{status};
}

sub sign
{
	my ($self, $body) = @_;
	return hmac_sha256_base64($body, $self->{verifier}) . '=';
}

# An event in Intuit's newer format.
sub event
{
	my ($self, $type, $id, %more) = @_;
	my $realm = delete $more{realm} // $self->{simulator}{realm};
	my $time = delete $more{time} // $self->{simulator}->control('GET', 'clock')->{time};
	return JSON::PP::encode_json({ specversion => '1.0', type => "qbo.$type.v1", time => $time, intuitentityid => "$id",
			intuitaccountid => $realm, %more });
}

# Nothing is under way: delivered, read, looked up.
sub settled
{
	my ($self, $node) = @_;
	my $simulator = $self->{simulator};
	await('deliveries', sub { $simulator->control('GET', 'webhooks?after=1000000')->{waiting} == 0 });
	await('what was heard is read', sub { $node->safe_psql($self->{database},
		'SELECT (SELECT count(*) FROM qbsync.webhook_event) + (SELECT count(*) FROM qbsync.lookup)') eq '0' });
}

1;
