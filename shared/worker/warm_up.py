"""One tiny job before the first real one: weights read and on the GPU, kernels compiled, nobody charged for it.

It is the stage's own graph at the smallest legal size, of the worker's first quality and precision, so that its loaders
are those of the likeliest job and stay in ComfyUI's cache. Inputs that an earlier stage would have left are blank.
"""

import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from shared import geometry, latents, models
from shared.contracts import keys
from shared.contracts.artifact import Artifact
from shared.contracts.stage import INPUT_OF, SpatialUpscaleInput, StageInput, new_attempt_id
from shared.contracts.vocabulary import Camera, Resolution, Stage
from shared.errors import MivoError
from shared.stage import Names, StageDefinition
from shared.worker import execute, leftovers
from shared.worker.engine import Engine
from shared.worker.settings import Option, WorkerSettings

log = structlog.get_logger(__name__)

PROMPT = "A calm sea at dawn"
BLANK = Artifact(key="inputs/blank", sha256="0" * 64, bytes=1, media_type="application/octet-stream")
TOKENS, CAPTION = 1024, 3840
"""Conditioning of the 19B checkpoints: a padded prompt, and the width of each of two connectors (facts/comfyui.md
section 3). Other checkpoints say their width in their metadata."""
BROKEN = {"graph_rejected", "model_missing", "out_of_memory", "disk_full", "comfy_crashed", "comfy_unreachable"}
"""What a blank input cannot have caused: every job would end like this, so the worker is not fit."""


async def warm_up(definition: StageDefinition, engine: Engine, settings: WorkerSettings) -> None:
    """Run it, for at most `settings.warm_up_seconds`; 0 leaves it out.

    MivoError only of the codes in `BROKEN`, or when ComfyUI does not come up again. Whatever else goes wrong is logged:
    a job may well work where a blank one did not, and is slower at worst.
    """
    if not settings.warm_up_seconds:
        return
    began = time.monotonic()
    try:
        async with asyncio.timeout(settings.warm_up_seconds):
            await _run(definition, engine, settings)
    except Exception as error:
        if isinstance(error, MivoError) and error.code in BROKEN:
            raise
        why = str(error) if isinstance(error, MivoError) else type(error).__name__
        log.warning("worker_not_warm", stage=definition.stage, why=why, seconds=_since(began))
        await engine.start()
        return
    log.info("worker_warm", stage=definition.stage, seconds=_since(began))


async def _run(definition: StageDefinition, engine: Engine, settings: WorkerSettings) -> None:
    work = smallest(definition.stage, settings)
    names = Names(work.attempt_id)
    graph = definition.graph(work, names)
    with tempfile.TemporaryDirectory(prefix=leftovers.SCRATCH) as temporary:
        blank = await asyncio.to_thread(blanks, work, Path(temporary), engine.base_dir)
        async with engine.session(names) as comfy:
            await execute.hand_over(comfy, blank, names)
            await execute.execute(comfy, graph, seconds=settings.warm_up_seconds, on_progress=lambda _: None)


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)


def smallest(stage: Stage, settings: WorkerSettings) -> StageInput:
    """The likeliest job of this worker, as short and small as one may be. Pure, but for its attempt id and seed."""
    kind, attempt_id = INPUT_OF[stage], new_attempt_id()
    given: dict[str, Any] = {
        "attempt_id": attempt_id,
        "seed": int(attempt_id[:12], 16),  # another one each time, or ComfyUI would answer from its cache
        "resolution": Resolution.DRAFT,
        "duration": geometry.DRAFT_DURATIONS[0],
        "ending": "video",
        "prompt": PROMPT,
        "quality": settings.qualities[0],
        "precision": settings.precisions[0],
        "camera": Camera.STATIC if Option.CAMERA in settings.options else Camera.NONE,
        "text_encoder": settings.text_encoder,
        **dict.fromkeys(("video_latent", "audio_latent", "conditioning"), BLANK),
    }
    return kind.model_validate({name: value for name, value in given.items() if name in kind.model_fields})


def blanks(work: StageInput, folder: Path, base: Path | None) -> dict[str, Path]:
    """A file of zeros for every input of this job, by role. `base`: ComfyUI's base directory, where it is ours."""
    half = work.half_resolution or (isinstance(work, SpatialUpscaleInput) and work.upscale)
    size, frames = geometry.tier(work.resolution, half=half).generate, geometry.clip(work.duration).generate
    made: dict[str, Path] = {}
    for role in keys.inputs_of(work):
        made[role] = folder / role
        match role:
            case "video_latent":
                _save_latent(made[role], geometry.video_latent_shape(size, frames))
            case "audio_latent":
                _save_latent(made[role], geometry.audio_latent_shape(frames))
            case "conditioning":
                content = np.zeros((1, TOKENS, 2 * caption_width(work, base)), np.float16)
                about = {"num_conditionings": "1", "dtype": "float16"}
                save_file({latents.CONDITIONING: content}, made[role], metadata=about)
            case _:
                raise ValueError(f"a warm-up has no blank {role}")
    return made


def _save_latent(path: Path, shape: tuple[int, ...]) -> None:
    version = np.zeros(0, np.float32)  # tells LoadLatent that nothing is to be scaled
    save_file({latents.LATENT: np.zeros(shape, np.float32), "latent_format_version_0": version}, path)


def caption_width(work: StageInput, base: Path | None) -> int:
    """Of the checkpoint that this run samples with, by its own metadata; that of the 19B ones where it tells nothing.

    One that cannot be read is left to ComfyUI, which says what is wrong with it.
    """
    if base is None or not isinstance(work, SpatialUpscaleInput):
        return CAPTION
    file = models.checkpoint(work.quality, work.precision)
    try:
        with safe_open(base / "models" / file.folder / file.name, "np") as found:
            config = json.loads((found.metadata() or {}).get("config", "{}"))
    except (OSError, SafetensorError, ValueError):
        return CAPTION
    return int(config.get("transformer", {}).get("caption_channels", CAPTION))
