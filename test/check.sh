#!/usr/bin/env bash
# Builds qbsync and runs every test.  Ends with a line "N passed, N failed".
#
# On Debian, as root, it installs what it needs first.  As another user, the packages must be there, and the directories
# of PG_CONFIG (default: the newest installed server) must be writable.  The server refuses to run as root: then the
# tests run as user postgres in a copy of the tree.
set -u -o pipefail
cd "$(dirname "$0")/.."
. test/lib.sh

install_packages pgbouncer || exit 1

# What only one test needs, and what comes from another registry: fetched beside the others, and done without where it cannot be.
postgraphile=$(mktemp -d /tmp/qbsync-postgraphile.XXXXXX)
chmod 755 "$postgraphile"
(cd "$postgraphile" && echo '{"private": true}' >package.json &&
	npm install --no-audit --no-fund --ignore-scripts --loglevel=error postgraphile@5.1.5 && touch installed) >"$postgraphile.out" 2>&1 &
postgraphile_pid=$!
export QBSYNC_POSTGRAPHILE=$postgraphile
build_and_install || exit 1

# Tests with random actions take the same ones in every check: what is red then is a change's doing, not chance.  QBSYNC_SEED=0
# lets each choose its own.
export QBSYNC_SEED=${QBSYNC_SEED:-205069}

passed=0
failed=0

# Counts a test program's result: its own line "N passed, N failed" if it prints one, otherwise one test by exit code.
count() {
	local name=$1 output=$2 code=$3 line
	line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$output" | tail -n 1)
	if [ -n "$line" ]; then
		passed=$((passed + $(cut -d' ' -f1 <<<"$line")))
		failed=$((failed + $(cut -d' ' -f3 <<<"$line")))
		[ "$code" -eq 0 ] || [ "$(cut -d' ' -f3 <<<"$line")" -gt 0 ] || failed=$((failed + 1))
	elif [ "$code" -eq 0 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
	fi
	[ "$code" -eq 0 ] || echo "FAILED: $name"
}

# Counts lines of TAP and of pg_regress ("ok 1 - …", "test name … ok").
count_lines() {
	local output=$1 code=$2 good bad
	good=$(grep -cE '^ok [0-9]+|^test .*\.\.\. ok' "$output")
	bad=$(grep -cE '^not ok [0-9]+|^test .*\.\.\. FAILED' "$output")
	passed=$((passed + good))
	failed=$((failed + bad))
	[ "$code" -eq 0 ] || [ "$bad" -gt 0 ] || failed=$((failed + 1))
}

run() {
	local name=$1 how=$2 output code
	shift 2
	output=$(mktemp)
	chmod 644 "$output"
	echo "== $name"
	"$@" 2>&1 | tee "$output"
	code=$?
	if [ "$how" = lines ]; then count_lines "$output" "$code"; else count "$name" "$output" "$code"; fi
	rm -f "$output"
}

run "pure C: unit tests and fuzzing" result make -C test/fuzz check
run "simulator" result python3 test/simulator/selftest.py

# Tests that mostly wait (for a minute to pass, for an answer that does not come) run beside the others, in a copy of their own.
waiting="010_worker_lifecycle 012_no_worker 020_crash 021_moving 022_refresh 023_hang 030_faults 033_limits 034_persons 044_companies 045_pg_cron 046_resume 040_cdc 060_apply_worker 099_many 096_under_load"
run_waiting() {
	local name code=0
	for name in $waiting; do
		echo "== test/t/$name.pl"
		as_server_user "$1" make -s installcheck REGRESS= ISOLATION= PROVE_TESTS="test/t/$name.pl" PROVE_FLAGS='-v' PG_CONFIG="$PG_CONFIG" || code=1
	done
	return "$code"
}

work=$(private_copy)
beside=$(mktemp -d /tmp/qbsync-beside.XXXXXX)
cp -a "$work/." "$beside"
chmod 755 "$beside"
run_waiting "$beside" >"$beside.out" 2>&1 &
beside_pid=$!
trap 'kill "$beside_pid" "$postgraphile_pid" 2>/dev/null; rm -rf "$postgraphile" "$postgraphile.out"' EXIT

run "regression" lines as_server_user "$work" make -s installcheck ISOLATION= TAP_TESTS= PG_CONFIG="$PG_CONFIG"
if compgen -G 'test/specs/*.spec' >/dev/null; then
	run "isolation" lines as_server_user "$work" make -s installcheck REGRESS= TAP_TESTS= PG_CONFIG="$PG_CONFIG"
fi
for file in test/t/*.pl; do
	if [ "$file" = test/t/097_graphql.pl ] && ! wait "$postgraphile_pid"; then
		echo "PostGraphile could not be installed, so it is not tested:"
		tail -n 3 "$postgraphile.out"
	fi
	[[ " $waiting " == *" $(basename "$file" .pl) "* ]] && continue
	run "$file" lines as_server_user "$work" make -s installcheck REGRESS= ISOLATION= \
		PROVE_TESTS="$file" PROVE_FLAGS='-v' PG_CONFIG="$PG_CONFIG"
done
run "demonstration" result test/demo.sh
wait "$beside_pid"
code=$?
cat "$beside.out"
count_lines "$beside.out" "$code"
[ "$failed" -eq 0 ] && rm -rf "$work" "$beside" "$beside.out" || echo "logs and differences are below $work and $beside"

echo
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
