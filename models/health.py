"""`python -m models.health`: for HEALTHCHECK. 0 while this worker's ComfyUI answers, or has not been started yet."""

import os
import sys
from pathlib import Path

import httpx

SECONDS = 5.0


def port_of(base: Path) -> int | None:
    """Where the ComfyUI of this base directory listens, as its own command line says."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:  # it has ended meanwhile
            continue
        if "--base-directory" in words and words[words.index("--base-directory") + 1] == str(base):
            return int(words[words.index("--port") + 1])
    return None


def main() -> int:
    port = port_of(Path(os.environ.get("COMFYUI_BASE_DIR", "comfyui")).absolute())
    if port is None:
        return 0
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/system_stats", timeout=SECONDS, trust_env=False)
    except httpx.HTTPError as error:
        sys.stderr.write(f"ComfyUI does not answer: {type(error).__name__}\n")
        return 1
    return 0 if answer.is_success else 1


if __name__ == "__main__":
    sys.exit(main())
