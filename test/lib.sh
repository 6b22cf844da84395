# What test/check.sh and test/demo.sh share: packages, building, commands as the server's user.

# The newest installed server's, nothing if there is none.
newest_pg_config() {
	find /usr/lib/postgresql -path '*/bin/pg_config' 2>/dev/null | sort -V | tail -n 1
	return 0
}

PG_CONFIG=${PG_CONFIG:-$(newest_pg_config)}

# Debian packages that are needed and not there yet, and those named; only root installs.
install_packages() {
	local wanted missing=() package log
	[ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || return 0
	wanted="postgresql-15 postgresql-server-dev-15 libcurl4-openssl-dev libjansson-dev libssl-dev libipc-run-perl"
	wanted="$wanted pkg-config gcc make python3 util-linux $*"
	for package in $wanted; do
		dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
	done
	if [ ${#missing[@]} -gt 0 ]; then
		echo "Installing ${missing[*]} (this takes some minutes)"
		log=$(mktemp)
		if ! { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
			"${missing[@]}"; } </dev/null 2>&1 | tee "$log" |
			awk '/^(Get:|Unpacking|Setting up)/ { printf "."; fflush() } END { print "" }'; then
			cat "$log" >&2
			rm -f "$log"
			echo "could not install packages" >&2
			return 1
		fi
		rm -f "$log"
	fi
	PG_CONFIG=${PG_CONFIG:-$(newest_pg_config)}
}

# Builds with warnings as errors where asked for (QBSYNC_CFLAGS), installs into the server's directories.
build_and_install() {
	echo "Building qbsync for $("$PG_CONFIG" --version)"
	make -s -j2 PG_CONFIG="$PG_CONFIG" && make -s install PG_CONFIG="$PG_CONFIG" >/dev/null
}

# copy_of_tree DIRECTORY: a copy that the server's user may write.  Prints its path.
copy_of_tree() {
	cp -a . "$1"
	[ "$(id -u)" -ne 0 ] || chown -R postgres: "$1"
	chmod 755 "$1"
	echo "$1"
}

# as_server_user DIRECTORY COMMAND…: run it there, as postgres if we are root.
as_server_user() {
	local dir=$1
	shift
	if [ "$(id -u)" -eq 0 ]; then
		runuser -u postgres -- env -C "$dir" "$@"
	else
		env -C "$dir" "$@"
	fi
}
