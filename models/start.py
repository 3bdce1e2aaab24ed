"""What a worker's image runs: `python -m models.start base_gen`. Looks before it leaps, then becomes the handler.

Settings, GPU, disk and weights are looked at in this order, the cheap before the dear, and each trouble is told with
what to do about it. ComfyUI itself is started, asked what it can do, and watched by the handler
(`shared/worker/fitness.py`, `shared/comfy/process.py`).
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import structlog
from pydantic import ValidationError

from models.fetch import fetch
from models.progress import Lines
from models.selection import needed, total
from models.settings import ModelsSettings
from shared import logs
from shared.artifacts import S3Settings
from shared.comfy.settings import ComfySettings
from shared.contracts.vocabulary import Stage
from shared.errors import FatalError, MivoError
from shared.worker.settings import WorkerSettings

log = structlog.get_logger(__name__)

GPU_SECONDS = 60.0
"""A GPU that was just attached takes some seconds to answer; one that hangs never does."""
FOLDERS = ("models", "input", "output", "temp", "user")


def main(arguments: Sequence[str]) -> int:
    """Does not return when all is well: the handler takes this process over."""
    if len(arguments) != 1 or arguments[0] not in set(Stage):
        sys.stderr.write(f"usage: python -m models.start {'|'.join(Stage)}\n")
        return 2
    stage = Stage(arguments[0])
    logs.configure(stage)
    try:
        prepare(stage)
    except (MivoError, ValidationError) as error:
        log.error("worker_cannot_start", why=_reason(error))  # noqa: TRY400  the reason is for people, not the trace
        return 1
    return become_handler(stage)


def become_handler(stage: Stage) -> NoReturn:
    """In place of this process, so that signals reach the handler itself."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", f"workers.{stage}.handler"])  # noqa: S606  no shell; our own words


def prepare(stage: Stage) -> None:
    """FatalError, TransientError or ValidationError says why this machine cannot do the stage's work."""
    comfy = ComfySettings()
    worker, weights = WorkerSettings(), ModelsSettings()
    S3Settings()  # the handler reads it; here it is told before gigabytes are fetched
    if comfy.url is not None:
        log.info("worker_attaches", to=str(comfy.url))  # somebody else's ComfyUI, with its own weights
        return
    if comfy.dir is not None and "--cpu" not in shlex.split(comfy.extra_args):
        require_gpu()
    base = comfy.base_dir.absolute()
    require_writable(base)
    files = needed([stage], worker)
    log.info("weights_needed", files=len(files), bytes=total(files).bytes)
    fetch(files, base / "models", weights, Lines())
    log.info("weights_there", below=str(base / "models"))


def require_gpu() -> None:
    """FatalError unless the driver answers and shows a GPU."""
    try:
        done = subprocess.run(
            ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=GPU_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise FatalError(
            "internal",
            "no NVIDIA driver in this container: run it with a GPU (--gpus all), or set "
            "COMFYUI_EXTRA_ARGS=--cpu for a test",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise FatalError("internal", f"nvidia-smi did not answer in {GPU_SECONDS:g} s: the GPU hangs") from error
    if done.returncode or not done.stdout.strip():
        said = (done.stdout + done.stderr).strip()[:200]
        raise FatalError("internal", f"nvidia-smi shows no GPU: {said}")
    log.info("gpu", found=done.stdout.strip().splitlines())


def require_writable(base: Path) -> None:
    """FatalError unless ComfyUI's folders can be made and written by this user."""
    try:
        for folder in FOLDERS:
            (base / folder).mkdir(parents=True, exist_ok=True)
            probe = base / folder / f".probe-{os.getpid()}"
            probe.touch()
            probe.unlink()
    except OSError as error:
        raise FatalError(
            "internal",
            f"COMFYUI_BASE_DIR={base} cannot be written by uid {os.getuid()} ({error.strerror}): "
            "mount it writable for that user, or leave the variable out",
        ) from error


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        rows = (f"{'.'.join(map(str, row['loc']))}: {row['msg']}" for row in error.errors())
        return f"{error.title}: {'; '.join(rows)}"
    return str(error)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
