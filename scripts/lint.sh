#!/usr/bin/env bash
# All linters of .golangci.yml. Builds golangci-lint first, which takes minutes
# once.
source "$(dirname "$0")/lib.sh"

scripts/tools.sh all
golangci-lint run ./...
