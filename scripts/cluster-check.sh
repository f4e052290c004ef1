#!/usr/bin/env bash
# Applies deploy/k8s to a control plane of Kubernetes that is compiled here, and
# watches what becomes of it (module deploy/cluster). The first build compiles
# 2,500 packages, of which etcd, the API server, controllers and scheduler are made;
# it takes many minutes, and leaves its result in .bin/plane. Arguments are those
# of go test.
source "$(dirname "$0")/lib.sh"

out=$PWD/.bin
mkdir -p "$out"
cd deploy/cluster
step "build the control plane" nice -n 15 go build -p 2 -ldflags='-s -w' -o "$out/plane" ./plane
go vet ./...
step "deploy/k8s on it" go test -count=1 -timeout 15m "$@" .
