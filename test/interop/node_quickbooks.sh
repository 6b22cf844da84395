#!/bin/sh
# Runs the public client library node-quickbooks against the simulator, with
# nothing but its endpoint settings repointed.  Needs node and npm; installs the
# library into a temporary directory.  Not part of the test suite.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
simulator=

finish() {
    [ -z "$simulator" ] || kill "$simulator" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

cp "$here/node_quickbooks.js" "$work/"
cd "$work"
echo '{"private": true}' > package.json
echo "installing node-quickbooks ..."
npm install --no-audit --no-fund --loglevel=error node-quickbooks@2 >npm.log 2>&1 || {
    cat npm.log >&2
    exit 1
}

python3 "$here/../simulator" --port 0 --customers 2300 --invoices 50 --no-limits --control >start.json &
simulator=$!
tries=0
until [ -s start.json ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || { echo "the simulator does not start" >&2; exit 1; }
    sleep 0.1
done

node node_quickbooks.js start.json
