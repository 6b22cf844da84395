#!/usr/bin/env bash
# Shows what qbsync does, from nothing: builds and installs it, starts a private PostgreSQL and the QuickBooks simulator
# with a sample company, connects, loads, changes things inside QuickBooks while they arrive, maps a CRM, links its contacts,
# lets changes, conflicts and errors happen to them on both sides, pulls the plug in the middle of a write, shuts down.
#
#	test/demo.sh [--keep]		--keep leaves everything running and says how to get in
#
# Exits 0 only if everything it showed was true: what the tables and views say is compared with the simulator's own store.
# On Debian, as root, it installs what it needs; the server then runs as user postgres.  Everything else it makes is in
# one directory below /tmp, which goes away at the end, whatever the end is.
set -Eeuo pipefail
cd "$(dirname "$0")/.."
. test/lib.sh

keep=no
case "${1-}" in
	'') ;;
	--keep) keep=yes ;;
	*) sed -n '2,6s/^# \{0,1\}//p' "$0"; [ "$1" = --help ] && exit 0 || exit 2 ;;
esac

company='Paysages Laval inc.'
time_zone=America/Toronto
work=
waiting=

# --- the end -----------------------------------------------------------------------------------------------------------

# Ends the simulator and waits until it has ended.
stop_simulator() {
	local pid tries
	pid=$(cat "$work/simulator.pid" 2>/dev/null) || return 0
	kill "$pid" 2>/dev/null || return 0
	for tries in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.05; done
	rm -f "$work/simulator.pid"
}

# Whatever happened: nothing of it is left.
clean_up() {
	local code=$?
	trap - EXIT ERR INT TERM HUP
	set +e
	[ -z "$waiting" ] || kill "$waiting" 2>/dev/null
	if [ -n "$work" ]; then
		if [ "$code" -ne 0 ] && [ -s "$work/log" ]; then
			printf '\nThe server log ends with:\n'
			tail -n 15 "$work/log"
		fi
		[ ! -f "$work/data/postmaster.pid" ] || as_server_user / "$bin/pg_ctl" stop -s -D "$work/data" -m immediate
		stop_simulator
		rm -rf "$work"
	fi
	[ "$code" -eq 0 ] || printf '\nThe demonstration FAILED.\n'
	exit "$code"
}
trap clean_up EXIT
trap 'echo "failed: line $LINENO of test/demo.sh" >&2' ERR
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# --- showing ------------------------------------------------------------------------------------------------------------

step() { printf '\n\n=== %s\n' "$*"; }
say() { printf '\n-- %s\n' "$*"; }

query() { "$bin/psql" -X -q -v ON_ERROR_STOP=1 -P pager=off -h "$work" -p "$port" -U postgres -d crm "$@"; }

# A statement as a person types it, then what it answers; wide: one column a line.
sql() { printf '\ncrm=# %s;\n' "$1"; query -c "$1"; }
wide() { printf '\ncrm=# %s; \\gx\n' "$1"; query -x -c "$1"; }

# The same, but only its first record is shown.
first() {
	local rows
	printf '\ncrm=# %s; \\gx\n' "$1"
	query -x -c "$1" >"$work/rows"
	rows=$(grep -c '^-\[ RECORD' "$work/rows" || true)
	awk '/^-\[ RECORD 2/ { exit } { print }' "$work/rows"
	[ "$rows" -lt 2 ] || echo "… and $((rows - 1)) more"
}

# A value, without showing anything.
value() { query -A -t -c "$1"; }

# What was shown is true, or the demonstration has failed: a query that gives t.
true_that() {
	local claim=$1 answer
	answer=$(value "$2")
	if [ "$answer" != t ]; then
		printf '\nNOT TRUE: %s (%s gives "%s")\n' "$claim" "$2" "$answer" >&2
		exit 1
	fi
	echo "[true] $claim"
}

# --- inside QuickBooks --------------------------------------------------------------------------------------------------

# The simulator's store into files the server can read.
fetch_store() {
	local entity
	for entity in Customer Invoice Payment Estimate Item Term; do
		curl -sS -f -o "$work/store/$entity.json" "$base_url/control/store?entity=$entity"
	done
}

# A person does something in QuickBooks' own screens.
in_quickbooks() {
	printf '\n>> in QuickBooks: %s\n' "$1"
	curl -sS -f -o "$work/act.json" -H 'Content-Type: application/json' --data-binary "$2" "$base_url/control/act" ||
		{ cat "$work/act.json" >&2; exit 1; }
}

# What QuickBooks itself has under a name, inactive ones included.
look_in_quickbooks() {
	printf '\n>> in QuickBooks there is:\n'
	curl -sS -f "$base_url/control/store?entity=Customer" | python3 -c '
import json, sys
for c in json.load(sys.stdin)["objects"]:
    if c["DisplayName"] == sys.argv[1]:
        print("   customer %s, %s, phone %s, e-mail %s, SyncToken %s" % (c["Id"], c["DisplayName"],
            c.get("PrimaryPhone", {}).get("FreeFormNumber"), c.get("PrimaryEmailAddr", {}).get("Address"), c["SyncToken"]))' "$1" |
		tee "$work/seen"
}

