#!/usr/bin/env bash
# From a fresh checkout to an answer: installs what is missing, checks and tests
# everything. Fails at the first step that fails. This is `make test`, and what
# continuous integration runs.
source "$(dirname "$0")/lib.sh"

began=$SECONDS
step setup scripts/setup.sh
step format scripts/fmt.sh check
step build go build ./...

# The chaos run mostly waits, and what it waits for has time to spare; so what has
# no clock, or a patient one, is done beside it, and the tests have the machine for
# themselves.
mkdir -p .out
printf '\n== chaos begins\n'
scripts/chaos.sh >.out/chaos.log 2>&1 &
chaos=$!
trap 'kill "$chaos" 2>/dev/null && wait "$chaos" || true' EXIT
step vet scripts/vet.sh
step deploy scripts/deploy-test.sh
step 'reference server' go -C bench/peers test ./...
step 'benchmarks, once' scripts/once.sh
step 'build with the race detector' go build -race ./...
end_of_chaos() {
  local code=0
  wait "$chaos" || code=$?
  cat .out/chaos.log
  return "$code"
}
step chaos end_of_chaos
trap - EXIT

step test scripts/go-test.sh
printf '\n== all passed: %d s\n' $((SECONDS - began))
