#!/usr/bin/env bash
# Builds what the benchmark needs: its load client (Go), and the registries to compare with, unless
# "client" is asked for alone. What is there is kept. A registry that can't be had is left out, loudly;
# without the client nothing runs.
set -euo pipefail

folder="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# bench/programs.ts computes the same.
bin="${XDG_CACHE_HOME:-$HOME/.cache}/longshore-bench/bin"
distribution=github.com/distribution/distribution/v3
distribution_version=v3.1.2
docker_registry_version=2.8.2

skipped() {
  echo "SKIPPED: $*" >&2
}

command -v go >/dev/null || {
  echo "$0: needs Go 1.26 or newer, for the client that makes the load" >&2
  exit 1
}
mkdir -p "$bin"
(cd "$folder/load" && CGO_ENABLED=0 go build -o "$bin/load" .)
[ "${1:-}" != client ] || exit 0

if ! go version -m "$bin/registry" 2>/dev/null |
  grep -qP "^\tmod\t\Q$distribution\E\t\Q$distribution_version\E\t"; then
  echo "building distribution $distribution_version"
  CGO_ENABLED=0 GOBIN="$bin" go install -ldflags='-s -w' \
    "$distribution/cmd/registry@$distribution_version" ||
    skipped "distribution $distribution_version could not be built"
fi

# From Debian's package, without installing it: that would start it as a service.
if ! [ -x "$bin/docker-registry" ]; then
  echo "unpacking docker-registry $docker_registry_version"
  scratch="$(mktemp -d)"
  trap 'rm -rf "$scratch"' EXIT
  if (
    cd "$scratch"
    apt-get download "docker-registry=$docker_registry_version*" ||
      { apt-get update && apt-get download "docker-registry=$docker_registry_version*"; }
    dpkg-deb --extract docker-registry_*.deb .
  ); then
    cp "$scratch/usr/bin/docker-registry" "$bin/docker-registry"
  else
    skipped "docker-registry $docker_registry_version is not in this system's packages"
  fi
fi