# It is one record, and all that is named is in it.
true_there() {
	local claim=$1 word
	shift
	[ "$(wc -l <"$work/seen")" = 1 ] || { echo "NOT TRUE: $claim" >&2; exit 1; }
	for word in "$@"; do
		grep -qF "$word" "$work/seen" || { echo "NOT TRUE: $claim ($word)" >&2; exit 1; }
	done
	echo "[true] $claim"
}

# A member of the simulator's answer to a question of its control API, a Python expression about "it".
ask_simulator() { curl -sS -f "$base_url/control/$1" | python3 -c "import json, sys; it = json.load(sys.stdin); print($2)"; }

# Ask for the changes now instead of at the next poll, and wait until they are here.  Listening tells what arrived.
arrive() {
	printf '\ncrm=# LISTEN qbsync;\ncrm=# SELECT qbsync_sync_now(%s);\ncrm=# CALL qbsync_wait(%s, %s);\n' "'acme'" "'acme'" "'synced'"
	query -A -t -c 'LISTEN qbsync' -c "SELECT qbsync_sync_now('acme')" -c "CALL qbsync_wait('acme', 'synced')" -c 'SELECT' |
		grep '^Asynchronous' || true
}

# The same, and until it is in the CRM's tables.
into_crm() {
	arrive
	sql "CALL qbsync_wait('acme', 'idle')"
}

