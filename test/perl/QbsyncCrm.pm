# What the tests of the CRM side share: a company connected to a database that has a CRM, acts on both sides, sessions of the
# CRM beside the test's own, and waiting until nothing is to be done any more.
#
#	my $crm = QbsyncCrm->new('name', customers => 20, conf => "...");
#	$crm->sql('SELECT 1');						# as superuser
#	$crm->qb(act => 'edit', entity => 'Customer', id => '1', set => { ... });
#	$crm->sync;									# QuickBooks' changes are in the mirror
#	$crm->applied;								# and whatever they mean is in the CRM, or waits there for its time
package QbsyncCrm;

use strict;
use warnings;

use IPC::Run ();
use PostgreSQL::Test::Utils;
use QbsyncTest;
use Test::More;
use Time::HiRes qw(time);

# A server with a company in database "crm", a role crm_app that owns schema crm.
# customers, invoices, estimates, seed: of the simulator; conf: lines of postgresql.conf; install_path: of the server; no_wait: do not wait for the first load;
# hold: edits of the CRM stay in the CRM, for tests of the way in.
sub new
{
	my ($class, $name, %arg) = @_;
	my $self = bless { database => 'crm' }, $class;
	$self->{simulator} = start_simulator(customers => $arg{customers} // 10, invoices => $arg{invoices} // 0, estimates => $arg{estimates} // 0, seed => $arg{seed} // 1);
	$self->{node} = new_node($name, conf => $arg{conf} // '', install_path => $arg{install_path});
	$self->{node}->safe_psql('postgres', 'CREATE DATABASE crm');
	install_qbsync($self->{node}, $self->{simulator}, database => 'crm', hold => $arg{hold});
	connect_company($self->{node}, $self->{simulator}, database => 'crm', poll_interval => '7 days');
	$self->sql('CREATE ROLE crm_app; CREATE SCHEMA crm AUTHORIZATION crm_app');
	return $self;
}

# A statement as superuser; its rows as safe_psql gives them.
sub sql
{
	my ($self, $sql) = @_;
	utf8::encode($sql) if utf8::is_utf8($sql);
	return $self->{node}->safe_psql('crm', $sql);
}

# The same as the role of the CRM.
sub app { my ($self, $sql) = @_; return $self->sql("SET ROLE crm_app;\n$sql") }

# Something a person does in QuickBooks; what it answers.
sub qb { my ($self, %act) = @_; return $self->{simulator}->control('POST', 'act', \%act) }

# The same, undef when QuickBooks refuses it (a name that is taken).
sub try_qb { my ($self, %act) = @_; return eval { $self->qb(%act) } }

# Several at once.
sub qb_all { my ($self, @acts) = @_; return $self->{simulator}->control('POST', 'act', { acts => \@acts })->{results} }

sub customer
{
	my ($self, %object) = @_;
	return $self->qb(act => 'create', entity => 'Customer', object => \%object)->{Id};
}

sub edit
{
	my ($self, $id, %set) = @_;
	return $self->qb(act => 'edit', entity => 'Customer', id => "$id", set => \%set);
}

sub sync { my ($self) = @_; wait_synced($self->{node}, database => 'crm', sync => 1) }

# Nothing has arrived, nothing is being swept, and no error is due (those that wait for their time stay, but for what a busy
# machine made slow once: that is being written by itself).
sub is_idle
{
	my ($self) = @_;
	return $self->sql(<<'SQL') eq 't';
SELECT NOT EXISTS (SELECT FROM qbsync.arrival a JOIN qbsync.mapping m USING (mapping_id) WHERE m.state = 'enabled' AND a.action <> 'after')
	AND NOT EXISTS (SELECT FROM qbsync.mapping WHERE sweep_after IS NOT NULL AND state = 'enabled')
	AND NOT EXISTS (SELECT FROM qbsync.crm_error e JOIN qbsync.mapping m USING (mapping_id)
					WHERE m.state = 'enabled' AND e.dismissed_at IS NULL
						AND (e.next_attempt_at <= now() OR e.problem = 'crm_slow' AND e.occurrences <= 2))
SQL
}

sub applied
{
	my ($self) = @_;
	my $done = eval { await('the CRM', sub { $self->is_idle }) };
	return if $done;
	diag($self->state);
	die $@;
}

# What is under way, for people who look at a test that failed.
sub state
{
	my ($self) = @_;
	return join "\n", map { "$_: " . $self->sql("SELECT coalesce(jsonb_agg(to_jsonb(t)), '[]')::text FROM ($_) t") }
	  'SELECT * FROM qbsync.arrival LIMIT 10', 'SELECT name, state, sweep_after, problem, problem_detail, next_attempt_at FROM qbsync.mapping',
	  'SELECT * FROM qbsync.crm_error LIMIT 10';
}

# Every record is looked at once more, whatever arrived: what an edit of the CRM alone does not bring about yet.
sub look_again
{
	my ($self) = @_;
	$self->sql("UPDATE qbsync.mapping SET sweep_after = '' WHERE state = 'enabled'; SELECT qbsync.wake()");
	$self->applied;
}

# Process ids of apply workers.
sub workers
{
	my ($self) = @_;
	return split /\n/, $self->sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'qbsync apply worker' ORDER BY pid");
}

# A session of the CRM beside the test's: runs the statements one by one, also after an error; ->finish gives what it printed.
sub session
{
	my ($self, $sql, %arg) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . '/session-' . ++$self->{sessions} . '.sql';
	my %session = (out => '', err => '');
	append_to_file($file, $sql);
	$session{run} = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=0', '-d', $self->{node}->connstr('crm'), '-f', $file, $arg{user} ? ('-U', $arg{user}) : () ],
		'>', \$session{out}, '2>', \$session{err}, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return bless \%session, 'QbsyncCrm::Session';
}

package QbsyncCrm::Session;

# Wait for its end; what it printed, in a list its errors, too.
sub finish
{
	my ($self) = @_;
	$self->{run}->finish;
	return wantarray ? ($self->{out}, $self->{err}) : $self->{out};
}

1;
