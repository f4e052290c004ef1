#!/usr/bin/env bash
# Breaks one thing after the other under clients that come and go, and checks every
# message (docs/faults.md). Arguments go to the program; without any, three minutes
# and 100,000 clients. It needs root, for network namespaces, or --no-netns.
source "$(dirname "$0")/lib.sh"

need go "install Go 1.26 or later"
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true
(($#)) || set -- --time 3m --clients 100000

sudo=()
if ((EUID != 0)) && [[ " $* " != *" --no-netns "* ]]; then
  need sudo "run as root, or with --no-netns"
  sudo=(sudo --preserve-env=PATH)
fi
[[ " $* " == *" --no-netns "* ]] || need ip "install iproute2, or run with --no-netns"

# Built first, so that an interrupt goes to the program and not to go run, and that
# root writes nothing into the build cache.
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
go build -o "$out/chaos" ./e2e/chaos
"${sudo[@]}" "$out/chaos" "$@" &
program=$!
trap 'kill -TERM "$program" 2>/dev/null || true' INT TERM
code=0
wait "$program" || code=$?
while kill -0 "$program" 2>/dev/null; do # a signal has ended the wait: it cleans up
  code=0
  wait "$program" || code=$?
done
exit "$code"
