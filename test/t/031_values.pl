# What QuickBooks sends, arrives: exact amounts, long ids, hostile names, lists of e-mails; and what PostgreSQL cannot hold
# is replaced and said, alone, until a good version comes.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use Encode qw(encode decode);
use JSON::PP;
use QbsyncTest;
use Test::More;

# Texts are bytes, as in the source, in the database and in the test's output.
my $simulator = start_simulator(seed => 5);
my $node = new_node('values');
install_qbsync($node, $simulator);

my $replacement = encode('UTF-8', "\x{FFFD}");
my $meta = '"MetaData":{"CreateTime":"{{now}}","LastUpdatedTime":"{{now}}"}';

# Plant a record; bytes => 1: the text is no UTF-8 and must leave as it is.
sub plant
{
	my ($entity, $id, $text, %arg) = @_;
	my %body = (entity => $entity, id => $id, json => $arg{bytes} ? '{}' : decode('UTF-8', $text));
	$body{hex} = unpack('H*', $text) if $arg{bytes};
	$body{active} = JSON::PP::false if $arg{inactive};
	$simulator->control('POST', 'raw', \%body);
}

sub customer
{
	my ($id, $members, $token) = @_;
	return qq({"Id":"{{id}}","SyncToken":"@{[ $token // 0 ]}",$meta,"domain":"QBO","sparse":false,"Active":true,$members});
}

sub value { return $node->safe_psql('postgres', $_[0]); }

sub column { return value("SELECT $_[1] FROM qbsync.customer WHERE id = '$_[0]'"); }

# A string as a JSON string.
sub quoted { return JSON::PP->new->allow_nonref->utf8(0)->encode($_[0]); }

# What is among the errors, in order.
sub errors
{
	return value(q{SELECT coalesce(string_agg(entity || ' ' || id || ' ' || problem, E'\n' ORDER BY entity, id, problem), '') FROM qbsync.error_open});
}

# --- what is right but not easy ---------------------------------------------------------------------------------------------

my %names = (
	501 => "Robert'); DROP TABLE qbsync.customer; --",
	502 => 'Guillemets "doubles" et \\barre\\ oblique',
	503 => '$1 %s %n {a,b} NULL \\N \'\'',
	504 => '<script>alert("é")</script> & fils',
	505 => "L'Épicerie  du  Coin   (deux blancs)",
	506 => "Œuvre & Cie — naïve façade 🌲 " . encode('UTF-8', "\x{1F469}\x{200D}\x{1F33E}"),
	507 => encode('UTF-8', "\x{202E}exe.tnemucod \x{200B}invisible"),
	508 => "Tabulation\tet\nnouvelle ligne",
	509 => '日本語 العربية עברית',
	510 => 'Ancien client (deleted)',
);

plant('Customer', $_, customer($_, '"DisplayName":' . quoted($names{$_})), inactive => $_ == 510) foreach keys %names;
plant('Customer', 510, customer(510, '"DisplayName":"Ancien client (deleted)"') =~ s/"Active":true/"Active":false/r, inactive => 1);

my $long = '9223372036854775807';
plant('Customer', $long, customer($long, '"DisplayName":"Identifiant long"'));
plant('Customer', '9999999999999999999', customer(0, qq("DisplayName":"Plus long encore","Job":true,"ParentRef":{"value":"$long"})));

