# Sourced by the other scripts, which run from the root of the repository.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PWD/.bin:$PATH"

# A step says its name before it starts and how long it took after it.
step() {
  local name=$1 began=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  "$@"
  printf '== %s: %d s\n' "$name" $((SECONDS - began))
}

# need PROGRAM HINT: ends the script where something is missing.
need() {
  command -v "$1" >/dev/null || {
    echo "$0: $1 is missing: $2" >&2
    exit 1
  }
}
