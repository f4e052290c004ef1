#!/usr/bin/env bash
# Builds ./hoshi and ./loadgen.
source "$(dirname "$0")/lib.sh"

go build -trimpath -o hoshi ./cmd/node
go build -trimpath -o loadgen ./cmd/loadgen
