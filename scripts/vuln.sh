#!/usr/bin/env bash
# Looks for known vulnerabilities in what is called of the dependencies and of
# the standard library. The database is pinned in tools/vulndb/go.mod and comes
# through the Go module proxy, so this needs no other host, and nothing at all
# once it is in the module cache. The standard library is that of the toolchain
# named there, the one to build releases with; an older Go is warned of.
# govulncheck must be built by what it checks with, and so is built here.
source "$(dirname "$0")/lib.sh"

db=$PWD/.out/vulndb known=tools/vulndb/testdata/known
have=$(go env GOVERSION) want=$(awk '$1 == "toolchain" {print $2}' tools/vulndb/go.mod)
if [[ $(printf '%s\n' "$have" "$want" | sort -V | tail -1) != "$have" ]]; then
  export GOTOOLCHAIN=$want
  echo "warning: known vulnerabilities of $have's standard library are mended in $want: build releases with that" >&2
fi
(cd tools && go build -o ../.bin/ golang.org/x/vuln/cmd/govulncheck)
(cd tools/vulndb && go vet ./... && go test ./... && go run . "$db")

# Finding nothing says something only of a check that finds what is there.
if found=$(cd $known && govulncheck -db "file://$db" ./...) || [[ $found != *GO-2021-0113* ]]; then
  printf '%s\n%s: the vulnerability in %s is not found\n' "$found" "$0" $known >&2
  exit 1
fi
govulncheck -db "file://$db" ./...
