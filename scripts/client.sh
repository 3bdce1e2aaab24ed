#!/usr/bin/env bash
# An npm script of clients/typescript (generate, build, test ...), with its dependencies as the lock file says: they
# are installed once for each state of the lock file, also when two processes want them at the same time.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
export PATH="$root/.venv/bin:$PATH"
bash "$root/scripts/ensure_node.sh"
cd "$root/clients/typescript"
stamp=node_modules/.installed
wanted=$(cat package-lock.json package.json examples/*/package.json | sha256sum)
exec 9>.install.lock
flock 9
if [ "$(cat $stamp 2>/dev/null)" != "$wanted" ]; then
  npm ci --silent --no-audit --no-fund
  echo "$wanted" >$stamp
fi
flock -u 9
exec npm run --silent "$@"