my %mails = (
	520 => [ 'a@exemple.test, b@exemple.test', '{a@exemple.test,b@exemple.test}' ],
	521 => [ ' seul@exemple.test ', '{seul@exemple.test}' ],
	522 => [ 'a@exemple.test,,  ,b@exemple.test,', '{a@exemple.test,b@exemple.test}' ],
	523 => [ ' , ', '' ],
	524 => [ "o'brien+é\@exemple.test", "{o'brien+é\@exemple.test}" ],
);
plant('Customer', $_, customer($_, qq("DisplayName":"Courriel $_","PrimaryEmailAddr":{"Address":) . quoted($mails{$_}[0]) . '}'))
  foreach keys %mails;

# amounts: as text, and what the column shows
my %amounts = (
	601 => '100.10', 602 => '99999999999.99', 603 => '0.1', 604 => '0', 605 => '-0.01', 606 => '100.100000',
	607 => '12345678901234567890.123456789', 608 => '0.30000000000000004', 609 => '9007199254740993', 610 => '1E+2',
);
sub invoice
{
	my ($id, $amount) = @_;
	return qq({"Id":"{{id}}","SyncToken":"0",$meta,"DocNumber":"R-$id","TxnDate":"2026-01-31","CustomerRef":{"value":"$long","name":"Identifiant long"},)
	  . qq("Line":[{"Id":"1","Amount":$amount,"DetailType":"SalesItemLineDetail","SalesItemLineDetail":{"ItemRef":{"value":"1"},"Qty":1.123456789,"UnitPrice":$amount}}],)
	  . qq("TotalAmt":$amount,"Balance":$amount});
}
plant('Invoice', $_, invoice($_, $amounts{$_})) foreach keys %amounts;

connect_company($node, $simulator);
is_mirrored($node, $simulator, 'EXT-10: after the load the mirror equals the company, raw is whole');

sub right_values
{
	my ($when) = @_;
	foreach my $id (sort keys %names)
	{
		is(column($id, 'display_name'), $names{$id}, "EXT-18: $when, a name stays what it is: " . ($names{$id} =~ s/[\t\n]/ /gr));
	}
	is(column(505, "raw ->> 'DisplayName'"), $names{505}, "EXT-18: $when, doubled blanks are kept");
	is(column(510, 'active'), 'f', "$when, an inactive name is here, with its (deleted)");
	is(column($long, 'display_name'), 'Identifiant long', "$when, an id of 19 digits");
	is(column('9999999999999999999', 'parent_id'), $long, "$when, and one that no bigint holds, referring to it");
	foreach my $id (sort keys %mails)
	{
		is(column($id, 'emails'), $mails{$id}[1], "CAP-32: $when, e-mails of \"$mails{$id}[0]\" are split");
	}
	foreach my $id (sort keys %amounts)
	{
		my $shown = $amounts{$id} eq '1E+2' ? '100' : $amounts{$id};
		is(value("SELECT total_amt || ' ' || balance || ' ' || (raw ->> 'TotalAmt') FROM qbsync.invoice WHERE id = '$id'"),
			"$shown $shown $shown", "$when, the amount $amounts{$id} is exact");
		is(value("SELECT amount || ' ' || qty FROM qbsync.invoice_line WHERE invoice_id = '$id'"),
			"$shown 1.123456789", "$when, and on its line");
	}
	is(value("SELECT sum(total_amt) FROM qbsync.invoice WHERE id IN ('601', '603')"), '100.20', "$when, sums are exact");
	is(errors(), '', "$when, none of this is an error");
}
right_values('load');

# the same through change data capture: everything is taken away here, and sent again
$node->safe_psql('postgres', "UPDATE qbsync.customer SET display_name = NULL, emails = NULL, parent_id = NULL, active = NULL, raw = '{}', fingerprint = NULL");
$node->safe_psql('postgres', "UPDATE qbsync.invoice SET total_amt = NULL, balance = NULL, raw = '{}', fingerprint = NULL; DELETE FROM qbsync.invoice_line");
plant('Customer', $_, customer($_, '"DisplayName":' . quoted($names{$_}), 1)) foreach grep { $_ != 510 } keys %names;
plant('Customer', 510, customer(510, '"DisplayName":"Ancien client (deleted)"', 1) =~ s/"Active":true/"Active":false/r, inactive => 1);
plant('Customer', $long, customer($long, '"DisplayName":"Identifiant long"', 1));
plant('Customer', '9999999999999999999', customer(0, qq("DisplayName":"Plus long encore","ParentRef":{"value":"$long"}), 1));
plant('Customer', $_, customer($_, qq("DisplayName":"Courriel $_","PrimaryEmailAddr":{"Address":) . quoted($mails{$_}[0]) . '}', 1))
  foreach keys %mails;
plant('Invoice', $_, invoice($_, $amounts{$_})) foreach keys %amounts;
$simulator->control('POST', 'act', { act => 'touch', entity => $_ }) foreach qw(Customer Invoice);
wait_synced($node, sync => 1);
right_values('CDC');
is_mirrored($node, $simulator, 'after CDC the mirror equals the company');

# --- what PostgreSQL cannot hold ------------------------------------------------------------------------------------------

# longer than an index takes, and nothing that compresses
my $seed = 12345;
my $noise = join '', map { $seed = ($seed * 1103515245 + 12345) % 2147483648; chr(97 + ($seed >> 16) % 26) } 1 .. 9000;

# id, members, whether they are bytes, expected problem, expected display_name
my @bad = (
	[ 701, '"DisplayName":"Octets ' . "\xff\xfe" . ' étranges"', 1, 'altered_text', "Octets $replacement$replacement étranges" ],
	[ 702, '"DisplayName":"Nul \u0000 au milieu"', 0, 'altered_text', "Nul $replacement au milieu" ],
	[ 703, '"DisplayName":"Demi \ud83d paire"', 0, 'altered_text', "Demi $replacement paire" ],
	[ 704, '"DisplayName":"Exposant","Inconnu":1e999999999', 0, 'altered_text', 'Exposant' ],
	[ 705, qq("DisplayName":"Soldé","Balance":"beaucoup","Taxable":"peut-être"), 0, 'bad_value', 'Soldé' ],
	[ 706, '"DisplayName":"Contrôle' . "\x01" . '"', 1, 'altered_text', "Contrôle\x{01}" ],
);
# an invoice whose customer is longer than an index takes
my $unbearable = invoice(707, '1.00') =~ s/"value":"$long"/"value":"$noise"/r;

sub plant_bad
{
	my ($token) = @_;
	foreach my $bad (@bad)
	{
		my $text = $bad->[2] ? customer($bad->[0], '@', $token) =~ s/\@/$bad->[1]/r : customer($bad->[0], $bad->[1], $token);
		plant('Customer', $bad->[0], $text, bytes => $bad->[2]);
	}
	plant('Invoice', 707, $unbearable);
}

sub plant_good
{
	my ($token) = @_;
	plant('Customer', $_->[0], customer($_->[0], qq("DisplayName":"Bon $_->[0]"), $token)) foreach @bad;
	plant('Invoice', 707, invoice(707, '7.07'));
}

sub bad_values
{
	my ($when) = @_;
	is(errors(), join("\n", (map { "customer $_->[0] $_->[3]" } @bad), 'invoice 707 bad_record'), "EXT-27: $when, each bad record is among the errors, alone");
	is(value("SELECT count(*) FROM qbsync.error_open WHERE coalesce(meaning, '') = '' OR coalesce(what_to_do, '') = ''"), '0',
		"EXT-27: $when, each with meaning and remedy");
	foreach my $bad (@bad)
	{
		is(column($bad->[0], 'display_name'), $bad->[4], "$when, $bad->[0] ($bad->[3]) shows what can be shown");
	}
	is(column(701, 'altered'), '{utf8}', "$when, and says what was replaced: utf8");
	is(column(702, 'altered'), '{nul}', "$when, nul");
	is(column(703, 'altered'), '{surrogate}', "$when, surrogate");
	is(column(704, 'altered'), '{number}', "$when, number");
	is(column(704, "raw ->> 'Inconnu'"), '1e999999999', "$when, the number is kept as text");
	is(column(705, "balance IS NULL AND taxable IS NULL AND raw ->> 'Balance' = 'beaucoup'"), 't', "$when, a bad value is null in its column, whole in raw");
	like(value("SELECT detail FROM qbsync.error_open WHERE id = '705'"), qr/balance, taxable|taxable, balance/, "$when, and named");
	is(value("SELECT has_record FROM qbsync.error_open WHERE id = '707'"), 't', "$when, the bytes of a record that cannot be stored are kept");
	is(value('SELECT state, ok, error_count FROM qbsync.status'), 'live|t|' . (@bad + 1), "$when, the company is live all the same");
	is(value("SELECT count(*) FROM qbsync.invoice WHERE id = '707'"), '0', "$when, such a record is not here");
	is(value("SELECT count(*) FROM qbsync.invoice WHERE deleted_at IS NULL"), $simulator->control('GET', 'store')->{Invoice}{count} - 1,
		"EXT-27: $when, but every other invoice");
	is(value("SELECT count(*) FROM qbsync.customer WHERE id NOT IN ('701','702','703','704','705','706') AND raw <> '{}'"),
		$simulator->control('GET', 'store')->{Customer}{count} - @bad, "EXT-27: $when, one bad record never stops its page");
}

sub mended
{
	my ($when) = @_;
	plant_good(8);
	wait_synced($node, sync => 1);
	is(errors(), '', "EXT-27: $when, the errors leave by themselves with a good version");
	is(value("SELECT count(*) FROM qbsync.customer WHERE display_name = 'Bon ' || id AND altered IS NULL"), scalar(@bad),
		"$when, and nothing is marked any more");
	is_mirrored($node, $simulator, "$when, the mirror equals the company again");
}

plant_bad(1);
$simulator->control('POST', 'act', { act => 'create', entity => 'Customer', object => { DisplayName => decode('UTF-8', 'Après les mauvais') } });
wait_synced($node, sync => 1);
bad_values('CDC');
is(value("SELECT count(*) FROM qbsync.customer WHERE display_name = 'Après les mauvais'"), '1', 'EXT-27: what came with them is here');

# the same again is no news: nothing is written (the overlap of two polls brings it again)
my $before = value('SELECT string_agg(xmin::text, $$,$$ ORDER BY error_id) FROM qbsync.error');
wait_synced($node, sync => 1);
is(value('SELECT string_agg(xmin::text, $$,$$ ORDER BY error_id) FROM qbsync.error'), $before, 'a bad record that comes again writes nothing');
mended('CDC');

# a first load of a company with bad records
plant_bad(9);
$node->safe_psql('postgres', 'SELECT qbsync.purge_mirror(connection_id), qbsync.set_state(connection_id, $$loading$$), qbsync.wake() FROM qbsync.connection');
wait_synced($node);
bad_values('load');
mended('load');

# bad in an invoice's line: the invoice and its other lines are here
plant('Invoice', 801, invoice(801, '10.00') =~ s/"Line":\[/"Line":["ligne","ligne",/r);
plant('Invoice', 802, invoice(802, '10.00') =~ s/"TxnDate":"2026-01-31"/"TxnDate":"31 janvier"/r);
plant('Invoice', 803, invoice(803, '10.00'));
wait_synced($node, sync => 1);
is(errors(), "invoice 801 bad_value\ninvoice 802 bad_value", 'a line that is none and a date that is none');
is(value("SELECT count(*) FROM qbsync.invoice WHERE id IN ('801', '802', '803') AND total_amt = 10.00"), '3', 'the invoices are here');
is(value("SELECT position FROM qbsync.invoice_line WHERE invoice_id = '801'"), '3', 'and the line that is one');
$simulator->control('POST', 'raw', { entity => 'Invoice', id => $_, json => invoice($_, '11.00') }) foreach 801, 802;
wait_synced($node, sync => 1);
is(errors(), '', 'and again the errors leave by themselves');

$node->stop;
is_quiet($node, 'nothing unexpected in the server log');
done_testing();
