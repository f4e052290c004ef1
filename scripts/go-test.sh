#!/usr/bin/env bash
# Every Go test with the race detector and in random order: units, the seeds of
# the fuzz targets, in-process clusters, and the end-to-end test. Arguments go to
# `go test`, after ./... if none of them is a package.
source "$(dirname "$0")/lib.sh"

# Tests open thousands of sockets.
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true

packages=(./...)
for arg in "$@"; do
  [[ $arg == ./* ]] && packages=()
done
go test -race -shuffle=on -timeout 12m "${packages[@]}" "$@"
