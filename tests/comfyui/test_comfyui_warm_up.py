"""The warm-up of each stage on the preview engine and on a real ComfyUI: a whole run that leaves nothing but warmth."""

from collections.abc import Callable

import pytest
import structlog

from shared.contracts.vocabulary import Stage
from shared.stage import Names
from shared.worker import Worker
from shared.worker.settings import Option, WorkerSettings
from shared.worker.warm_up import smallest
from tests.comfyui.servers import Server
from tests.comfyui.stages import Stages
from tests.contract.graphs.legal import STAGES

SETTINGS = WorkerSettings(warm_up_seconds=120, options=(Option.CAMERA,))  # there is no tiny SDPose for controls
LOADERS = 4
"""Of a base run: checkpoint, sound VAE, text encoder and camera LoRA."""


class TestWarmUp:
    @pytest.mark.parametrize("stage", Stage)
    async def test_it_runs_the_whole_stage_and_the_first_job_reads_no_weights(
        self, server: Server, stages: Stages, stage: Stage, record_property: Callable[[str, object], None]
    ) -> None:
        before = server.files()
        with structlog.testing.capture_logs() as lines:
            await Worker(STAGES[stage], stages.store, stages.engine, SETTINGS).fit()
            if stage is Stage.BASE_GEN:
                await stages.ok(STAGES[stage], **stages.asked("t2v"), ending="latents")
        assert [line["log_level"] for line in lines if line["event"].startswith("worker_")] == ["info", "info"], lines
        assert server.files() == before
        runs = [line for line in lines if line["event"] == "comfy_run"]
        work = smallest(stage, SETTINGS)
        assert runs[0]["nodes"] == len(STAGES[stage].graph(work, Names(work.attempt_id)).nodes)
        if stage is Stage.BASE_GEN and server.name == "real":  # the preview reads no weights, and keeps less
            assert runs[1]["cached"] >= LOADERS
        record_property("seconds of the warm-up", runs[0]["seconds"])
