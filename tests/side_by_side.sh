#!/usr/bin/env bash
# All tests, in three lanes side by side: each waits for most of its time, for processes that start, stop
# or are killed, and has a Postgres and stores of its own. The first lane is shown as it runs; what the
# others said follows, and at the end each lane's outcome and minutes.
set -uo pipefail
cd "$(dirname "$0")/.."

PYTEST=${PYTEST:-.venv/bin/pytest}

# Real clients and browsers, and whatever starts a registry of its own to do something to it.
LIVE=(tests/browser tests/clients tests/docs tests/faults tests/fuzz tests/operating tests/quickstart)
# Who may do what, route by route.
TABLE=(tests/isolation)

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
trap 'kill $(jobs -p) 2>/dev/null' INT TERM

# lane NAME ARGUMENTS…
lane() {
	local name=$1 began=$SECONDS outcome=passed
	shift
	"$PYTEST" -p no:cacheprovider "$@" || outcome=FAILED
	printf '%-6s %6s min  %s\n' "$name" "$(awk "BEGIN { printf \"%.1f\", ($SECONDS - $began) / 60 }")" "$outcome" \
		>"$logs/$name.outcome"
	[ "$outcome" = passed ]
}

status=0
lane live "${LIVE[@]}" >"$logs/live" 2>&1 & live=$!
lane table "${TABLE[@]}" >"$logs/table" 2>&1 & table=$!
lane rest $(printf -- '--ignore=%s ' "${LIVE[@]}" "${TABLE[@]}") || status=$?
wait "$table" || status=$?
cat "$logs/table"
wait "$live" || status=$?
cat "$logs/live"
echo
cat "$logs"/*.outcome
exit "$status"
