#!/usr/bin/env bash
# Types and lint of the viewer, where there is Node; in CI a missing Node is a failure.
set -euo pipefail
cd "$(dirname "$0")/../viewer"
if [ ! -d node_modules ]; then
  if [ -n "${CI:-}" ]; then echo "viewer: npm is missing, so it cannot be checked" >&2; exit 1; fi
  echo "viewer: not checked, npm is missing" >&2
  exit 0
fi
npm run --silent check
