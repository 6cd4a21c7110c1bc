#!/usr/bin/env bash
# Installs the clients that the end-to-end tests run, each at one version, and skips what is there.
# Debian 12's packages go where they belong (as root); the Go clients are built into a folder of
# their own, which test/e2e/tools.ts computes by the same rule, so nothing of the system is replaced.
set -euo pipefail

folder="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
bin="${XDG_CACHE_HOME:-$HOME/.cache}/longshore-e2e/bin"

# Debian's packages: name and upstream version (Debian's own revision may move with security fixes).
packages='
apache2-utils 2.4
containerd    1.6.20
curl          7.88.1
docker.io     20.10.24
mmdebstrap    1.3.5
openssl       3.0
podman        4.3.1
python3-venv  3.11.2
runc          1.1.5
skopeo        1.9.3
systemd       252
'

# Go clients: module, version, the program's path in the module, build tags.
containerd_tags='no_btrfs,no_devmapper,no_zfs'
programs="
github.com/containerd/containerd/v2         v2.4.2          cmd/containerd $containerd_tags
github.com/containerd/containerd/v2         v2.4.2          cmd/ctr        $containerd_tags
github.com/google/go-containerregistry      v0.22.1         cmd/crane
github.com/regclient/regclient              v0.11.7         cmd/regctl
github.com/moby/buildkit                    v0.25.1         cmd/buildctl
github.com/moby/buildkit                    v0.25.1         cmd/buildkitd
github.com/moby/moby/v2                     v2.0.0-beta.24  cmd/dockerd
github.com/sigstore/cosign/v2               v2.6.5          cmd/cosign
helm.sh/helm/v3                             v3.22.0         cmd/helm
github.com/rhysd/actionlint                 v1.7.12         cmd/actionlint
"

# Go programs of our own, each a folder of test/e2e/programs.
own_programs='kubelet-images oras-referrers'

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

# go_install TAGS PACKAGE: builds a program, without what only debuggers read.
go_install() {
  CGO_ENABLED=0 GOBIN="$bin" go install -ldflags='-s -w' -tags="$1" "$2"
}

mkdir -p "$bin"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
while read -r module version path tags; do
  [ -n "$module" ] || continue
  program="$bin/$(basename "$path")"
  # A Go program knows the module and version that it was built from.
  if go version -m "$program" 2>/dev/null | grep -qP "^\tmod\t\Q$module\E\t\Q$version\E\t"; then
    echo "$(basename "$path") $version is built"
    continue
  fi
  echo "building $(basename "$path") $version"
  if [ "$module" = github.com/moby/buildkit ]; then
    # Go installs no program by its version if the go.mod beside it excludes versions of others,
    # so a module made for this requires it.
    (
      cd "$scratch"
      [ -e go.mod ] || go mod init longshore.test/clients
      go get "$module/$path@$version"
      go_install "$tags" "$module/$path"
    )
  else
    go_install "$tags" "$module/$path@$version"
  fi
done <<<"$programs"

for program in $own_programs; do
  # Go itself sees whether anything has changed since the last time.
  echo "building $program"
  (
    cd "$folder/programs/$program"
    go_install '' .
  )
done

# ORAS for Python, with all that it needs, in an environment of its own.
requirements="$folder/programs/oras-python/requirements.txt"
python="$bin/../oras-python"
if cmp --silent "$requirements" "$python/requirements.txt"; then
  echo "$(grep '^oras==' "$requirements") is installed"
else
  rm -rf "$python"
  /usr/bin/python3 -m venv "$python"
  "$python/bin/pip" install --disable-pip-version-check --no-deps --requirement "$requirements"
  cp "$requirements" "$python/requirements.txt"
fi
