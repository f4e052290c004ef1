#!/usr/bin/env bash
# Every Go test with the race detector and in random order: units, the seeds of
# the fuzz targets, in-process clusters, and the end-to-end test. Arguments go to
# `go test`, after all packages if none of them is one. Those that take longest come
# first, and since they wait for much of their time, two run at a time at least.
source "$(dirname "$0")/lib.sh"

# Tests open thousands of sockets.
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true

packages=(./pkg/edge ./internal/wsconn ./e2e ./e2e/chaos ./cmd/node ./...)
for arg in "$@"; do
  [[ $arg == ./* ]] && packages=()
done
processors=$(getconf _NPROCESSORS_ONLN)
go test -race -shuffle=on -timeout 12m -p $((processors < 2 ? 2 : processors)) "${packages[@]}" "$@"
