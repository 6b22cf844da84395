#!/usr/bin/env bash
# Builds and tests qbsync on other server versions: test/matrix.sh [SUITE]…   (default: trixie sid)
#
# Each Debian suite carries one server version (bookworm 15, trixie 17, sid 18); none carries 16: src/compat.h says on which
# side of each difference it is.  A suite is set up once as a chroot below MATRIX_DIR (default /var/tmp/qbsync-matrix; two
# to five minutes and about 2 GB each) with the packages test/check.sh installs, from the mirror this machine's own apt
# uses; MATRIX_UPGRADE=1 brings one that is there up to date.  Every run copies the tree, as it is now, into the chroot,
# builds it there from nothing, looks for warnings of the compiler, installs, and runs as user postgres the regression
# tests, the isolation tests and the TAP files of MATRIX_TESTS (patterns below test/t; default: walk, life cycle, waiting).
#
# What runs inside has its own mounts, process ids and IPC: nothing stays mounted, nothing stays running.  Needs root,
# debootstrap and the network; is not part of test/check.sh.  Logs stay in MATRIX_DIR/SUITE.log and, for what failed, in the
# tree copied, MATRIX_DIR/SUITE/qbsync.  Ends with a table, one line a version, and a line "N passed, N failed": warnings
# count as one failure, and so does a failed build.
set -u -o pipefail
cd "$(dirname "$0")/.."
tree=$PWD

MATRIX_DIR=${MATRIX_DIR:-/var/tmp/qbsync-matrix}
MATRIX_TESTS=${MATRIX_TESTS:-001_*.pl 01?_*.pl}
[ $# -gt 0 ] || set -- trixie sid

[ "$(id -u)" -eq 0 ] || { echo "test/matrix.sh: must run as root" >&2; exit 1; }
command -v debootstrap >/dev/null || { echo "test/matrix.sh: install debootstrap first" >&2; exit 1; }

# The mirror of this machine's own apt.
mirror=$(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
	sed -n 's/^Debian|Debian|//p' | head -n 1)
[ -n "$mirror" ] || { echo "test/matrix.sh: apt of this machine knows no Debian mirror" >&2; exit 1; }

# inside ROOT: run the shell commands of standard input in a chroot, in name spaces of their own.
inside() {
	unshare --mount --pid --ipc --fork --kill-child bash -c '
		mount --make-rprivate / && mount -t proc proc "$1/proc" && mount -t tmpfs tmpfs "$1/dev/shm" &&
		exec chroot "$1" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root \
			http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}" /bin/bash -s' inside "$1"
}

# Set up the chroot of a suite, if it is not there yet: SUITE ROOT.
set_up() {
	local suite=$1 root=$2
	if [ ! -e "$root/.ready" ]; then
		rm -rf "$root"
		mkdir -p "$root"
		debootstrap --variant=minbase "$suite" "$root" "$mirror" || return 1
		# The index of a suite that moves may be past its date.  No server is wanted but those the tests start.
		echo 'Acquire::Check-Valid-Until "false";' >"$root/etc/apt/apt.conf.d/90matrix"
		printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
		chmod 755 "$root/usr/sbin/policy-rc.d"
	elif [ -z "${MATRIX_UPGRADE:-}" ]; then
		return 0
	fi
	rm -f "$root/.ready"
	inside "$root" <<-'END' || return 1
		set -e
		export DEBIAN_FRONTEND=noninteractive
		apt-get update -qq </dev/null
		version=$(apt-cache depends postgresql | sed -n 's/^ *Depends: postgresql-\([0-9]*\)$/\1/p' | head -n 1)
		apt-get dist-upgrade -y -qq </dev/null
		apt-get install -y -qq --no-install-recommends postgresql-$version postgresql-server-dev-$version \
			libcurl4-openssl-dev libjansson-dev libssl-dev libipc-run-perl pkg-config gcc make python3 perl util-linux </dev/null
		apt-get clean
	END
	touch "$root/.ready"
}

