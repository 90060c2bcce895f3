#!/usr/bin/env bash
# The servers and the browser that the tests talk to, from the distribution's packages; jars by name through Maven, an
# OpenID provider by its lock from npm.
#
# Installs what is missing where it may (root or sudo without a password, and apt-get). Elsewhere it says what is
# missing and how to get it; the tests that need it are then skipped, except in CI, where missing is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

# Debian keeps servers in sbin, which is not on everyone's path.
PATH="$PATH:/usr/sbin:/usr/local/sbin"

missing_packages() {
  command -v nginx >/dev/null || echo nginx-light
  command -v redis-server >/dev/null || echo redis-server
  command -v java >/dev/null || echo default-jre-headless # for those that Maven brings
  command -v mvn >/dev/null || echo maven
  command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null ||
    echo chromium
  command -v mariadbd >/dev/null || echo mariadb-server
  ls /usr/lib*/galera*/libgalera_smm.so /usr/lib/libgalera_smm.so 2>/dev/null | grep -q . || echo galera-4
  ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || echo postgresql
  command -v javac >/dev/null || echo default-jdk-headless
  # What checks deploy/: datagrams through nginx, certificates, units, manifests (Go builds kustomize).
  [ -e /usr/lib/nginx/modules/ngx_stream_module.so ] || echo libnginx-mod-stream
  command -v openssl >/dev/null || echo openssl
  command -v systemd-analyze >/dev/null || echo systemd
  command -v npm >/dev/null || echo npm # an OpenID provider
  command -v go >/dev/null || scripts/install_kustomize.sh --is-there || echo golang-go
}

# What no package of the distribution has, into the user's cache folder; what is there already takes no time.
fetch_the_rest() {
  scripts/install_kustomize.sh
  if ! command -v javac >/dev/null || ! command -v mvn >/dev/null || ! command -v npm >/dev/null; then return; fi
  .venv/bin/python -m tests.servers fetch
}

# Packages of servers start them at once, on ports open to the network; policy-rc.d tells them not to.
install_without_starting() {
  local policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap "rm -f $policy" EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

if [ "${1:-}" = --install ]; then # as root, by ourselves, below
  shift
  install_without_starting "$@"
  exit
fi

mapfile -t packages < <(missing_packages)
if [ ${#packages[@]} -eq 0 ]; then
  fetch_the_rest
  exit 0
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo -n); fi
if command -v apt-get >/dev/null && "${as_root[@]}" true 2>/dev/null; then
  echo "servers: installing ${packages[*]}" >&2
  if "${as_root[@]}" scripts/install_servers.sh --install "${packages[@]}"; then
    fetch_the_rest
    exit 0
  fi
fi
echo "servers: missing: ${packages[*]}. Get them with: sudo apt-get install --no-install-recommends ${packages[*]}" >&2
if [ -n "${CI:-}" ]; then exit 1; fi
echo "servers: going on without; tests that need them are skipped" >&2
