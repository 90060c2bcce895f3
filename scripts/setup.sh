#!/usr/bin/env bash
# Make .venv and install LOCK (requirements.lock or requirements-dev.lock) and this package into it.
#
# Every file that is installed is checked against a hash in the lock; nothing is built from source but this package,
# with the locked build tool, so nothing unlocked is fetched. PYTHON=… chooses the interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."
lock=${1:?usage: scripts/setup.sh requirements.lock|requirements-dev.lock}

say() { printf 'setup: %s\n' "$*" >&2; }

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
  local name
  for name in ${PYTHON:-python3 python3.13 python3.12 python3.11 python}; do
    if command -v "$name" >/dev/null && is_new_enough "$name"; then
      command -v "$name"
      return
    fi
  done
  local found
  found=$("${PYTHON:-python3}" --version 2>/dev/null || echo none)
  say "Python 3.11 or newer is needed; found ${PYTHON:-python3}: $found. Install it, or name one: make PYTHON=/path/to/python3.11"
  return 1
}

make_environment() {
  if [ -x .venv/bin/python ] && is_new_enough .venv/bin/python; then return; fi
  local python
  python=$(find_python)
  say "making .venv with $("$python" --version)"
  rm -rf .venv
  if command -v uv >/dev/null; then
    uv venv --quiet --python "$python" .venv
  elif ! "$python" -m venv .venv; then
    rm -rf .venv
    say "this Python has no venv module; on Debian and Ubuntu: apt-get install python3-venv"
    return 1
  fi
}

# uv installs these packages several times faster than pip and is in the development lock, so where the machine has
# none, pip fetches just that one, checked by its hash. Without a wheel of it for this platform pip does all the work.
find_uv() {
  if command -v uv; then return; fi
  if [ ! -x .venv/bin/uv ]; then
    awk '/^[a-z]/ { wanted = /^uv==/ } wanted' requirements-dev.lock >.venv/uv.lock
    .venv/bin/python -m pip install --quiet --require-hashes --only-binary :all: -r .venv/uv.lock >&2 || true
  fi
  if [ -x .venv/bin/uv ]; then echo .venv/bin/uv; fi
}

install_locked() {
  local -a from_lock=(--require-hashes --only-binary :all: -r "$lock")
  local -a package=(--no-deps --no-build-isolation --editable .)
  local uv
  uv=$(find_uv)
  if [ -n "$uv" ]; then
    say "installing $lock with uv"
    "$uv" pip install --quiet --python .venv/bin/python "${from_lock[@]}"
    "$uv" pip install --quiet --python .venv/bin/python "${package[@]}"
  else
    say "installing $lock with pip (a minute or two)"
    .venv/bin/python -m pip install --quiet "${from_lock[@]}"
    .venv/bin/python -m pip install --quiet "${package[@]}"
  fi
}

make_environment
install_locked
touch .venv/installed-run
if [ "$lock" = requirements-dev.lock ]; then touch .venv/installed-dev; fi
say "done: .venv/bin/logkeep"
