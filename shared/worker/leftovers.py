"""What executions that died left on a worker's disk, which outlives the process on RunPod as well."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import structlog

from shared.stage import EXECUTIONS
from shared.worker.execute import CONDITIONING_FOLDER

log = structlog.get_logger(__name__)

SCRATCH = "ltx2-job-"
"""Prefix of a job's own folder below the system's temporary one."""
STALE_SECONDS = 24 * 3600.0
"""No run may last longer: RunPod's own limit. Workers may share a ComfyUI's folders, so younger ones may be in use."""


def sweep(base: Path | None) -> int:
    """Removes the stale ones and returns how many there were. `base`: ComfyUI's base directory, where it is ours."""
    removed = 0
    for path in _executions(base):
        try:
            if time.time() - path.stat().st_mtime < STALE_SECONDS:
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        except OSError as error:  # another worker was quicker, or it is not ours
            log.info("leftover_stays", error=type(error).__name__)
            continue
        removed += 1
    if removed:
        log.warning("leftovers_removed", count=removed)
    return removed


def _executions(base: Path | None) -> Iterator[Path]:
    yield from Path(tempfile.gettempdir()).glob(f"{SCRATCH}*")
    if base is not None:
        yield from (base / "input" / CONDITIONING_FOLDER).glob("*.safetensors")
        for kind in ("input", "output"):
            yield from (base / kind / EXECUTIONS).glob("*")
