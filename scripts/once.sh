#!/usr/bin/env bash
# Runs each benchmark once, in the packages that have some: that they run, not how
# fast.
source "$(dirname "$0")/lib.sh"

ulimit -n "$(ulimit -Hn)" 2>/dev/null || true
files='{{$dir := .Dir}}{{range .TestGoFiles}}{{$dir}}/{{.}}
{{end}}{{range .XTestGoFiles}}{{$dir}}/{{.}}
{{end}}'
packages=$(go list -f "$files" ./... | xargs grep -l '^func Benchmark' | xargs -n 1 dirname | sort -u)
# shellcheck disable=SC2086 # a list
go test -run '^$' -bench . -benchtime 1x -timeout 5m $packages
