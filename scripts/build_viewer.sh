#!/usr/bin/env bash
# Build the viewer into the package where there is Node to build it with; the service runs without.
set -euo pipefail
cd "$(dirname "$0")/.."
built=src/logkeep/api/static/viewer/index.html
if [ ! -f viewer/package.json ]; then exit 0; fi
if ! command -v npm >/dev/null; then
  echo "viewer: not built, npm is missing (Node 20.19 or newer); the API and its own pages work without" >&2
  exit 0
fi
if [ -f "$built" ] && [ -z "$(find viewer -name node_modules -prune -o -type f -newer "$built" -print -quit)" ]; then
  exit 0
fi
cd viewer
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
fi
npm run --silent build
