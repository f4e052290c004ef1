#!/usr/bin/env bash
# Every Go test with the race detector and in random order: units, the seeds of
# the fuzz targets, in-process clusters, and the end-to-end test. Arguments go to
# `go test`, after all packages if none of them is one. Those that mostly wait come
# first, so that the others fill the time.
source "$(dirname "$0")/lib.sh"

# Tests open thousands of sockets.
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true

packages=(./pkg/edge ./internal/wsconn ./...)
for arg in "$@"; do
  [[ $arg == ./* ]] && packages=()
done
go test -race -shuffle=on -timeout 12m "${packages[@]}" "$@"
