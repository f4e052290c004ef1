#!/usr/bin/env bash
# Fuzzes every target for a while: scripts/fuzz.sh [TIME], 30s by default.
source "$(dirname "$0")/lib.sh"

time=${1:-30s}
for dir in $(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do
  for target in $(grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$dir"/*_test.go | cut -c6-); do
    step "$dir $target" go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$dir"
  done
done
