#!/usr/bin/env bash
# Builds qbsync and runs every test.  Ends with a line "N passed, N failed".
#
# On Debian, as root, it installs what it needs first.  As another user, the packages must be there, and the directories
# of PG_CONFIG (default: the newest installed server) must be writable.  The server refuses to run as root: then the
# tests run as user postgres in copies of the tree.
#
# Tests wait much of their time, so some run beside each other: QBSYNC_LANES lanes (one more than there are processors), each with a
# copy of the tree of its own, take one test after the other.  What a test prints is shown whole when it has ended, in the order of
# the list below.
set -u -o pipefail
cd "$(dirname "$0")/.."
. test/lib.sh

lanes=${QBSYNC_LANES:-$(($(nproc) + 1))}

install_packages pgbouncer curl || exit 1

# Copies of the tree, what each test prints, which one is next, and the ports that one of them has taken.
work=$(mktemp -d /tmp/qbsync-check.XXXXXX)
mkdir -m 777 "$work/ports"
chmod 755 "$work"
export PG_TEST_PORT_DIR=$work/ports

# What only one test needs, and what comes from another registry: fetched beside the others, and done without where it cannot be.
postgraphile=$(mktemp -d /tmp/qbsync-postgraphile.XXXXXX)
chmod 755 "$postgraphile"
(cd "$postgraphile" && echo '{"private": true}' >package.json &&
	npm install --no-audit --no-fund --ignore-scripts --loglevel=error postgraphile@5.1.5 && touch installed) >"$postgraphile.out" 2>&1 &
postgraphile_pid=$!
export QBSYNC_POSTGRAPHILE=$postgraphile

# Whatever ends this: no test begins any more.
trap 'kill "$postgraphile_pid" 2>/dev/null; rm -rf "$work/queue" "$postgraphile" "$postgraphile.out"' EXIT

build_and_install || exit 1
export QBSYNC_INSTALLED=yes

# Tests with random actions take the same ones in every check: what is red then is a change's doing, not chance.  QBSYNC_SEED=0
# lets each choose its own.
export QBSYNC_SEED=${QBSYNC_SEED:-205069}

# --- tests ------------------------------------------------------------------------------------------------------------------

tests=('pure C: unit tests and fuzzing' simulator regression isolation test/t/*.pl demonstration)

# These begin first, as they take longest: so all lanes end at about the same time.
longest=('pure C: unit tests and fuzzing' regression test/t/0{99,83,80,60,30,15,85,69,68,67,66,95,65,70,21,93}_*.pl demonstration)

# run_test NAME DIRECTORY: one of them, in a copy of the tree.
run_test() {
	case $1 in
		'pure C'*) as_server_user "$2" make -C test/fuzz check ;;
		simulator) as_server_user "$2" python3 test/simulator/selftest.py ;;
		regression) installcheck "$2" ISOLATION= TAP_TESTS= ;;
		isolation) installcheck "$2" REGRESS= TAP_TESTS= ;;
		test/t/097_graphql.pl) await_postgraphile && run_tap "$1" "$2" ;;
		test/t/*) run_tap "$1" "$2" ;;
		demonstration) test/demo.sh ;;
	esac
}

installcheck() {
	local tree=$1
	shift
	as_server_user "$tree" make -s installcheck "$@" PG_CONFIG="$PG_CONFIG"
}

run_tap() {
	local code
	installcheck "$2" REGRESS= ISOLATION= PROVE_TESTS="$1" PROVE_FLAGS=-v && return
	code=$?
	show_logs "$1" "$2/tmp_check/log"
	return "$code"
}

# What ended a test, and what its servers said last: PostgreSQL's test library writes both to files, which the next test removes.
show_logs() {
	local test log
	test=$(basename "$1" .pl)
	for log in "$2/regress_log_$test" "$2/${test}_"*.log; do
		[ -f "$log" ] || continue
		echo "-- the end of ${log##*/}"
		tail -n 40 "$log" | cut -c 1-400 | sed 's|^|    |'
	done
}

await_postgraphile() {
	tail --pid="$postgraphile_pid" -f /dev/null
	[ -e "$postgraphile/installed" ] && return
	echo "PostGraphile could not be installed, so it is not tested:"
	tail -n 3 "$postgraphile.out"
}

# --- lanes ------------------------------------------------------------------------------------------------------------------

printf '%s\n' "${longest[@]}" "${tests[@]}" | awk '!seen[$0]++' >"$work/queue"

# Takes the next test off the queue and prints it; nothing when there is none.
next_test() {
	(
		flock 9
		[ -e "$work/queue" ] || exit
		head -n 1 "$work/queue"
		sed -i 1d "$work/queue"
	) 9>"$work/queue.lock"
}

# Where a test's output goes.
output_of() { echo "$work/${1//\//_}.out"; }

# One lane: prints the number of each test that has ended, with its exit code and its seconds.
lane() {
	local tree name began
	tree=$(copy_of_tree "$work/lane-$1")
	while name=$(next_test) && [ -n "$name" ]; do
		began=$SECONDS
		run_test "$name" "$tree" >"$(output_of "$name")" 2>&1 </dev/null
		echo "$? $((SECONDS - began)) $name"
	done
}

all_lanes() {
	local number
	for number in $(seq "$lanes"); do lane "$number" & done
	wait
}

# --- results ------------------------------------------------------------------------------------------------------------------

passed=0
failed=0

# Counts a test program's result: its own line "N passed, N failed" if it prints one; lines of TAP and of pg_regress
# ("ok 1 - …", "test name … ok"); otherwise one test by exit code.
count() {
	local name=$1 output=$2 code=$3 line good bad
	line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$output" | tail -n 1)
	case $name in
		regression | isolation | test/t/*)
			good=$(grep -cE '^ok [0-9]+|^test .*\.\.\. ok' "$output")
			bad=$(grep -cE '^not ok [0-9]+|^test .*\.\.\. FAILED' "$output")
			;;
		*)
			good=$(cut -d' ' -f1 <<<"$line")
			bad=$(cut -d' ' -f3 <<<"$line")
			[ -n "$line" ] || [ "$code" -ne 0 ] || good=1
			;;
	esac
	passed=$((passed + ${good:-0}))
	failed=$((failed + ${bad:-0}))
	[ "$code" -eq 0 ] && return
	[ "${bad:-0}" -gt 0 ] || failed=$((failed + 1))
	echo "FAILED: $name"
}

declare -A code seconds
shown=0
while read -r its_code its_seconds name; do
	code[$name]=$its_code
	seconds[$name]=$its_seconds
	while [ "$shown" -lt ${#tests[@]} ] && [ -n "${code[${tests[shown]}]-}" ]; do
		name=${tests[shown]}
		echo "== $name (${seconds[$name]} s)"
		cat "$(output_of "$name")"
		count "$name" "$(output_of "$name")" "${code[$name]}"
		shown=$((shown + 1))
	done
done < <(all_lanes)
if [ "$shown" -lt ${#tests[@]} ]; then
	echo "FAILED: ${tests[shown]} has not ended"
	failed=$((failed + 1))
fi
if [ "$failed" -eq 0 ]; then rm -rf "$work"; else echo "logs and differences are below $work"; fi

echo
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
