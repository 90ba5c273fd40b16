#!/bin/sh
# beside.sh SLOW COMMAND...: runs the commands in turn until one fails, and SLOW meanwhile, in
# the time only that they leave: SLOW compiles for minutes, and they mostly wait for sound. What
# SLOW says comes at the end. If a command fails, SLOW is ended.
set -eu
slow=$1
shift
log=$(mktemp)
if chrt -i 0 true 2>/dev/null; then least="chrt -i 0"; else least="nice -n 19"; fi
# shellcheck disable=SC2086 # two words
setsid $least sh -c "$slow" >"$log" 2>&1 </dev/null &
pid=$!
trap 'kill -- -$pid 2>/dev/null || true; rm -f "$log"' EXIT
trap 'exit 130' INT TERM
for command; do
	sh -c "$command"
done
rc=0
wait "$pid" || rc=$?
cat "$log"
exit "$rc"
