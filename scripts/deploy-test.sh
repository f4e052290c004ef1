#!/usr/bin/env bash
# Holds that what deploy/ has is right: the rules of Prometheus, and the tests of the
# module deploy/check. One of them has podman build the images and run a node, one starts
# all of docker-compose.yml as processes; both in namespaces, for which they must be root.
source "$(dirname "$0")/lib.sh"

need promtool "run scripts/setup.sh"
promtool check rules deploy/prometheus/alerts.yml
promtool test rules deploy/prometheus/alerts_test.yml

# Results are not cached: what these tests start and read is not theirs alone.
cd deploy/check
go vet ./...
if ((EUID == 0)); then
  exec go test -count=1 -timeout 10m ./...
fi
need sudo "run as root"
# Built as this user; what root builds of that writes nothing into the build cache.
out=$(mktemp -d)
trap 'sudo rm -rf "$out"' EXIT
HOSHI_CHECK_IMAGE=$out GOCACHE=$(go env GOCACHE) GOMODCACHE=$(go env GOMODCACHE)
export HOSHI_CHECK_IMAGE GOCACHE GOMODCACHE
go test -count=1 -timeout 10m -skip '^(TestImage|TestUp)$' ./...
go test -c -o "$out/compose.test" ./compose
cd compose
sudo --preserve-env=PATH,HOSHI_CHECK_IMAGE,GOCACHE,GOMODCACHE "$out/compose.test" -test.run '^(TestImage|TestUp)$' -test.timeout 10m
