#!/usr/bin/env bash
# Sees that the studio's browser tests have a Chromium: from PATH, else from Debian (root or sudo). Its headless shell is
# preferred: the same engine without a window's frame, for half the CPU. With neither, these tests are skipped, except
# in CI.
set -euo pipefail
have() { command -v "$1" >/dev/null; }
have chromium-headless-shell && exit 0
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo -n)
if have apt-get && "${as_root[@]}" true 2>/dev/null; then
  "${as_root[@]}" apt-get update -qq || true
  for package in chromium-headless-shell chromium; do # a release of Debian without the shell has the whole browser
    "${as_root[@]}" apt-get install -y -qq --no-install-recommends "$package" >/dev/null && exit 0
  done
fi
have chromium || echo "chromium: not on PATH and apt did not give it; the tests in tests/browser will be skipped" >&2
