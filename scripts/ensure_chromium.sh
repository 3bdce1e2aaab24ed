#!/usr/bin/env bash
# Sees that the studio's browser tests have a Chromium: from PATH, else from Debian (root or sudo). Without one these
# tests are skipped, except in CI.
set -euo pipefail
have() { command -v chromium >/dev/null; }
have && exit 0
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo -n)
if command -v apt-get >/dev/null && "${as_root[@]}" true 2>/dev/null; then
  "${as_root[@]}" apt-get update -qq && "${as_root[@]}" apt-get install -y -qq --no-install-recommends chromium >/dev/null || true
fi
have || echo "chromium: not on PATH and apt did not give it; the tests in tests/browser will be skipped" >&2
