#!/usr/bin/env bash
# Holds that what deploy/ has is right: the rules of Prometheus, and the tests of the
# module deploy/check. One of them starts all of docker-compose.yml as processes, in
# namespaces, for which it must be root.
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
# Built as this user, so that root writes nothing into the build cache.
out=$(mktemp -d)
trap 'sudo rm -rf "$out"' EXIT
export HOSHI_CHECK_IMAGE=$out
go test -count=1 -timeout 10m -skip '^TestUp$' ./...
go test -c -o "$out/compose.test" ./compose
cd compose
sudo --preserve-env=PATH,HOSHI_CHECK_IMAGE "$out/compose.test" -test.run '^TestUp$' -test.timeout 10m
