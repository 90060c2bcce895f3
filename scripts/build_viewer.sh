#!/usr/bin/env bash
# Build the viewer where there is one and Node to build it with; the service runs without.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ ! -f viewer/package.json ]; then exit 0; fi
if ! command -v npm >/dev/null; then
  echo "viewer: not built, npm is missing (Node 20 or newer); the API and its own pages work without" >&2
  exit 0
fi
if [ -f viewer/dist/index.html ] && [ -z "$(find viewer -name node_modules -prune -o -name dist -prune -o \
  -type f -newer viewer/dist/index.html -print -quit)" ]; then exit 0; fi
cd viewer
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
npm run --silent build
