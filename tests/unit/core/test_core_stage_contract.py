"""Stage inputs, replies and keys: what travels between orchestrator, RunPod and workers."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from shared.contracts import artifact as naming
from shared.contracts.artifact import Artifact, Manifest
from shared.contracts.stage import (
    INPUT_OF,
    STAGE_OF,
    BaseGenInput,
    FromUpstream,
    ReplyArtifact,
    SpatialUpscaleInput,
    StageReply,
    TemporalUpscaleInput,
    new_attempt_id,
)
from shared.contracts.vocabulary import CONTRACT_VERSION, Camera, Quality, Resolution, Stage

KEY, ATTEMPT = "ab" * 32, "cd" * 16
ALL_TIMINGS = dict.fromkeys(("fetch", "execute", "deliver", "upload", "total"), 1234.567)


def reply_for(stage: Stage, roles: list[str]) -> StageReply:
    keys = {
        "video": naming.video_key(KEY, ATTEMPT),
        "poster": naming.poster_key(KEY, ATTEMPT),
        "image": naming.input_key(KEY),
    }
    made = {role: keys.get(role) or naming.latent_key(KEY, ATTEMPT, role) for role in roles}
    return StageReply(
        stage=stage,
        stage_key=KEY,
        manifest=naming.manifest_key(stage, KEY),
        reused=False,
        artifacts={role: ReplyArtifact(key=key, bytes=126_382_080) for role, key in made.items()},
        timings=ALL_TIMINGS,
        url="https://bucket.s3.eu-central-1.amazonaws.com/".ljust(900, "x"),
        refresh_worker=True,
    )


@pytest.mark.parametrize(
    ("stage", "roles"),
    [
        (Stage.BASE_GEN, ["video_latent", "audio_latent"]),
        (Stage.BASE_GEN, ["video_latent", "audio_latent", "video", "poster"]),
        (Stage.SPATIAL_UPSCALE, ["video_latent", "audio_latent"]),
        (Stage.SPATIAL_UPSCALE, ["video_latent", "audio_latent", "video", "poster"]),
        (Stage.TEMPORAL_UPSCALE, ["video", "poster"]),
    ],
)
def test_a_reply_is_under_2_kb(stage: Stage, roles: list[str]) -> None:
    wire = reply_for(stage, roles).model_dump_json(exclude_none=True)
    assert len(wire.encode()) < 2000
    assert StageReply.model_validate_json(wire) == reply_for(stage, roles)


def test_refresh_worker_appears_only_where_it_is_true() -> None:
    reply = reply_for(Stage.BASE_GEN, ["video"]).model_copy(update={"refresh_worker": None})
    assert "refresh_worker" not in reply.model_dump(mode="json", exclude_none=True)
    with pytest.raises(ValidationError):
        StageReply.model_validate(reply.model_dump() | {"refresh_worker": False})


def test_every_stage_has_its_input() -> None:
    assert set(INPUT_OF) == set(Stage)
    assert {stage: STAGE_OF[kind] for stage, kind in INPUT_OF.items()} == {stage: stage for stage in Stage}


def test_base_gen_works_alone_with_nothing_but_a_prompt() -> None:
    work = BaseGenInput.model_validate({"prompt": "  a cat  "})
    assert work.prompt == "a cat"
    assert (work.resolution, work.duration, work.quality) == (Resolution.HD, 10, Quality.FAST)
    assert (work.camera, work.half_resolution, work.ending) == (Camera.STATIC, True, "video")
    assert (work.seed, work.steps, work.image, work.generation_id) == (10, None, None, None)
    assert work.attempt_id != BaseGenInput.model_validate({"prompt": "a cat"}).attempt_id


def test_attempt_ids_are_hex_and_new_each_time() -> None:
    assert len({new_attempt_id() for _ in range(50)}) == 50
    assert BaseGenInput(prompt="x", attempt_id=new_attempt_id()).attempt_id


SOURCE = {"key": "inputs/x", "sha256": KEY, "bytes": 1, "media_type": "video/mp4"}
BAD_BASE: list[dict[str, Any]] = [
    {},
    {"prompt": ""},
    {"prompt": "nul \x00"},
    {"prompt": "x", "duration": "10"},
    {"prompt": "x", "duration": 11},
    {"prompt": "x", "duration": 5},
    {"prompt": "x", "resolution": "draft"},  # with the default of 10 s
    {"prompt": "x", "steps": 30},
    {"prompt": "x", "quality": "pro", "steps": 41},
    {"prompt": "x", "seed": -1},
    {"prompt": "x", "camera": "zoom"},
    {"prompt": "x", "ending": "poster"},
    {"prompt": "x", "cfg": 3},
    {"prompt": "x", "attempt_id": "../../etc"},
    {"prompt": "x", "contract_version": 1},
    {"prompt": "x", "image": {"key": "inputs/x"}},
    {"prompt": "x", "control": {"type": "depth"}},  # without its source
    {"prompt": "x", "control_source": SOURCE},
    {"prompt": "x", "control": {"type": "depth"}, "control_source": SOURCE, "camera": "jib_up"},
    {"prompt": "x", "control": {"type": "depth", "strength": 1.1}, "control_source": SOURCE},
    {"prompt": "x", "control": {"type": "tile"}, "control_source": SOURCE},
    {"prompt": "x", "control": {"type": "depth", "preprocessed": 1}, "control_source": SOURCE},
    {"prompt": "x", "detailer": True},  # the spatial stage's
    {"prompt": "x", "text_encoder": "gemma"},
]


@pytest.mark.parametrize("body", BAD_BASE, ids=lambda body: json.dumps(body)[:50])
def test_bad_input_of_base_gen_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        BaseGenInput.model_validate(body)


def test_the_later_stages_end_as_they_must(make_artifact: Any) -> None:
    latents = {role: make_artifact(role) for role in ("video_latent", "audio_latent")}
    assert TemporalUpscaleInput(**latents).ending == "video"
    with pytest.raises(ValidationError):
        TemporalUpscaleInput.model_validate({**latents, "ending": "latents"})
    with pytest.raises(ValidationError):
        SpatialUpscaleInput.model_validate({**latents, "conditioning": make_artifact("c"), "half_resolution": True})
    with pytest.raises(ValidationError):
        SpatialUpscaleInput.model_validate(latents)


def test_the_spatial_stage_takes_exactly_what_it_reads(make_artifact: Any) -> None:
    latents = {role: make_artifact(role) for role in ("video_latent", "audio_latent")}
    text, empty, image = (make_artifact(name) for name in ("text", "empty", "image"))
    refine, detail = {"conditioning": text}, {"detailer": True, "detail_conditioning": empty}
    for good in (refine, refine | detail, {"upscale": False} | detail, refine | {"image": image}):
        SpatialUpscaleInput.model_validate(latents | good)
    for bad in (
        {"upscale": False},
        detail,
        {"upscale": False} | refine | detail,
        refine | {"detailer": True},
        refine | {"detail_conditioning": empty},
        {"upscale": False, "image": image} | detail,
    ):
        with pytest.raises(ValidationError):
            SpatialUpscaleInput.model_validate(latents | bad)


def test_the_hand_written_form_names_one_source() -> None:
    assert FromUpstream(manifest=naming.manifest_key(Stage.BASE_GEN, KEY)).ending == "video"
    for body in ({}, {"manifest": "manifests/x.json", "latents": "latents/x"}, {"manifest": "/etc/passwd"}):
        with pytest.raises(ValidationError):
            FromUpstream.model_validate(body)


def test_keys_of_artifacts_carry_the_stage_key_and_the_attempt() -> None:
    assert naming.manifest_key(Stage.BASE_GEN, KEY) == f"manifests/base_gen/{KEY}.json"
    assert naming.latent_key(KEY, ATTEMPT, "video_latent") == f"latents/{KEY}/{ATTEMPT}/video_latent.safetensors"
    assert naming.video_key(KEY, ATTEMPT) == f"videos/{KEY}/{ATTEMPT}.mp4"
    assert naming.poster_key(KEY, ATTEMPT) == f"videos/{KEY}/{ATTEMPT}.jpg"
    assert naming.input_key(KEY) == f"inputs/{KEY}"


def test_the_stage_key_of_latents() -> None:
    assert naming.stage_key_of_latents(naming.latent_key(KEY, ATTEMPT, "video_latent")) == KEY
    for other in ("", "latents", f"latents/{KEY}", naming.video_key(KEY, ATTEMPT), f"inputs/{KEY}/a/b", "a/b/c/d/e"):
        with pytest.raises(ValueError, match="not the key of a latent"):
            naming.stage_key_of_latents(other)


@pytest.mark.parametrize("digest", ["", "ab" * 31, "AB" * 32, "gh" * 32, "ab" * 32 + "\n"])
def test_an_artifact_needs_a_real_digest(digest: str) -> None:
    with pytest.raises(ValidationError):
        Artifact(key="inputs/x", sha256=digest, bytes=1, media_type="image/png")


@pytest.mark.parametrize("key", ["", "/x", "a b", "a\n", "../x", "x?y", "x" * 302])
def test_an_artifact_needs_a_plain_key(key: str) -> None:
    with pytest.raises(ValidationError):
        Artifact(key=key, sha256=KEY, bytes=1, media_type="image/png")


def test_a_manifest_has_an_ending_and_survives_json(make_manifest: Any) -> None:
    manifest = make_manifest(BaseGenInput(prompt="x", attempt_id=ATTEMPT))
    assert manifest.contract_version == CONTRACT_VERSION
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest
    with pytest.raises(ValidationError, match="video"):
        Manifest.model_validate(manifest.model_dump() | {"artifacts": {"poster": manifest.artifacts["audio_latent"]}})
