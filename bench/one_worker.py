"""What a team would run otherwise: `python -m bench.one_worker`, one worker that makes the whole video in one job.

For comparison only. The same engine, graphs, quality gate and encoder as ours, one graph after the other, latents kept
on its disk; S3 sees the video alone. Nothing of a job outlives it: no manifest, no progress, no adoption.
"""

import tempfile
from pathlib import Path
from typing import Any

import runpod
import structlog

from shared.contracts import keys
from shared.contracts.stage import BaseGenInput, SpatialUpscaleInput, StageInput, TemporalUpscaleInput
from shared.errors import MivoError, to_wire
from shared.stage import Names, StageDefinition
from shared.worker import Worker, boot, execute, outputs
from shared.worker.run import Timings
from shared.worker.warm_up import BLANK
from workers.base_gen.stage import STAGE as BASE_GEN
from workers.spatial_upscale.stage import STAGE as SPATIAL_UPSCALE
from workers.temporal_upscale.stage import STAGE as TEMPORAL_UPSCALE

log = structlog.get_logger(__name__)


def works(given: dict[str, Any]) -> list[tuple[StageDefinition, StageInput]]:
    """Three stages of one draft; latents come from this disk, so their artifacts are blank."""
    size = {"resolution": "draft", "duration": given["duration"]}
    latents = {"video_latent": BLANK, "audio_latent": BLANK}
    same = {"seed": given["seed"], "ending": "latents"}
    base = BaseGenInput.model_validate({**size, **same, "prompt": given["prompt"]})
    spatial = SpatialUpscaleInput.model_validate({**size, **same, **latents, "conditioning": BLANK})
    temporal = TemporalUpscaleInput.model_validate({**size, **latents})
    return [(BASE_GEN, base), (SPATIAL_UPSCALE, spatial), (TEMPORAL_UPSCALE, temporal)]


async def make(worker: Worker, given: dict[str, Any]) -> dict[str, Any]:
    """Key and bytes of the video, and the seconds of each phase."""
    timings = Timings()
    stages = works(given)
    last = stages[-1][1]
    names = Names(last.attempt_id)
    with tempfile.TemporaryDirectory(prefix="ltx2-one-worker-") as temporary:
        folder = Path(temporary)
        made: dict[str, Path] = {}
        async with worker.engine.session(names) as comfy:
            for definition, work in stages:
                await execute.hand_over(comfy, {role: made[role] for role in keys.inputs_of(work)}, names)
                graph = definition.graph(work, names)
                with timings.of(definition.stage):
                    run = await execute.execute(
                        comfy, graph, seconds=execute.deadline(work), on_progress=lambda _: None
                    )
                made = await execute.collect(comfy, graph, run, names, folder)
        with timings.of("deliver"):
            files = await outputs.check_video(last, made["video"], folder, names.execution)
        with timings.of("upload"):
            artifacts = await outputs.upload(worker.store, files)
    video = artifacts["video"]
    return {"video": video.key, "bytes": video.bytes, "timings": timings.seconds | {"total": timings.so_far()}}


if __name__ == "__main__":
    one = boot(BASE_GEN)

    async def handler(job: dict[str, Any]) -> dict[str, Any]:
        try:
            return await make(one, job["input"])
        except MivoError as error:
            log.warning("one_worker", outcome="failed", error=str(error))
            return {"error": to_wire(error)}

    runpod.serverless.register_fitness_check(one.fit)
    runpod.serverless.start({"handler": handler})
