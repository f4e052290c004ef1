#!/usr/bin/env bash
# Formats every Go file of the project. With `check`, changes nothing, lists the
# files that are not formatted, and fails if there are any.
source "$(dirname "$0")/lib.sh"

if [[ ${1:-} != check ]]; then
  gofumpt -w .
  exit
fi
bad=$(gofumpt -l .)
if [[ -n $bad ]]; then
  printf 'not formatted (make fmt):\n%s\n' "$bad" >&2
  exit 1
fi
