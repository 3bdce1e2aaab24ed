"""The life of a job, with a real S3 and the preview engine as ComfyUI, through all three stages."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from local.picture import lighthouse
from shared import media
from shared.contracts.artifact import input_key
from shared.contracts.stage import new_attempt_id
from shared.contracts.vocabulary import Stage
from shared.stage import StageDefinition
from tests.integration.worker.conftest import Stages
from workers.base_gen.stage import STAGE as BASE
from workers.spatial_upscale.stage import STAGE as SPATIAL
from workers.temporal_upscale.stage import STAGE as TEMPORAL

DRAFT = {"resolution": "draft", "duration": 1}


def files_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and "ltx2" in str(path))


async def test_a_prompt_alone_goes_through_all_three_stages(stages: Stages, tmp_path: Path) -> None:
    base = await stages.ok(BASE, prompt="a lighthouse in a storm", **DRAFT)
    assert set(base.artifacts) == {"video_latent", "audio_latent", "video", "poster"}
    spatial = await stages.ok(SPATIAL, manifest=base.manifest)
    assert set(spatial.artifacts) == {"video_latent", "audio_latent", "video", "poster"}
    temporal = await stages.ok(TEMPORAL, latents=spatial.artifacts["video_latent"].key)
    assert set(temporal.artifacts) == {"video", "poster"}
    for reply, size, fps in ((base, (128, 72), 24), (spatial, (256, 144), 24), (temporal, (256, 144), 48)):
        manifest = stages.store.read_manifest_at(reply.manifest)
        assert "preview" in manifest.versions["engine"]
        assert "lighthouse" not in manifest.model_dump_json()
        told = manifest.timings
        assert told["fetch"] <= told["accepted"] <= told["ended"] <= reply.timings["total"]
        stages.store.download(manifest.artifacts["video"], tmp_path / "v.mp4")
        info = await media.probe(tmp_path / "v.mp4")
        assert (info.width, info.height) == size
        assert (info.frames, int(info.fps), info.has_audio) == (fps, fps, True)
    assert files_of(tmp_path / "comfyui") == []


async def test_sound_is_made_once_and_carried(stages: Stages) -> None:
    base = await stages.ok(BASE, prompt="bells", ending="latents", **DRAFT)
    spatial = await stages.ok(SPATIAL, manifest=base.manifest, ending="latents")
    digests = [
        stages.store.read_manifest_at(reply.manifest).artifacts["audio_latent"].sha256 for reply in (base, spatial)
    ]
    assert digests[0] == digests[1]


async def test_the_same_work_is_rendered_once(stages: Stages) -> None:
    first = await stages.ok(BASE, prompt="a fox", **DRAFT)
    again = await stages.ok(BASE, prompt="a fox", attempt_id=new_attempt_id(), generation_id="other", **DRAFT)
    assert (first.reused, again.reused) == (False, True)
    assert again.artifacts == first.artifacts
    other = await stages.ok(BASE, prompt="a fox", seed=11, **DRAFT)
    assert not other.reused


async def test_a_run_that_decodes_stands_for_its_latents_as_well(stages: Stages) -> None:
    base = await stages.ok(BASE, prompt="a fox", ending="latents", **DRAFT)
    await stages.ok(SPATIAL, manifest=base.manifest, ending="video")
    assert (await stages.ok(SPATIAL, manifest=base.manifest, ending="latents")).reused


async def test_a_job_that_is_delivered_twice_to_one_comfyui_still_writes_its_files(stages: Stages) -> None:
    attempt = new_attempt_id()
    first = await stages.ok(BASE, prompt="a fox", attempt_id=attempt, ending="latents", **DRAFT)
    stages.store.discard_manifest(Stage.BASE_GEN, first.stage_key)  # as if that worker had died before it wrote it
    second = await stages.ok(BASE, prompt="a fox", attempt_id=attempt, ending="latents", **DRAFT)
    assert not second.reused
    assert second.artifacts["video_latent"].key != first.artifacts["video_latent"].key


async def test_an_image_travels_to_the_refine(stages: Stages) -> None:
    made = stages.store.upload_bytes(lighthouse(), "inputs/x", media_type="image/png")
    image = stages.store.upload_bytes(lighthouse(), input_key(made.sha256), media_type="image/png")
    base = await stages.ok(BASE, prompt="waves", image=image.model_dump(), **DRAFT)
    spatial = await stages.ok(SPATIAL, manifest=base.manifest)
    for reply in (base, spatial):
        assert stages.store.read_manifest_at(reply.manifest).artifacts["image"] == image
        assert "image" not in reply.artifacts


async def test_progress_is_told_and_none_comes_after_the_reply(stages: Stages) -> None:
    await stages.ok(BASE, prompt="a fox", **DRAFT)
    assert stages.posts
    assert stages.posts[0]["phase"] == "fetching"
    assert all(0 <= post["fraction"] <= 1 for post in stages.posts)


@pytest.mark.parametrize(
    ("definition", "given", "code", "said"),
    [
        (BASE, {}, "invalid_input", "prompt"),
        (BASE, {"prompt": "x", "camera": "zoom"}, "invalid_input", "camera"),
        (BASE, {"prompt": "x", "duration": 7}, "invalid_input", "10, 15, 20"),
        (BASE, {"prompt": "x", "steps": 25}, "invalid_input", "pro"),
        (BASE, {"prompt": "x", "negative": "y"}, "invalid_input", "negative"),
        (BASE, {"prompt": "x", "contract_version": 1}, "contract_mismatch", "1"),
        (SPATIAL, {"prompt": "x"}, "invalid_input", "video_latent"),
        (SPATIAL, {"manifest": "manifests/base_gen/none.json"}, "artifact_missing", ""),
        (SPATIAL, {"latents": "videos/x.mp4"}, "invalid_input", "not the key of a latent"),
        (SPATIAL, {"latents": f"latents/{'a' * 64}/x/y.safetensors"}, "artifact_missing", "no stage"),
        (TEMPORAL, {"manifest": "manifests/x", "latents": "latents/y"}, "invalid_input", "not both"),
    ],
)
async def test_bad_input_is_a_typed_error_and_renders_nothing(
    stages: Stages, definition: StageDefinition, given: dict[str, Any], code: str, said: str
) -> None:
    error = await stages.error(definition, **given)
    assert error.code == code
    assert said in error.message
    assert error.stage == definition.stage
    assert stages.engine.pid is None


async def test_a_refine_cannot_follow_a_base_at_full_size(stages: Stages) -> None:
    base = await stages.ok(BASE, prompt="x", half_resolution=False, **DRAFT)
    error = await stages.error(SPATIAL, manifest=base.manifest)
    assert (error.code, "full size already" in error.message) == ("invalid_input", True)


async def test_a_damaged_input_is_the_fault_of_the_stage_before(stages: Stages) -> None:
    base = await stages.ok(BASE, prompt="x", ending="latents", **DRAFT)
    key = base.artifacts["video_latent"].key
    stages.store.upload_bytes(b"x" * base.artifacts["video_latent"].bytes, key, media_type="a/b")
    assert (await stages.error(SPATIAL, manifest=base.manifest)).code == "artifact_corrupt"


async def test_the_engine_comes_back_after_it_was_killed(stages: Stages) -> None:
    await stages.ok(BASE, prompt="one", **DRAFT)
    running = stages.engine.pid
    assert running is not None
    os.kill(running, signal.SIGKILL)
    assert not (await stages.ok(BASE, prompt="two", **DRAFT)).reused
