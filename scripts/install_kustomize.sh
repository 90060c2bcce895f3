#!/usr/bin/env bash
# A kustomize to build deploy/kubernetes with: kubectl's own where it is new enough, else one from Go's modules, built
# once (about a minute) into the user's cache. With --is-there: whether there is one, by the exit code.
set -euo pipefail

VERSION=v5.0.1 # the newest that builds with Debian 12's Go
MODULE=sigs.k8s.io/kustomize/kustomize/v5
tool=${XDG_CACHE_HOME:-$HOME/.cache}/logkeep/tools/kustomize-$VERSION

is_there() { [ -x "$tool" ] || kubectl version --client 2>/dev/null | grep -q '^Kustomize Version: v5'; }

# A module of our own around it: `go install` refuses modules that replace some of theirs.
build() {
  local work
  work=$(mktemp -d)
  trap "chmod -R u+w '$work'; rm -rf '$work'" EXIT
  mkdir -p "$(dirname "$tool")"
  (
    cd "$work"
    export GOFLAGS=-mod=mod GOTOOLCHAIN=local CGO_ENABLED=0
    go mod init build
    go get "$MODULE@$VERSION"
    go build -trimpath -ldflags '-s -w' -o kustomize "$MODULE"
    mv kustomize "$tool"
  ) >"$work/log" 2>&1 || { tail -5 "$work/log" >&2 && return 1; }
}

if is_there; then exit 0; fi
if [ "${1:-}" = --is-there ]; then exit 1; fi
echo "servers: building kustomize $VERSION" >&2
build && exit 0
if [ -n "${CI:-}" ]; then exit 1; fi
echo "servers: going on without kustomize; the tests of the manifests are skipped" >&2
