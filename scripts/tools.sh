#!/usr/bin/env bash
# Builds the tools pinned in tools/go.mod into .bin/: staticcheck, govulncheck,
# gofumpt, benchstat. With `all`, golangci-lint of tools/golangci/go.mod too,
# which takes minutes the first time.
source "$(dirname "$0")/lib.sh"

mkdir -p .bin
(cd tools && go build -o ../.bin/ tool)
if [[ ${1:-} == all ]]; then
  (cd tools/golangci && go build -o ../../.bin/ tool)
fi
