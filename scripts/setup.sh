#!/usr/bin/env bash
# Installs what the tests need: Debian packages where a program is missing (as
# root or with sudo), the npm packages of e2e/, Go modules, and the pinned tools.
# What is there already is left alone, so a second run takes seconds.
source "$(dirname "$0")/lib.sh"

need go "install Go 1.26 or later"

packages=()
command -v gcc >/dev/null || packages+=(gcc libc6-dev) # the race detector links with it
command -v git >/dev/null || packages+=(git)
command -v node >/dev/null || packages+=(nodejs)
command -v npm >/dev/null || packages+=(npm)
command -v ip >/dev/null || packages+=(iproute2) # network namespaces of the chaos run
command -v openssl >/dev/null || packages+=(openssl)
command -v haproxy >/dev/null || packages+=(haproxy)
command -v promtool >/dev/null || packages+=(prometheus)
command -v busybox >/dev/null || packages+=(busybox-static) # its wget checks health, as in images on it
command -v podman >/dev/null && command -v crun >/dev/null || packages+=(podman crun)
command -v systemd-analyze >/dev/null || packages+=(systemd) # looks at a unit, and need not run
command -v clojure >/dev/null || packages+=(clojure) # with a JVM; its reader judges ours
command -v chromium-headless-shell >/dev/null || command -v chromium >/dev/null || packages+=(chromium-headless-shell)
if ((${#packages[@]})); then
  need apt-get "install by hand: ${packages[*]}"
  sudo=()
  ((EUID == 0)) || sudo=(sudo)
  "${sudo[@]}" apt-get update -qq
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"
fi

# npm keeps a copy of the lockfile beside what it installed.
installed=e2e/node_modules/.e2e-lock.json
if ! cmp -s e2e/package-lock.json "$installed"; then
  (cd e2e && npm ci --no-audit --no-fund)
  cp e2e/package-lock.json "$installed"
fi

go mod download
go -C deploy/check list -deps -test ./... >/dev/null # what it needs, of much more that it could have
scripts/tools.sh
