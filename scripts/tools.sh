#!/usr/bin/env bash
# Builds the tools pinned in tools/go.mod into .bin/: staticcheck, gofumpt,
# benchstat; govulncheck is for scripts/vuln.sh to build. With `all`, golangci-lint of tools/golangci/go.mod too,
# which takes minutes the first time.
source "$(dirname "$0")/lib.sh"

mkdir -p .bin
(
  cd tools
  mapfile -t tools < <(go list tool | grep -v /govulncheck)
  go build -o ../.bin/ "${tools[@]}"
)
if [[ ${1:-} == all ]]; then
  (cd tools/golangci && go build -o ../../.bin/ tool)
fi
