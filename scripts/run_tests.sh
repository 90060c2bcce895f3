#!/usr/bin/env bash
# All tests, in WORKERS processes side by side, with what they keep in memory where there is enough of it: a suite that
# commits many thousand times would wait minutes for a disk that nothing of it needs. What must survive a power cut is
# tested by tests/simulation/ at every operation of a disk; a killed process needs none.
set -euo pipefail
cd "$(dirname "$0")/.."

MEMORY_KIB_MIN=$((8 << 20)) # a run keeps about one GiB, and its servers want three

has_memory() {
  local free available
  free=$(df --output=avail -k /dev/shm 2>/dev/null | tail -1) || return 1
  available=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo) || return 1
  [ "$free" -ge "$MEMORY_KIB_MIN" ] && [ "$available" -ge "$MEMORY_KIB_MIN" ]
}

if has_memory; then
  TMPDIR=$(mktemp -d /dev/shm/logkeep-tests-XXXXXX)
  export TMPDIR
  trap 'rm -rf "$TMPDIR"' EXIT
  chmod 1777 "$TMPDIR" # database servers run as somebody else
fi
# What stays together and what begins says tests/workers.py.
.venv/bin/pytest -n "${WORKERS:-2}" --dist loadscope --no-loadscope-reorder "$@"
