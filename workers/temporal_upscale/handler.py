"""RunPod's entry: `python -m workers.temporal_upscale.handler`."""

from typing import Any

import runpod

from shared.worker import boot, run_stage
from workers.temporal_upscale.stage import STAGE

if __name__ == "__main__":
    worker = boot(STAGE)

    async def handler(job: dict[str, Any]) -> dict[str, Any]:
        return await run_stage(worker, job, lambda post: runpod.serverless.progress_update(job, post))

    runpod.serverless.register_fitness_check(worker.fit)
    runpod.serverless.start({"handler": handler})
