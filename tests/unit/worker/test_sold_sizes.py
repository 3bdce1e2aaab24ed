"""Whatever is sold is delivered exactly: every tier, duration and toggle, from the plan down to the last crop. Pure."""

from datetime import UTC, datetime
from itertools import product

import pytest

from orchestrator.plan import Plan, make_plan, stage_input
from shared import delivery, geometry
from shared.contracts import keys
from shared.contracts.artifact import Artifact, Manifest
from shared.contracts.request import GenerationRequest
from shared.contracts.stage import STAGE_OF, SpatialUpscaleInput, StageInput, TemporalUpscaleInput
from shared.worker.outputs import sampled

SOLD = {"720p": (1280, 720), "1080p": (1920, 1080)}
ALL = list(product(SOLD, (10, 15, 20), (True, False), (True, False)))


def artifact(role: str, shape: tuple[int, ...] | None = None) -> Artifact:
    return Artifact(key=f"latents/{role}", sha256="0" * 64, bytes=1, media_type="a/b", shape=shape)


def left_by(work: StageInput) -> Manifest:
    """What a worker leaves that made exactly what it was asked for."""
    shape = geometry.video_latent_shape(*sampled(work))
    made = {"video_latent": artifact("video", shape), "audio_latent": artifact("audio")}
    made |= {role: artifact(role) for role in ("conditioning", "detail_conditioning")}
    return Manifest(
        stage=STAGE_OF[type(work)],
        stage_key="0" * 64,
        attempt_id=work.attempt_id,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        artifacts=made,
        params=keys.params_of(work),
        recipe={},
        models={},
    )


def runs_of(plan: Plan) -> list[StageInput]:
    """The inputs of all stage runs, each made of what the one before left."""
    found: list[StageInput] = []
    upstream: Manifest | None = None
    for number, step in enumerate(plan.stages):
        work = stage_input(step, attempt_id=f"{number:032x}", generation_id="0" * 32, image=None, upstream=upstream)
        found.append(work)
        upstream = left_by(work)
    return found


def as_read(work: StageInput) -> tuple[int, ...]:
    """The shape of the video latent that a run makes of the one that it reads."""
    assert isinstance(work, SpatialUpscaleInput | TemporalUpscaleInput)
    assert work.video_latent.shape is not None
    batch, channels, frames, rows, columns = work.video_latent.shape
    factor = 2 if isinstance(work, SpatialUpscaleInput) and work.upscale else 1
    return (batch, channels, frames, rows * factor, columns * factor)


@pytest.mark.parametrize("detailer", [False, True])
@pytest.mark.parametrize(("resolution", "duration", "spatial", "temporal"), ALL)
def test_every_combination_is_exact(
    resolution: str, duration: int, spatial: bool, temporal: bool, detailer: bool
) -> None:
    asked = {"prompt": "x", "resolution": resolution, "duration": duration, "detailer": detailer}
    request = GenerationRequest.model_validate({**asked, "spatial_upscale": spatial, "temporal_upscale": temporal})
    plan = make_plan(request, seed=1)
    width, height = SOLD[resolution]
    fps = 48 if temporal else 24
    delivers = plan.delivers
    assert (delivers.width, delivers.height, delivers.frames, delivers.fps) == (width, height, fps * duration, fps)
    assert delivers.seconds == duration
    runs = runs_of(plan)
    assert len(runs) == 1 + (spatial or detailer) + temporal
    for work in runs:
        crop, (size, frames) = delivery.of(work).crop, sampled(work)
        assert frames == 24 * duration + 1
        assert 0 <= crop.x == size.width - crop.x - crop.width, "only padding is cut away, the same on both sides"
        assert 0 <= crop.y == size.height - crop.y - crop.height
        assert (crop.width * 9, crop.y % 2) == (crop.height * 16, 0)
        made = geometry.video_latent_shape(size, frames)
        if work is not runs[0]:
            assert as_read(work) == made
    last, want = runs[-1], delivery.of(runs[-1])
    assert last.ending == "video"
    assert all(work.ending == "latents" for work in runs[:-1])
    assert (want.size.width, want.size.height) == (width, height)
    assert (want.clip.deliver, want.clip.fps, want.clip.seconds) == (fps * duration, fps, duration)
    decoded = 2 * (24 * duration + 1) - 1 if temporal else 24 * duration + 1
    assert want.clip.generate == decoded >= want.clip.deliver


def test_there_are_24_of_them() -> None:
    assert len(set(ALL)) == 2 * 3 * 4
