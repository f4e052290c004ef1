#!/usr/bin/env bash
# From a fresh checkout to an answer: installs what is missing, checks and tests
# everything. Fails at the first step that fails. This is `make test`, and what
# continuous integration runs.
source "$(dirname "$0")/lib.sh"

began=$SECONDS
step setup scripts/setup.sh
step format scripts/fmt.sh check
step vet scripts/vet.sh
step test scripts/go-test.sh
step chaos scripts/chaos.sh
step 'benchmarks, once' scripts/once.sh
printf '\n== all passed: %d s\n' $((SECONDS - began))
