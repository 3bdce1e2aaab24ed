"""A warm-up that goes wrong: fatal where no job could work either, a line in the log otherwise. Real processes."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import structlog

from models import weights
from shared import latents, models
from shared.artifacts import ArtifactStore, S3Settings
from shared.comfy.process import ComfyProcess
from shared.comfy.settings import ComfySettings
from shared.contracts.stage import BaseGenInput, SpatialUpscaleInput
from shared.contracts.vocabulary import Camera, Precision, Quality, Stage
from shared.errors import MivoError
from shared.stage import StageDefinition
from shared.worker import Worker
from shared.worker.engine import Engine
from shared.worker.settings import WorkerSettings
from shared.worker.warm_up import CAPTION, blanks, caption_width, smallest
from tests.comfyui.stages import with_trouble
from tests.contract.graphs.legal import STAGES
from tests.integration.models import rows
from tests.integration.worker.endpoint import TROUBLED
from tests.integration.worker.troubled_comfy import FILE
from workers.base_gen.stage import STAGE as BASE

on_one_loop = pytest.mark.asyncio(loop_scope="module")

WARM = WorkerSettings(warm_up_seconds=60)


class Lab:
    """One worker that is asked again and again whether it is fit."""

    def __init__(self, base: Path, store: ArtifactStore) -> None:
        self.base, self.store = base, store
        base.mkdir()
        self.engine = Engine(ComfyProcess(ComfySettings(command=TROUBLED, base_dir=base, extra_args="--test-nodes")))

    async def fit(
        self, trouble: str = "", *, definition: StageDefinition = BASE, settings: WorkerSettings = WARM
    ) -> str:
        """The event that tells of the warm-up; empty where there was none."""
        (self.base / FILE).write_text(json.dumps({trouble: 1}))
        with structlog.testing.capture_logs() as lines:
            async with asyncio.timeout(120):
                await Worker(definition, self.store, self.engine, settings).fit()
        assert [line["event"] for line in lines if line["event"] == "worker_fit"] == ["worker_fit"]
        told = [line for line in lines if line["event"] in {"worker_warm", "worker_not_warm"}]
        return f"{told[0]['event']}: {told[0].get('why', '')}" if told else ""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    nobody: dict[str, Any] = {"bucket": "nowhere", "access_key_id": "x", "secret_access_key": "x"}  # it needs no S3
    with ArtifactStore(S3Settings(endpoint_url="http://127.0.0.1:9", **nobody)) as store:
        made = Lab(tmp_path_factory.mktemp("warm") / "comfyui", store)
        yield made
        await made.engine.close()


@on_one_loop
async def test_without_the_setting_nothing_runs(lab: Lab) -> None:
    assert await lab.fit(settings=WorkerSettings()) == ""


@on_one_loop
@pytest.mark.parametrize(("trouble", "code"), [("oom", "out_of_memory"), ("crash", "comfy_crashed")])
async def test_a_comfyui_that_is_broken_makes_the_worker_unfit(lab: Lab, trouble: str, code: str) -> None:
    with pytest.raises(MivoError) as told:
        await lab.fit(trouble)
    assert told.value.code == code
    assert await lab.fit() == "worker_warm: ", "the next one finds a fresh process"


@on_one_loop
async def test_weights_that_fit_nothing_make_the_worker_unfit(lab: Lab) -> None:
    """As ComfyUI refuses every job's graph, whatever its inputs."""
    lost = StageDefinition(Stage.BASE_GEN, lambda work, names: BASE.graph(work, names).set("Checkpoint", ckpt_name="x"))
    with pytest.raises(MivoError, match="model_missing"):
        await lab.fit(definition=lost)


@on_one_loop
async def test_one_that_takes_too_long_is_given_up_and_the_worker_takes_jobs(lab: Lab) -> None:
    slow = WorkerSettings(warm_up_seconds=1.5)
    assert await lab.fit("stall", settings=slow) == "worker_not_warm: TimeoutError"
    assert await lab.fit() == "worker_warm: "


@on_one_loop
async def test_a_node_that_fails_on_blank_inputs_is_told_and_no_more(lab: Lab) -> None:
    boom = with_trouble(BASE, "TestRaise", nonce=1, kind="value_error")
    said = await lab.fit(definition=boom)
    assert said.startswith("worker_not_warm: internal: ")
    assert "ValueError: boom" in said
    assert list((lab.base / "output").rglob("ltx2/*/*")) == []


def test_the_likeliest_job_of_a_worker_comes_first_in_its_settings() -> None:
    both = smallest(Stage.BASE_GEN, WorkerSettings())
    assert isinstance(both, BaseGenInput)
    assert (both.quality, both.precision, both.camera) == (Quality.FAST, Precision.FP8, Camera.STATIC)
    pro = smallest(Stage.SPATIAL_UPSCALE, WorkerSettings(qualities=(Quality.PRO, Quality.FAST), options=()))
    assert isinstance(pro, SpatialUpscaleInput)
    assert (pro.quality, pro.camera, pro.duration) == (Quality.PRO, Camera.NONE, 1)
    assert {smallest(stage, WorkerSettings()).ending for stage in STAGES} == {"video"}


@pytest.mark.parametrize(
    ("metadata", "width"),
    [({"config": '{"transformer": {"caption_channels": 64}}'}, 64), ({"config": "{}"}, CAPTION), ({}, CAPTION)],
)
def test_the_width_of_the_conditioning_is_what_the_checkpoint_says(
    tmp_path: Path, metadata: dict[str, str], width: int
) -> None:
    work = smallest(Stage.SPATIAL_UPSCALE, WorkerSettings())
    file = models.file("checkpoint/distilled/fp8")
    path = rows.at(tmp_path / "models", file)
    assert caption_width(work, tmp_path) == CAPTION, "no such file"
    path.parent.mkdir(parents=True)
    path.write_bytes(weights.build({}, metadata))
    assert caption_width(work, tmp_path) == width
    path.write_bytes(b"tiny")
    assert caption_width(work, tmp_path) == CAPTION


@pytest.mark.parametrize(
    ("stage", "video", "more"),
    [
        (Stage.BASE_GEN, None, {}),
        (Stage.SPATIAL_UPSCALE, (1, 128, 4, 3, 4), {"conditioning": (1, 1024, 7680)}),
        (Stage.TEMPORAL_UPSCALE, (1, 128, 4, 6, 8), {}),
    ],
)
def test_blank_inputs_have_the_shapes_that_the_stage_before_leaves(
    tmp_path: Path, stage: Stage, video: tuple[int, ...] | None, more: dict[str, tuple[int, ...]]
) -> None:
    """facts/comfyui.md section 3, for one second at 256x192 or half of it."""
    made = blanks(smallest(stage, WorkerSettings()), tmp_path, tmp_path)
    expected = {"video_latent": video, "audio_latent": (1, 8, 27, 16), **more} if video else {}
    tensors = {"conditioning": latents.CONDITIONING}
    found = {role: latents.inspect(path, tensors.get(role, latents.LATENT)) for role, path in made.items()}
    assert {role: facts.shape for role, facts in found.items()} == expected
    assert {facts.dtype for role, facts in found.items() if role not in tensors} <= {"F32"}
