"""The GPU that this container got: is there one, is it large enough, is its driver new enough, what ComfyUI is told."""

import re
import subprocess
from dataclasses import dataclass

import structlog

from shared.contracts.vocabulary import Precision, Stage
from shared.errors import FatalError
from shared.worker.settings import WorkerSettings

log = structlog.get_logger(__name__)

SECONDS = 60.0
"""A GPU that was just attached takes some seconds to answer; one that hangs never does."""
QUESTION = ("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
ROW = re.compile(r"(?P<name>[^,]+), (?P<mib>\d+|\[[^]]+\])(?: MiB)?, (?P<driver>(?P<major>\d+)[.\d]*)")

LEAST_DRIVER = 570
"""Of CUDA 12.8, which torch's wheels bring (dockerfiles/comfyui.in)."""
LEAST_GB = {Precision.FP8: 44.0, Precision.FULL: 75.0}
"""Of the two stages with a transformer: cards sold as 48 and as 80 GB. Its weights take 21.5 or 37.8 GB, a 1080p clip
of 20 s another 8 and more (facts/ltx2.md sections 5.3 and 6.4, estimated)."""
LEAST_GB_DECODING = 22.0
"""Of the temporal stage, cards sold as 24 GB: 3 GB of weights, and the tiled decoder."""
RESERVED_GB = 5
"""What ComfyUI leaves free beside a transformer: it knows too little of what LTX-2 needs while it samples
(facts/ltx2.md section 6.4)."""


@dataclass(frozen=True)
class Gpu:
    """The first one; ComfyUI uses no other."""

    name: str
    gigabytes: float | None
    """10^9 bytes. None where the driver does not tell, as of a slice of a GPU."""
    driver: str

    @property
    def driver_major(self) -> int:
        return int(self.driver.partition(".")[0])


def look() -> Gpu:
    """FatalError unless the driver answers and shows a GPU."""
    try:
        done = subprocess.run(  # noqa: S603  our own words
            QUESTION, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except FileNotFoundError as error:
        raise FatalError(
            "internal",
            "no NVIDIA driver in this container: run it with a GPU (--gpus all), or set "
            "COMFYUI_EXTRA_ARGS=--cpu for a test",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise FatalError("internal", f"nvidia-smi did not answer in {SECONDS:g} s: the GPU hangs") from error
    found = None if done.returncode else read(done.stdout)
    if found is None:
        said = (done.stdout + done.stderr).strip()[:200]
        raise FatalError("internal", f"nvidia-smi shows no GPU: {said}; another host may be sound")
    log.info("gpu", name=found.name, gigabytes=found.gigabytes, driver=found.driver)
    return found


def read(answer: str) -> Gpu | None:
    """From the answer to `QUESTION`; None when it tells of no GPU. Pure."""
    row = ROW.match(answer.strip())
    if row is None:
        return None
    known = row["mib"].isdecimal()
    return Gpu(row["name"].strip(), int(row["mib"]) * 2**20 / 1e9 if known else None, row["driver"])


def require_good(gpu: Gpu, stage: Stage, settings: WorkerSettings) -> None:
    """FatalError when the driver is too old, or the memory too small for the stage at its precision. Pure."""
    if gpu.driver_major < LEAST_DRIVER:
        raise FatalError(
            "internal",
            f"the driver of this host is {gpu.driver}, and torch for CUDA 12.8 wants {LEAST_DRIVER} or newer: "
            "let the endpoint use hosts with CUDA 12.8 or newer only",
        )
    least = least_gigabytes(stage, settings)
    if gpu.gigabytes is not None and gpu.gigabytes < least:
        raise FatalError(
            "internal",
            f"{gpu.name} has {gpu.gigabytes:.0f} GB, and {stage} at precision {','.join(settings.precisions)} wants "
            f"{least:g} or more: give the endpoint larger GPUs, or set WORKER_LEAST_VRAM_GB to try all the same",
        )


def least_gigabytes(stage: Stage, settings: WorkerSettings) -> float:
    """Of GPU memory, in 10^9 bytes."""
    if settings.least_vram_gb is not None:
        return settings.least_vram_gb
    if stage is Stage.TEMPORAL_UPSCALE:
        return LEAST_GB_DECODING
    return max(LEAST_GB[precision] for precision in settings.precisions)


def flags(stage: Stage, said: list[str]) -> list[str]:
    """What ComfyUI is told of the GPU, unless somebody `said` something else.

    Nothing of fp8: the fp8 checkpoints are fp8 in the file, and ComfyUI computes as the file and the GPU allow; its
    own flags would only convert what is not. Nothing that keeps models in memory: it puts out what it needs room for,
    and nothing else.
    """
    if stage is Stage.TEMPORAL_UPSCALE or "--cpu" in said or any(word.startswith("--reserve-vram") for word in said):
        return []
    return ["--reserve-vram", str(RESERVED_GB)]
