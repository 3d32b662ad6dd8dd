#!/usr/bin/env bash
# All tests, in parts side by side: each waits for a good deal of its time, for processes that start, stop
# or are killed, and has a Postgres and stores of its own. A lane that is free takes the next part. What
# a part said is shown when it has ended, and at the end each one's outcome and minutes.
set -uo pipefail
# Each part is a process group, which an interrupt ends with all that it has started.
set -m
cd "$(dirname "$0")/.."

PYTEST=${PYTEST:-.venv/bin/pytest}
# Two lanes more than there are processors: so many are waiting at any time.
LANES=${LANES:-$(($(getconf _NPROCESSORS_ONLN) + 2))}

# The longest first, so that none is left alone at the end. What is no part here is in `rest`.
PARTS=(
	# Who may do what, route by route.
	"table tests/isolation/test_table.py"
	# Both listen on port 80 of one loopback address, which is the port that `remote add` takes; the
	# clients until they all end, so they come last.
	"clients tests/browser tests/clients"
	"unit tests/unit"
	# Registries that are killed, cut off, shaken and brought back.
	"faults tests/faults tests/fuzz tests/operating"
	"quickstart tests/quickstart tests/docs"
	"pages tests/web tests/protocol"
	"crashes tests/crash_points"
	"isolation tests/isolation --ignore=tests/isolation/test_table.py"
)
# rest ARGUMENTS…: all but the folders of the parts.
rest=$(printf '%s\n' "${PARTS[@]}" | grep -o ' tests/[a-z_]*' | sort -u | sed 's/^ /--ignore=/' | tr '\n' ' ')
PARTS+=("rest $rest")

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
interrupted() {
	local group
	for group in $(jobs -p); do kill -INT -- "-$group" 2>/dev/null; done
	wait
	exit 130
}
trap interrupted INT TERM

# part NAME ARGUMENTS…
part() {
	local name=$1 began=$SECONDS outcome=passed
	shift
	"$PYTEST" -p no:cacheprovider "$@" >"$logs/$name.log" 2>&1 || outcome=FAILED
	printf '%-10s %6s min  %s\n' "$name" "$(awk "BEGIN { printf \"%.1f\", ($SECONDS - $began) / 60 }")" "$outcome" \
		>"$logs/$name.outcome"
	# In one go, so that two which end together are told one after the other.
	flock "$logs" cat "$logs/$name.log"
	[ "$outcome" = passed ]
}

status=0
free=$LANES
for each in "${PARTS[@]}"; do
	[ "$free" -gt 0 ] || { wait -n || status=1; free=$((free + 1)); }
	# shellcheck disable=SC2086  # a part is words
	part $each &
	free=$((free - 1))
done
while [ -n "$(jobs -r -p)" ] || [ "$free" -lt "$LANES" ]; do
	wait -n || status=1
	free=$((free + 1))
done
echo
cat "$logs"/*.outcome
exit "$status"