# Copy the tree into a chroot, without what was built here: ROOT.
copy_tree() {
	rm -rf "$1/qbsync"
	mkdir -p "$1/qbsync"
	tar -C "$tree" -c --exclude=./.git --exclude='*.o' --exclude='*.so' --exclude='./tmp_check*' --exclude=./output_iso \
		--exclude=./results --exclude=./test/fuzz/build --exclude=./log . | tar -C "$1/qbsync" -x
}

# Build and install: ROOT.  Goes on after an error, so that the log holds all of them.
build() {
	inside "$1" <<-'END'
		set -e
		PG_CONFIG=$(ls /usr/lib/postgresql/*/bin/pg_config | sort -V | tail -n 1)
		cd /qbsync
		echo "== build for $($PG_CONFIG --version)"
		make -k -j"$(nproc)" PG_CONFIG=$PG_CONFIG 2>&1
		make -s install PG_CONFIG=$PG_CONFIG
		chown -R postgres: .
	END
}

# Run the tests as user postgres: ROOT.  Returns how many programs failed.
run_tests() {
	{
		printf 'tests=%q\n' "$MATRIX_TESTS"
		cat <<-'END'
			PG_CONFIG=$(ls /usr/lib/postgresql/*/bin/pg_config | sort -V | tail -n 1)
			cd /qbsync
			failed=0
			check() {
				echo "== $1"
				shift
				runuser -u postgres -- make -s installcheck PG_CONFIG=$PG_CONFIG "$@" 2>&1 </dev/null || failed=$((failed + 1))
			}
			check regression ISOLATION= TAP_TESTS=
			[ ! -s regression.diffs ] || cat regression.diffs
			! ls test/specs/*.spec >/dev/null 2>&1 || check isolation REGRESS= TAP_TESTS=
			for file in $(cd test/t && ls $tests 2>/dev/null); do
				check test/t/$file REGRESS= ISOLATION= PROVE_TESTS=test/t/$file PROVE_FLAGS=-v
			done
			exit $failed
		END
	} | inside "$1"
}

table=$(printf '%-10s %-8s %-6s %8s %8s %8s' suite version built warnings passed failed)
passed=0
failed=0
mkdir -p "$MATRIX_DIR"

for suite in "$@"; do
	root=$MATRIX_DIR/$suite
	log=$MATRIX_DIR/$suite.log
	version=- built=no warnings=0 good=0 bad=0
	: >"$log"

	echo "== $suite: setting up"
	if ! set_up "$suite" "$root" >>"$log" 2>&1; then
		bad=1
	else
		version=$(inside "$root" <<<'$(ls /usr/lib/postgresql/*/bin/pg_config | sort -V | tail -n 1) --version' |
			sed 's/^PostgreSQL \([^ ]*\).*/\1/')
		echo "== $suite: PostgreSQL $version"
		copy_tree "$root"
		start=$(wc -l <"$log")
		build "$root" >>"$log" 2>&1 && built=yes || bad=1
		warnings=$(tail -n +$((start + 1)) "$log" | grep -c 'warning:')
		[ "$warnings" -eq 0 ] || { bad=$((bad + 1)); tail -n +$((start + 1)) "$log" | grep 'warning:'; }
		if [ "$built" = yes ]; then
			start=$(wc -l <"$log")
			run_tests "$root" 2>&1 | tee -a "$log" | grep -E '^== |^not ok|^#   |FAILED|^[-+][^-+]'
			code=${PIPESTATUS[0]}
			good=$(tail -n +$((start + 1)) "$log" | grep -cE '^ok [0-9]+|^test .*\.\.\. ok')
			missed=$(tail -n +$((start + 1)) "$log" | grep -cE '^not ok [0-9]+|^test .*\.\.\. FAILED')
			# A program that died without a failed test counts as one.
			[ "$missed" -ge "$code" ] || missed=$code
			bad=$((bad + missed))
		fi
	fi
	[ "$bad" -eq 0 ] || echo "== $suite: see $log"
	passed=$((passed + good))
	failed=$((failed + bad))
	table+=$(printf '\n%-10s %-8s %-6s %8s %8s %8s' "$suite" "$version" "$built" "$warnings" "$good" "$bad")
done

echo
echo "$table"
echo
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
