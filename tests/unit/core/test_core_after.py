"""What a later stage is asked to do, from what the stage before it left behind."""

from typing import Any

import pytest

from shared.contracts import keys
from shared.contracts.artifact import Manifest
from shared.contracts.stage import BaseGenInput, SpatialUpscaleInput, StageInput, TemporalUpscaleInput
from shared.contracts.vocabulary import Camera, Stage
from shared.errors import UserError

B = "b" * 32


def test_after_base_gen_comes_the_refine_of_the_same_video(works: Any, make_manifest: Any) -> None:
    unusual = {"resolution": "1080p", "duration": 20, "precision": "full", "camera": "jib_up", "seed": 99}
    free = {"control": None, "control_source": None}
    base = BaseGenInput.model_validate(works.base.model_dump() | unusual | free)
    upstream = make_manifest(base)
    found = keys.after(upstream, Stage.SPATIAL_UPSCALE, ending="latents", attempt_id=B, generation_id="g")
    assert isinstance(found, SpatialUpscaleInput)
    for name in ("resolution", "duration", "quality", "precision", "camera", "seed", "image"):
        assert getattr(found, name) == getattr(base, name)
    for role in ("video_latent", "audio_latent", "conditioning"):
        assert getattr(found, role) == upstream.artifacts[role]
    assert (found.half_resolution, found.ending, found.attempt_id, found.generation_id) == (False, "latents", B, "g")


@pytest.mark.parametrize("which", ["base", "spatial"])
def test_after_either_comes_the_temporal_upscale(works: Any, make_manifest: Any, which: str) -> None:
    work = getattr(works, which)
    upstream = make_manifest(work)
    found = keys.after(upstream, Stage.TEMPORAL_UPSCALE, ending="video", attempt_id=B, generation_id=None)
    assert isinstance(found, TemporalUpscaleInput)
    assert keys.inputs_of(found) == {role: upstream.artifacts[role] for role in ("video_latent", "audio_latent")}
    assert (found.resolution, found.duration) == (work.resolution, work.duration)
    assert found.half_resolution is work.half_resolution


def test_after_refuses_what_cannot_follow(works: Any, make_manifest: Any) -> None:
    def after(work: StageInput, stage: Stage, *lost: str) -> StageInput:
        manifest = make_manifest(work)
        left = {role: made for role, made in manifest.artifacts.items() if role not in lost}
        manifest = manifest.model_copy(update={"artifacts": left})
        return keys.after(manifest, stage, ending="video", attempt_id=B, generation_id=None)

    with pytest.raises(ValueError, match="nothing comes before"):
        after(works.base, Stage.BASE_GEN)
    with pytest.raises(KeyError, match="conditioning"):
        after(works.base, Stage.SPATIAL_UPSCALE, "conditioning")
    with pytest.raises(KeyError, match="audio_latent"):
        after(works.spatial, Stage.TEMPORAL_UPSCALE, "audio_latent")
    full = works.base.model_copy(update={"half_resolution": False})
    with pytest.raises(UserError, match="full size"):
        after(full, Stage.SPATIAL_UPSCALE)
    with pytest.raises(KeyError, match="detail_conditioning"):
        keys.after(
            lacking(make_manifest(full), "detail_conditioning"),
            Stage.SPATIAL_UPSCALE,
            ending="video",
            attempt_id=B,
            generation_id=None,
            detailer=True,
        )
    with pytest.raises(UserError, match="spatial_upscale"):
        keys.after(
            make_manifest(full),
            Stage.TEMPORAL_UPSCALE,
            ending="video",
            attempt_id=B,
            generation_id=None,
            detailer=True,
        )


def lacking(manifest: Manifest, role: str) -> Manifest:
    return manifest.model_copy(update={"artifacts": {r: a for r, a in manifest.artifacts.items() if r != role}})


@pytest.mark.parametrize("half", [True, False])
@pytest.mark.parametrize("detailer", [True, False])
def test_the_spatial_stage_reads_only_what_it_uses(works: Any, make_manifest: Any, half: bool, detailer: bool) -> None:
    if not (half or detailer):
        return
    upstream = make_manifest(works.base.model_copy(update={"half_resolution": half}))
    found = keys.after(
        upstream, Stage.SPATIAL_UPSCALE, ending="video", attempt_id=B, generation_id=None, detailer=detailer
    )
    assert isinstance(found, SpatialUpscaleInput)
    assert (found.upscale, found.detailer) == (half, detailer)
    wanted = {"video_latent", "audio_latent"}
    wanted |= {"conditioning", "image"} if half else set()
    wanted |= {"detail_conditioning"} if detailer else set()
    assert set(keys.inputs_of(found)) == wanted, "a control's source is not carried on"


def test_a_control_leaves_no_camera_to_the_refine(works: Any, make_manifest: Any) -> None:
    assert works.base.camera is Camera.STATIC
    assert works.base.lora_camera is Camera.NONE
    upstream = make_manifest(works.base)
    found = keys.after(upstream, Stage.SPATIAL_UPSCALE, ending="video", attempt_id=B, generation_id=None)
    assert isinstance(found, SpatialUpscaleInput)
    assert found.camera is Camera.NONE


def test_without_an_image_there_is_none_downstream(works: Any, make_manifest: Any) -> None:
    upstream = make_manifest(works.base.model_copy(update={"image": None}))
    found = keys.after(upstream, Stage.SPATIAL_UPSCALE, ending="video", attempt_id=B, generation_id=None)
    assert "image" not in keys.inputs_of(found)