# Compare every record, and what the views say, with the simulator's store.
compare() {
	local file same
	fetch_store
	for file in compare views; do
		query -v connection=acme -v directory="$work/store" -v time_zone="$time_zone" -f "test/demo/$file.sql" |
			tee "$work/$file.txt"
	done
	# no line of either may differ, and both must have lines
	same=$(awk -F'|' '/^ [a-zA-Z]/ && NF == 4 && $1 !~ /entity/ { n++; if ($4 + 0 != 0 || $2 + 0 != $3 + 0) bad = 1 }
		END { print (n == 6 && !bad) ? "t" : "f" }' "$work/compare.txt")
	[ "$same" = t ] || { echo "NOT TRUE: the tables equal QuickBooks" >&2; exit 1; }
	echo '[true] every record here is the one in QuickBooks'
	same=$(awk -F'|' '/\|/ && $1 !~ /label/ { n++; if ($2 + 0 != $3 + 0 || $4 "" != $5 "") bad = 1 }
		END { print (n == 6 && !bad) ? "t" : "f" }' <(tr -d ' ' <"$work/views.txt"))
	[ "$same" = t ] || { echo "NOT TRUE: the views say what follows from QuickBooks" >&2; exit 1; }
	echo '[true] the views say what follows from the records in QuickBooks'
}

# --- 1. everything there is to start -----------------------------------------------------------------------------------------

step 'Building and installing qbsync'
install_packages curl
# not under the feet of tests that run beside it
[ -n "${QBSYNC_INSTALLED-}" ] || build_and_install
bin=$("$PG_CONFIG" --bindir)

step 'Starting a private PostgreSQL and the QuickBooks simulator'
work=$(mktemp -d /tmp/qbsync-demo.XXXXXX)
port=5432
mkdir "$work/store"
cp -R test/simulator "$work/simulator"
rm -rf "$work/simulator/__pycache__"
[ "$(id -u)" -ne 0 ] || chown -R postgres: "$work"

as_server_user "$work" sh -c 'echo $$ >simulator.pid
	exec python3 simulator --port 0 --control --customers 6000 --invoices 5000 --latency-ms 150' \
	>"$work/simulator.json" 2>"$work/simulator.log" </dev/null &
simulator=$!
until [ -s "$work/simulator.json" ]; do
	kill -0 "$simulator" 2>/dev/null || { cat "$work/simulator.log" >&2; exit 1; }
	sleep 0.05
done
read -r base_url client_id realm < <(python3 -c 'import json, sys
said = json.load(open(sys.argv[1]))
print(said["base_url"], said["client_id"], said["companies"][0]["realm_id"])' "$work/simulator.json")
echo "QuickBooks, as simulated, is at $base_url; its company: $company, 6,000 customers, 5,000 invoices."

# Secrets are in a file that only the server may read, never in a statement.
(
	umask 077
	python3 - "$work" <<'PYTHON'
import json, sys
said = json.load(open(sys.argv[1] + "/simulator.json"))
with open(sys.argv[1] + "/credentials.json", "w") as file:
	json.dump({"apps": {"my-app": {"client_secret": said["client_secret"]}}}, file)
PYTHON
)
[ "$(id -u)" -ne 0 ] || chown postgres: "$work/credentials.json"

pg_cron=
[ ! -f "$("$PG_CONFIG" --sharedir)/extension/pg_cron.control" ] || pg_cron=', pg_cron'
as_server_user "$work" "$bin/initdb" -N -D "$work/data" -U postgres --auth=trust --encoding=UTF8 --no-locale >"$work/initdb.log"
echo 'CREATE DATABASE crm' | as_server_user "$work" "$bin/postgres" --single -D "$work/data" postgres >>"$work/initdb.log" 2>&1
cat >>"$work/data/postgresql.conf" <<CONF
listen_addresses = ''
port = $port
unix_socket_directories = '$work'
unix_socket_permissions = 0700
shared_preload_libraries = 'qbsync$pg_cron'
qbsync.credentials_file = '$work/credentials.json'
qbsync.key_file = '$work/qbsync.key'
CONF
[ -z "$pg_cron" ] || printf "cron.database_name = 'crm'\ncron.host = '%s'\ncron.timezone = 'UTC'\n" "$work" >>"$work/data/postgresql.conf"
as_server_user "$work" "$bin/pg_ctl" start -s -w -D "$work/data" -l "$work/log"
export PGTZ=$time_zone
echo "PostgreSQL is at $work, with shared_preload_libraries = 'qbsync' and these secrets, readable by the server only:"
ls -l "$work/credentials.json"

# --- 2. connecting -------------------------------------------------------------------------------------------------------

step 'Connecting a company'
sql 'CREATE EXTENSION qbsync'
say 'Only because this QuickBooks is a simulated one (sandbox and production are there already):'
sql "INSERT INTO qbsync.environment (name, api_url, authorize_url, token_url, revoke_url, userinfo_url, jwks_uri, issuer, app_url)
VALUES ('simulator', '$base_url', '$base_url/connect/oauth2', '$base_url/oauth2/v1/tokens/bearer', '$base_url/v2/oauth2/tokens/revoke',
	'$base_url/v1/openid_connect/userinfo', '$base_url/op/v1/jwks', '$base_url/op/v1', 'https://app.qbo.intuit.com')"
sql "SELECT qbsync_app('my-app', environment => 'simulator', client_id => '$client_id', redirect_uri => 'https://crm.example/quickbooks')"

link="SELECT qbsync_authorize_url(connection => 'acme', app => 'my-app')"
printf '\ncrm=# %s;\n' "$link"
url=$(value "$link")
echo "$url"
say 'A person opens that address, signs in and agrees; the browser ends at:'
back=$(curl -sS -f -o "$work/consent.html" -w '%{redirect_url}' "$url")
echo "$back"
case "$back" in
	https://crm.example/quickbooks\?*code=*) ;;
	*) echo 'NOT TRUE: consent sends the browser back with a code' >&2; exit 1 ;;
esac
sql "SELECT qbsync_connect(redirect_url => '$back')"
sql "CALL qbsync_wait('acme', 'connected')"
wide 'SELECT * FROM qbsync.status'
true_that "the company is known by name and waits for a person" \
	"SELECT company_name = '$company' AND state = 'unconfirmed' AND problem = 'unconfirmed' FROM qbsync.status"
reads=$(curl -sS -f "$base_url/control/stats" | python3 -c 'import json, sys; print(json.load(sys.stdin)["metered"][sys.argv[1]])' "$realm")
true_that "until then nothing but CompanyInfo is read" "SELECT $reads = 1 AND NOT EXISTS (SELECT FROM qbsync.customer)"
say 'It is the right one:'
sql "SELECT qbsync_confirm_company('acme', '$company')"

# --- 3. the first load ---------------------------------------------------------------------------------------------------

step 'The first load, within the request limits of QuickBooks'
printf "\ncrm=# CALL qbsync_wait('acme', 'synced', '5 min');		-- and meanwhile, twice a second:\n"
printf 'crm=# SELECT * FROM qbsync.progress;\n'
query -c "CALL qbsync_wait('acme', 'synced', '5 min')" &
waiting=$!
progress="SELECT entity, phase, done, total, percent, rate, time_left FROM qbsync.progress WHERE entity IN ('customer', 'invoice', 'payment') ORDER BY entity"
until [ "$(value "SELECT state = 'live' FROM qbsync.status")" = t ]; do
	kill -0 "$waiting" 2>/dev/null || break
	query -c "$progress"
	sleep 0.5
done
wait "$waiting"
waiting=
sql 'SELECT * FROM qbsync.progress'
true_that 'everything is loaded' "SELECT bool_and(phase = 'loaded' AND done = total) AND count(*) > 20 FROM qbsync.progress"
true_that 'the company is live and all is well' "SELECT state = 'live' AND ok FROM qbsync.status"

first 'SELECT * FROM qbsync.customer_summary'
first 'SELECT * FROM qbsync.invoice_status WHERE is_overdue'
say 'The same in short:'
sql 'SELECT display_name, emails, balance, overdue_balance, next_due_date, terms, last_payment_date FROM qbsync.customer_summary ORDER BY id::bigint LIMIT 10'
sql 'SELECT customer, doc_number, due_date, total, balance, label, days_overdue FROM qbsync.invoice_status WHERE is_overdue ORDER BY days_overdue DESC LIMIT 5'
say 'Compared with QuickBooks, record by record and label by label:'
compare

# --- 4. changes ----------------------------------------------------------------------------------------------------------

step 'Things change inside QuickBooks, and arrive'

customer=$(value "SELECT id FROM qbsync.customer_summary WHERE display_name LIKE 'Café Noël%'")
in_quickbooks 'the phone number and the e-mail addresses of "Café Noël" are changed' \
	"{\"act\": \"edit\", \"entity\": \"Customer\", \"id\": \"$customer\", \"set\": {\"PrimaryPhone\": {\"FreeFormNumber\": \"(450) 555-0199\"},
	\"PrimaryEmailAddr\": {\"Address\": \"noel@cafe.example, compta@cafe.example\"}}}"
arrive
sql "SELECT display_name, phone, emails FROM qbsync.customer_summary WHERE id = '$customer'"
true_that 'the new number and both addresses are here' \
	"SELECT phone = '(450) 555-0199' AND emails = '{noel@cafe.example,compta@cafe.example}' FROM qbsync.customer_summary WHERE id = '$customer'"

read -r invoice total < <(value "SELECT id || ' ' || total FROM qbsync.invoice_status WHERE label = 'Open' AND total > 500 AND length(customer) < 40 ORDER BY id::bigint LIMIT 1")
of_invoice="SELECT doc_number, customer, total, balance, paid, last_payment_date, label FROM qbsync.invoice_status WHERE id = '$invoice'"
sql "$of_invoice"
in_quickbooks 'a payment of 100.10 is received for that invoice' "{\"act\": \"pay\", \"id\": \"$invoice\", \"amount\": 100.10}"
arrive
sql "$of_invoice"
true_that 'the invoice is partly paid, to the cent' \
	"SELECT label = 'Partially paid' AND paid = 100.10 AND balance = $total - 100.10 FROM qbsync.invoice_status WHERE id = '$invoice'"
true_that 'and the payment is among the payments' \
	"SELECT amount = 100.10 AND payment_total = 100.10 FROM qbsync.invoice_payment WHERE invoice_id = '$invoice'"

void=$(value "SELECT id FROM qbsync.invoice_status WHERE label = 'Overdue' ORDER BY id::bigint DESC LIMIT 1")
delete=$(value "SELECT id FROM qbsync.invoice_status WHERE label = 'Open' ORDER BY id::bigint DESC LIMIT 1")
in_quickbooks 'one invoice is voided, another is deleted' \
	"{\"acts\": [{\"act\": \"void\", \"entity\": \"Invoice\", \"id\": \"$void\"}, {\"act\": \"delete\", \"entity\": \"Invoice\", \"id\": \"$delete\"}]}"
arrive
sql "SELECT id, doc_number, customer, total, balance, label FROM qbsync.invoice_status WHERE id IN ('$void', '$delete') ORDER BY label"
true_that 'one is voided, the other deleted; neither is overdue' \
	"SELECT string_agg(label, ',' ORDER BY label) = 'Deleted,Voided' AND NOT bool_or(is_overdue) FROM qbsync.invoice_status WHERE id IN ('$void', '$delete')"

inactive=$(value "SELECT id FROM qbsync.customer_summary WHERE active AND display_name LIKE 'Pêcherie%'")
in_quickbooks "\"Pêcherie d'Été\" is made inactive, \"Pépinière Côté & Sœurs\" is new" \
	"{\"acts\": [{\"act\": \"inactivate\", \"entity\": \"Customer\", \"id\": \"$inactive\"},
	{\"act\": \"create\", \"entity\": \"Customer\", \"object\": {\"DisplayName\": \"Pépinière Côté & Sœurs\", \"CompanyName\": \"Pépinière Côté & Sœurs inc.\"}}]}"
arrive
sql "SELECT id, display_name, company_name, active FROM qbsync.customer_summary WHERE id = '$inactive' OR display_name LIKE 'Pépinière%' ORDER BY active"
true_that 'one is inactive, the other here' \
	"SELECT count(*) FILTER (WHERE NOT active AND id = '$inactive') = 1 AND count(*) FILTER (WHERE active AND company_name LIKE '%inc.') = 1
	FROM qbsync.customer_summary WHERE id = '$inactive' OR display_name = 'Pépinière Côté & Sœurs'"

say 'Compared again:'
compare
true_that 'no record is among the errors' 'SELECT count(*) = 0 FROM qbsync.error_open'

# --- 5. a CRM in the same database ---------------------------------------------------------------------------------------

step 'A CRM in the same database: organisations and persons, with e-mails, phones and addresses in tables of their own'
query -f test/demo/crm.sql
sql "SELECT o.id, o.name, string_agg(e.address, ', ') AS emails FROM crm.organisation o LEFT JOIN crm.email e ON e.organisation_id = o.id GROUP BY o.id ORDER BY o.id"
sql 'SELECT * FROM crm.person ORDER BY id'

say 'A mapping is a view and its triggers. They are suggested from names, types and foreign keys, with the reasons, to read, edit and run:'
suggest="SELECT qbsync_map_suggest('crm.organisation')"
printf '\ncrm=# %s \\g (tuples_only format=unaligned) crm_mapping.sql\n$ less crm_mapping.sql\n' "$suggest"
value "$suggest" >"$work/crm_mapping.sql"
sed -n '4,24p' "$work/crm_mapping.sql" | cut -c 1-200
echo '…'
sed -n '/qbsync_map($/,/);$/p;/);$/{/^\t}/q}' "$work/crm_mapping.sql"
echo "… ($(wc -l <"$work/crm_mapping.sql") lines; persons without an organisation are a mapping of their own)"
printf '\ncrm=# \\i crm_mapping.sql\n'
query -f "$work/crm_mapping.sql"
true_that 'the mappings are declared for an ordinary role, and all is well' \
	"SELECT count(*) = 2 AND bool_and(m.state = 'declared' AND m.ok AND m.problems_now IS NULL AND m.role = 'crm_app' AND NOT r.rolsuper)
	FROM qbsync.mapping_status m JOIN pg_roles r ON r.rolname = m.role"

say 'Before anything moves, the plan: first how many of each, then every record with its reason, before and after:'
sql "SELECT action, count FROM qbsync_plan('organisation') WHERE count IS NOT NULL"
sql "SELECT action, id, crm_key, name, conflict ->> 'unit' AS field, reason, detail FROM qbsync_plan('organisation') WHERE count IS NULL AND action NOT IN ('review', 'ignore')"
wide "SELECT name, before, after, to_quickbooks FROM qbsync_plan('person') WHERE action = 'link' AND count IS NULL"
true_that 'three would be linked, two organisations may be somebody, one is in the CRM only' \
	"SELECT (SELECT array_agg(action || ' ' || count ORDER BY action) FROM qbsync_plan('organisation') WHERE action IN ('link', 'candidate', 'crm_only') AND count IS NOT NULL)
		= '{candidate 2,crm_only 1,link 2}' AND (SELECT count = 1 FROM qbsync_plan('person') WHERE action = 'link' AND count IS NOT NULL)"

step 'Linking'
sql "SELECT qbsync_enable('organisation'), qbsync_enable('person')"
sql "CALL qbsync_wait('acme', 'idle')"
sql "SELECT mapping, state, ok, linked_count, duplicate_count, conflict_count, error_count FROM qbsync.mapping_status ORDER BY mapping"
sql 'SELECT crm_table, crm_key, id, name, how, linked_at FROM qbsync.matched ORDER BY crm_table, crm_key'
true_that 'linked is what the plan said, and nothing else' "SELECT string_agg(crm_table || ' ' || crm_key, ', ' ORDER BY crm_table, crm_key)
	= 'crm.organisation 1, crm.organisation 4, crm.person 1' FROM qbsync.matched"
true_that 'what was empty in the CRM was filled' \
	"SELECT street LIKE '12, rue de l%' AND city = 'Laval' FROM crm.address WHERE person_id = 1 AND label = 'billing'"

say 'What is only alike waits for a person, who decides with one call:'
sql 'SELECT crm_key, id, name, score, reasons, resolve FROM qbsync.duplicate ORDER BY score DESC'
sql "SELECT * FROM qbsync_resolve_match('25', 'link', '2', mapping => 'organisation')"
sql "CALL qbsync_wait('acme', 'idle')"
sql 'SELECT o.name, a.label, a.street, a.city FROM crm.organisation o JOIN crm.address a ON a.organisation_id = o.id WHERE o.id = 2'
true_that 'linked by decision, and its address has come in' \
	"SELECT (SELECT origin = 'decision' FROM qbsync.matched WHERE id = '25') AND (SELECT street LIKE '26, rue%' FROM crm.address WHERE organisation_id = 2)
		AND NOT EXISTS (SELECT FROM qbsync.duplicate WHERE id = '25')"

say 'What the CRM does not have is nobody'"'"'s duplicate; a person decides what becomes of it. Persons in credit become records of the CRM:'
sql 'SELECT mapping, reason, count(*) FROM qbsync.unlinked GROUP BY mapping, reason ORDER BY mapping, reason'
sql "SELECT qbsync_resolve_matches('create', mapping => 'person', ids => ARRAY(
	SELECT u.id FROM qbsync.unlinked u JOIN qbsync.customer_summary s USING (connection_id, id) WHERE u.mapping = 'person' AND s.balance < 0))"
sql "CALL qbsync_wait('acme', 'idle')"
sql "SELECT p.*, h.number AS phone FROM crm.person p LEFT JOIN crm.phone h ON h.person_id = p.id WHERE p.id > 100 AND p.organisation_id IS NULL ORDER BY p.id LIMIT 4"
say 'One of them the CRM did not take; the others did not wait for it:'
wide 'SELECT crm_table, id, problem, meaning, detail, what_to_do, occurrences FROM qbsync.error_open'
true_that 'one is refused by a CHECK of the CRM, all others are there' \
	"SELECT (SELECT count(*) = 1 AND bool_and(id = '9' AND problem = 'crm_refused' AND detail LIKE '%digits_only%') FROM qbsync.error_open)
		AND (SELECT count(*) > 10 FROM qbsync.matched WHERE origin = 'created_in_crm')
		AND NOT EXISTS (SELECT FROM qbsync.unlinked WHERE mapping = 'person' AND decision = 'create' AND id <> '9')"
say 'Its phone has an extension. Once the CRM allows that, the record comes by itself:'
sql "ALTER TABLE crm.phone DROP CONSTRAINT digits_only, ADD CONSTRAINT digits_and_extension CHECK (number ~ '^[0-9 ().+-]+( p\. [0-9]+)?$')"
for tries in $(seq 300); do [ "$(value 'SELECT NOT EXISTS (SELECT FROM qbsync.error_open)')" = t ] && break; sleep 0.1; done
sql "SELECT p.first_name, p.last_name, h.number FROM crm.person p JOIN crm.phone h ON h.person_id = p.id WHERE h.number LIKE '% p. %'"
true_that 'it is there, and no error is left' \
	"SELECT count(*) = 1 AND NOT EXISTS (SELECT FROM qbsync.error_open) FROM crm.phone WHERE number = '514.555.0199 p. 22'"

step 'What changes in QuickBooks arrives in the CRM'
phones='SELECT p.last_name, h.kind, h.number FROM crm.person p JOIN crm.phone h ON h.person_id = p.id WHERE p.id = 1 ORDER BY h.kind'
sql "$phones"
in_quickbooks 'Émilie Tremblay has a new phone number' \
	'{"act": "edit", "entity": "Customer", "id": "1", "set": {"PrimaryPhone": {"FreeFormNumber": "(450) 555-0177"}}}'
into_crm
sql "$phones"
true_that 'the number is in the row of crm.phone' "SELECT number = '(450) 555-0177' FROM crm.phone WHERE person_id = 1 AND kind = 'work'"
took="SELECT c.seen_at AS here_at, h.at AS in_the_crm_at, h.at - c.seen_at AS took FROM qbsync.customer c JOIN qbsync.history h USING (connection_id, id) WHERE h.entity = 'customer' AND c.id = '1' ORDER BY h.at DESC LIMIT 1"
sql "$took"
true_that 'seconds later at the most' "SELECT took < '5 s' FROM ($took) t"

step 'What changes in the CRM reaches QuickBooks'
edit="UPDATE crm.phone SET number = '%s' WHERE person_id = 1 AND kind = 'work'"
sql "$(printf "$edit" '(450) 555-0188')"
sql "CALL qbsync_wait('acme', 'idle')"
look_in_quickbooks 'Émilie Tremblay'
true_there 'the number is in QuickBooks' '(450) 555-0188'
say 'What QuickBooks does not have goes when somebody asks for it (policy push_new has other ways):'
sql "SELECT action, crm_key, name, reason FROM qbsync_plan('organisation') WHERE action = 'crm_only' AND count IS NULL"
say 'What a policy would create there is seen before it counts:'
sql "BEGIN; SELECT qbsync_set(mapping => 'organisation', setting => 'push_new', value => 'scope'); SELECT action, crm_key, after, detail FROM qbsync_plan('organisation') WHERE action = 'push' AND count IS NULL; ROLLBACK"
sql "SELECT qbsync_push('organisation', '5')"
sql "CALL qbsync_wait('acme', 'idle')"
look_in_quickbooks 'Pépinière Beauchamp'
true_there 'it has been made there, once' 'Pépinière Beauchamp'
sql "SELECT crm_table, crm_key, id, name, how FROM qbsync.matched WHERE crm_key = '5' AND mapping = 'organisation'"

say 'Both sides change a record at the same time, QuickBooks first; nobody has asked QuickBooks when the CRM is changed:'
in_quickbooks 'Émilie Tremblay has a new e-mail address' \
	'{"act": "edit", "entity": "Customer", "id": "1", "set": {"PrimaryEmailAddr": {"Address": "e.tremblay@exemple.test"}}}'
sql "$(printf "$edit" '(450) 555-0199')"
sql "CALL qbsync_wait('acme', 'idle')"
look_in_quickbooks 'Émilie Tremblay'
sql "SELECT h.number, e.address FROM crm.phone h JOIN crm.email e USING (person_id) WHERE h.person_id = 1 AND h.kind = 'work'"
true_there "QuickBooks kept its own edit and has the CRM's" '(450) 555-0199' e.tremblay@exemple.test
true_that "and so has the CRM: one write was refused as made from an old version, the record was read again, merged and sent" \
	"SELECT h.number = '(450) 555-0199' AND e.address = 'e.tremblay@exemple.test' FROM crm.phone h JOIN crm.email e USING (person_id) WHERE h.person_id = 1 AND h.kind = 'work'"

say 'The same field, to different values:'
in_quickbooks 'somebody changes the phone number of Émilie Tremblay' \
	'{"act": "edit", "entity": "Customer", "id": "1", "set": {"PrimaryPhone": {"FreeFormNumber": "(450) 555-0222"}}}'
sql "WITH h AS ($(printf "$edit" '(450) 555-0111') RETURNING person_id)
	UPDATE crm.person p SET updated_at = now() FROM h WHERE p.id = h.person_id"
sql "CALL qbsync_wait('acme', 'idle')"
conflict="FROM qbsync.conflict_open WHERE crm_table = 'crm.person' AND crm_key = '1'"
wide "SELECT name, unit, kind, base, crm, quickbooks, crm_changed_at, quickbooks_changed_at, take_crm, take_quickbooks $conflict"
true_that 'neither value is lost: each side has its own, the conflict both and the one agreed on before' \
	"SELECT (SELECT number = '(450) 555-0111' FROM crm.phone WHERE person_id = 1 AND kind = 'work')
		AND (SELECT base ->> 'primary_phone' = '(450) 555-0199' AND crm ->> 'primary_phone' = '(450) 555-0111' AND quickbooks ->> 'primary_phone' = '(450) 555-0222' AND crm_changed_at > now() - interval '10 min' $conflict)"
take=$(value "SELECT replace(take_crm, 'SELECT ', 'SELECT * FROM ') $conflict")
sql "$take"
sql "CALL qbsync_wait('acme', 'idle')"
look_in_quickbooks 'Émilie Tremblay'
true_there 'decided with one call' '(450) 555-0111'
true_that 'and the conflict is over' "SELECT NOT EXISTS (SELECT $conflict)"

step 'The plug is pulled in the middle of a write'
say 'QuickBooks will do what it is asked, but its answer will not leave:'
curl -sS -f -o "$work/act.json" -d '{"match": {"kind": "write"}, "fault": "hang_after", "times": 1}' "$base_url/control/faults"
sql "INSERT INTO crm.organisation (id, name) VALUES (6, 'Serres Boréales')"
sql "SELECT qbsync_push('organisation', '6')"
until [ "$(ask_simulator faults 'it["rules"][0]["hits"]')" = 1 ]; do kill -0 "$simulator"; sleep 0.05; done
look_in_quickbooks 'Serres Boréales'
true_there 'the customer has been made' 'Serres Boréales'
sql 'SELECT crm_table, crm_key, operation, state, first_sent_at, requestid FROM qbsync.pending'
requestid=$(value "SELECT requestid FROM qbsync.pending WHERE crm_key = '6' AND state = 'sent' AND id IS NULL")
[ -n "$requestid" ] || { echo 'NOT TRUE: here nobody knows' >&2; exit 1; }
echo '[true] here nobody knows'
printf '\n$ pg_ctl stop -m immediate; pg_ctl start\n'
as_server_user "$work" "$bin/pg_ctl" stop -s -w -D "$work/data" -m immediate
curl -sS -f -o "$work/act.json" -X DELETE "$base_url/control/faults"
replayed=$(ask_simulator stats 'it["requestid"].get("replayed", 0)')
as_server_user "$work" "$bin/pg_ctl" start -s -w -D "$work/data" -l "$work/log"
sql "CALL qbsync_wait('acme', 'idle')"
sql "SELECT crm_table, crm_key, id, name, how FROM qbsync.matched WHERE crm_key = '6' AND mapping = 'organisation'"
look_in_quickbooks 'Serres Boréales'
true_there 'there is one, not two' 'Serres Boréales'
echo
printf '>> in QuickBooks, writes with requestid %s: %s; repetitions that were given the first answer: %s\n' "$requestid" \
	"$(ask_simulator ledger "sum(e['requestid'] == '$requestid' for e in it['entries'])")" \
	"$(($(ask_simulator stats 'it["requestid"].get("replayed", 0)') - replayed))" | tee "$work/seen"
true_there 'asked for twice with the same requestid, done once' 'requestid '"$requestid"': 1; ' 'first answer: 1'
true_that 'and the two are linked; nothing is owed' "SELECT EXISTS (SELECT FROM qbsync.matched WHERE crm_key = '6' AND mapping = 'organisation') AND NOT EXISTS (SELECT FROM qbsync.pending)"

say 'The CRM asks by its own keys what its people want to know:'
sql "SELECT o.id, o.name, s.balance, s.overdue_balance, s.invoice_count, s.last_payment_date FROM crm.organisation o
	JOIN qbsync.customer_summary s ON s.crm_table = 'crm.organisation' AND s.crm_key = o.id::text ORDER BY o.id"
sql "SELECT at, text, by, decision FROM qbsync.timeline WHERE crm_table = 'crm.person' AND crm_key = '1' ORDER BY at"
true_that 'balances and history are found by the CRM'"'"'s keys' \
	"SELECT (SELECT count(*) = 5 FROM qbsync.customer_summary WHERE crm_table = 'crm.organisation')
		AND (SELECT count(*) FILTER (WHERE kind = 'updated') >= 3 AND count(*) FILTER (WHERE kind = 'sent') >= 3 AND bool_or(kind = 'conflict') AND bool_or(kind = 'resolved' AND by IS NOT NULL)
			FROM qbsync.timeline WHERE crm_table = 'crm.person' AND crm_key = '1')"

# --- 6. running it -------------------------------------------------------------------------------------------------------

step 'Running it'
schedule='SELECT cron.schedule('"'qb', '*/15 * * * *', "'$$'"SELECT qbsync_sync_now('acme')"'$$)'
if [ -n "$pg_cron" ]; then
	sql 'CREATE EXTENSION pg_cron'
	sql "$schedule"
	true_that 'pg_cron has it' "SELECT count(*) = 1 FROM cron.job WHERE jobname = 'qb' AND command LIKE '%qbsync_sync_now%'"
else
	say 'qbsync polls by itself; with the extension pg_cron (not installed here) further syncs could be scheduled:'
	printf '   %s;\n' "$schedule"
fi
sql "SELECT qbsync_pause('acme')"
true_that 'paused' "SELECT state = 'paused' AND ok FROM qbsync.status"
sql "SELECT qbsync_resume('acme')"
sql "CALL qbsync_wait('acme', 'synced')"
true_that 'live again' "SELECT state = 'live' AND ok FROM qbsync.status"
wide 'SELECT * FROM qbsync.status'

psql_command="$bin/psql -h $work -p $port -U postgres crm"
if [ "$keep" = yes ]; then
	say 'Everything above was true, and is left running.'
	cat <<END
Get in:
	$psql_command
Do something in QuickBooks (doc/simulator.md lists the acts), then SELECT qbsync_sync_now('acme'):
	curl -d '{"act": "pay", "id": "$invoice", "amount": 50}' $base_url/control/act
End it:
	$([ "$(id -u)" -ne 0 ] || echo 'runuser -u postgres -- ')$bin/pg_ctl stop -D $work/data; kill \$(cat $work/simulator.pid); rm -rf $work
END
	work=
	exit 0
fi

sql "SELECT qbsync_disconnect('acme', confirm => true)"
sql "CALL qbsync_wait('acme', 'disconnected')"
sql 'SELECT connection, company_name, state, ok FROM qbsync.status'
true_that 'disconnected, and no token is left' \
	"SELECT (SELECT state = 'disconnected' FROM qbsync.status) AND NOT EXISTS (SELECT FROM qbsync.secret WHERE owner_kind = 'connection')"
ended=$(curl -sS -f "$base_url/control/tokens" | python3 -c 'import json, sys; print(json.load(sys.stdin)["grants"][-1]["ended"])')
[ "$ended" = revoked ] || { echo "NOT TRUE: the grant is revoked in QuickBooks ($ended)" >&2; exit 1; }
echo '[true] the grant is revoked in QuickBooks'
true_that 'the views show nothing of the company; its tables are kept' \
	'SELECT NOT EXISTS (SELECT FROM qbsync.invoice_status) AND EXISTS (SELECT FROM qbsync.invoice)'

step 'Shutting down'
as_server_user "$work" "$bin/pg_ctl" stop -s -w -D "$work/data" -m fast
loud=$(grep -E '(WARNING|ERROR|PANIC):|FATAL:|terminated by signal' "$work/log" | grep -v 'due to administrator command' || true)
if [ -n "$loud" ] || ! tail -n 1 "$work/log" | grep -q 'database system is shut down'; then
	printf 'NOT TRUE: a clean shutdown and a quiet log\n%s\n' "$loud" >&2
	exit 1
fi
echo '[true] a clean shutdown, and nothing unexpected in the server log'
stop_simulator
printf '\nEverything above was true.\n'
