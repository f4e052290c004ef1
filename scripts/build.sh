#!/usr/bin/env bash
# Builds ./hoshi and ./loadgen, or what OUT names as a folder. They say which
# version they are: VERSION, COMMIT and DATE where they are set, as in an image
# that is built without .git, else what git knows.
source "$(dirname "$0")/lib.sh"

out=${OUT:-.}
if git rev-parse --git-dir >/dev/null 2>&1; then
  : "${VERSION=$(git describe --tags --match 'v[0-9]*' --dirty 2>/dev/null || true)}"
  : "${COMMIT=$(git describe --always --match '' --abbrev=12 --dirty)}"
  : "${DATE=$(git log -1 --format=%cs)}"
fi

stamp="-X main.version=${VERSION:-} -X main.commit=${COMMIT:-} -X main.date=${DATE:-}"
go build -trimpath -buildvcs=false -ldflags "$stamp" -o "$out/hoshi" ./cmd/node
go build -trimpath -buildvcs=false -o "$out/loadgen" ./cmd/loadgen
