#!/usr/bin/env bash
# Measures a node on one core with the load on another, as ratios to what single
# sends reach on this machine in the same minute; and what clients that read nothing
# or flood cost the others' p99. Takes about ten minutes; --quick or BENCH_QUICK=1
# about three. Flags: scripts/bench.sh --help. Needs taskset, and
# perf (with tracepoints) or strace.
source "$(dirname "$0")/lib.sh"

need taskset "it is in util-linux"
mkdir -p .out
go build -trimpath -o .out/hoshi ./cmd/node
go build -trimpath -o .out/loadgen ./cmd/loadgen
exec .out/loadgen bench --node .out/hoshi --json "${BENCH_JSON:-.out/bench.json}" "$@"
