#!/usr/bin/env bash
# Measures nodes on one core with the load on another: every row of
# docs/performance.md, as ratios to what single sends, bare upgrades and a reference
# server reach on this machine in the same minute. Takes about twenty minutes; --quick
# or BENCH_QUICK=1 less than five. --list names the cases, --only runs one of them;
# more with --help. `.out/loadgen bench --markdown .out/bench.json` prints the table.
# Needs taskset, and perf (with tracepoints) or strace. The reference server needs
# modules that the project does not; where they cannot be had what is compared with it
# is left out.
source "$(dirname "$0")/lib.sh"

need taskset "it is in util-linux"
mkdir -p .out
go build -trimpath -o .out/hoshi ./cmd/node
go build -trimpath -o .out/loadgen ./cmd/loadgen
peer=()
if (cd bench/peers && go build -trimpath -o ../../.out/gws ./gws); then
  peer=(--peer .out/gws)
else
  echo "$0: no reference server: its modules cannot be had, see above" >&2
fi
exec .out/loadgen bench --node .out/hoshi "${peer[@]}" --json "${BENCH_JSON:-.out/bench.json}" "$@"
