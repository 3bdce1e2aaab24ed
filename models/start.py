"""What a worker's image runs: `python -m models.start base_gen`. Looks before it leaps, then becomes the handler.

Settings, storage, GPU, disk and weights are looked at in this order, the cheap before the dear, and each trouble is
told with what to do about it. ComfyUI itself is started, asked what it can do, and watched by the handler
(`shared/worker/fitness.py`, `shared/comfy/process.py`).
"""

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar

import structlog
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from models import environment, gpu
from models.fetch import fetch
from models.progress import Lines
from models.selection import needed, total
from models.settings import ModelsSettings
from shared import logs
from shared.artifacts import S3Settings, probe
from shared.comfy.settings import ComfySettings
from shared.contracts.vocabulary import Stage
from shared.errors import FatalError, MivoError
from shared.worker.settings import WorkerSettings

log = structlog.get_logger(__name__)

T = TypeVar("T", bound=BaseSettings)
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
    except MivoError as error:
        log.error("worker_cannot_start", why=str(error))  # noqa: TRY400  the reason is for people, not the trace
        return 1
    return become_handler(stage)


def become_handler(stage: Stage) -> NoReturn:
    """In place of this process, so that signals reach the handler itself."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", f"workers.{stage}.handler"])  # noqa: S606  no shell; our own words


@dataclass(frozen=True)
class Settings:
    """Of a worker."""

    comfy: ComfySettings
    worker: WorkerSettings
    weights: ModelsSettings
    s3: S3Settings


def read_environment() -> Settings:
    """FatalError names everything that is wrong with it, at once."""
    trouble: list[str] = []

    def read(kind: type[T]) -> T | None:
        try:
            return kind()
        except ValidationError as error:
            rows = (f"{'.'.join(map(str, row['loc']))}: {row['msg']}" for row in error.errors(include_input=False))
            trouble.append(f"{error.title}: {'; '.join(rows)}")
            return None

    comfy, worker, weights, s3 = read(ComfySettings), read(WorkerSettings), read(ModelsSettings), read(S3Settings)
    trouble += environment.misspelled(os.environ)
    if trouble or not (comfy and worker and weights and s3):
        raise FatalError("internal", f"{'; '.join(trouble)} (docs/settings.md lists all variables)")
    return Settings(comfy, worker, weights, s3)


def prepare(stage: Stage) -> None:
    """FatalError or TransientError says why this machine cannot do the stage's work."""
    given = read_environment()
    comfy = given.comfy
    probe.require_usable(given.s3, stage)
    if comfy.url is not None:
        log.info("worker_attaches", to=str(comfy.url))  # somebody else's ComfyUI, with its own weights
        return
    require_comfyui(comfy)
    said = shlex.split(comfy.extra_args)
    if comfy.dir is not None and "--cpu" not in said:
        gpu.require_good(gpu.look(), stage, given.worker)
        os.environ["COMFYUI_EXTRA_ARGS"] = shlex.join([*said, *gpu.flags(stage, said)])  # for the handler
    base = comfy.base_dir.absolute()
    require_writable(base)
    files = needed([stage], given.worker)
    log.info("weights_needed", files=len(files), bytes=total(files).bytes)
    fetch(files, base / "models", given.weights, Lines())
    log.info("weights_there", below=str(base / "models"))


def require_comfyui(comfy: ComfySettings) -> None:
    """FatalError unless there is something to start."""
    if comfy.dir is not None and not (comfy.dir / "main.py").is_file():
        raise FatalError("internal", f"COMFYUI_DIR={comfy.dir} holds no main.py: it has to be a checkout of ComfyUI")
    program = next(iter(comfy.argv), "")
    if shutil.which(program) is None:
        name = "COMFYUI_PYTHON" if comfy.dir is not None else "COMFYUI_COMMAND"
        raise FatalError("internal", f"{name} names {program}, which is no program here")


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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
