#!/usr/bin/env bash
# Installs the clients that the end-to-end tests run, each at one version, and skips what is there.
# Debian 12's packages go where they belong (as root); the Go clients are built into a folder of
# their own, which test/e2e/tools.ts computes by the same rule, so nothing of the system is replaced.
set -euo pipefail

bin="${XDG_CACHE_HOME:-$HOME/.cache}/longshore-e2e/bin"

# Debian's packages: name and upstream version (Debian's own revision may move with security fixes).
packages='
containerd 1.6.20
curl       7.88.1
docker.io  20.10.24
podman     4.3.1
runc       1.1.5
skopeo     1.9.3
'

# Go clients: module, version, the program's path in the module, build tags.
containerd_tags='no_btrfs,no_devmapper,no_zfs'
programs="
github.com/containerd/containerd/v2         v2.4.2          cmd/containerd $containerd_tags
github.com/containerd/containerd/v2         v2.4.2          cmd/ctr        $containerd_tags
github.com/google/go-containerregistry      v0.22.1         cmd/crane
github.com/regclient/regclient              v0.11.7         cmd/regctl
github.com/moby/moby/v2                     v2.0.0-beta.24  cmd/dockerd
helm.sh/helm/v3                             v3.22.0         cmd/helm
"

fail() {
  echo "$0: $*" >&2
  exit 1
}

installed_version() {
  dpkg-query --show --showformat='${db:Status-Status} ${Version}' "$1" 2>/dev/null |
    sed -n 's/^installed //p'
}

[ "$(id -u)" = 0 ] || fail "the engines under test run as root: so must this"
command -v dpkg-query >/dev/null || fail "needs Debian 12's packages"
command -v go >/dev/null || fail "needs Go 1.26 or newer"

missing=()
while read -r package version; do
  [ -n "$package" ] || continue
  found="$(installed_version "$package")"
  case "$found" in
    "$version"*) echo "$package $found is installed" ;;
    '') missing+=("$package=$version*") ;;
    *) fail "$package $found is installed, but the tests are written for $version" ;;
  esac
done <<<"$packages"
if [ "${#missing[@]}" -gt 0 ]; then
  apt-get update
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
fi

mkdir -p "$bin"
while read -r module version path tags; do
  [ -n "$module" ] || continue
  program="$bin/$(basename "$path")"
  # A Go program knows the module and version that it was built from.
  if go version -m "$program" 2>/dev/null | grep -qP "^\tmod\t\Q$module\E\t\Q$version\E\t"; then
    echo "$(basename "$path") $version is built"
    continue
  fi
  echo "building $(basename "$path") $version"
  CGO_ENABLED=0 GOBIN="$bin" go install -tags="$tags" \
    "$module/$path@$version"
done <<<"$programs"
