"""The list of weight files, and which of them each stage reads (facts/ltx2.md sections 5.1 and 5.4)."""

import re
from itertools import product

import pytest

from shared import models
from shared.contracts.vocabulary import Camera, Precision, Quality, Stage

FOLDERS = {"checkpoints", "vae", "text_encoders", "latent_upscale_models", "loras"}

FACTS = [
    # role, bytes, start of the sha256
    ("checkpoint/dev/fp8", 27_078_716_018, "8a67e709"),
    ("checkpoint/distilled/fp8", 27_078_716_346, "8ae14327"),
    ("upscaler/spatial", 995_765_578, "3160fabf"),
    ("upscaler/temporal", 261_965_800, "9a35c2eb"),
    ("lora/distilled", 7_674_558_424, "2718f895"),
    ("camera/dolly_in", 327_309_208, "0da937d5"),
    ("camera/dolly_left", 327_309_208, "fdd28ee1"),
    ("camera/dolly_out", 327_309_208, "554c30e6"),
    ("camera/dolly_right", 327_309_208, "ee1a3a34"),
    ("camera/jib_down", 2_214_978_664, "5a2f72b2"),
    ("camera/jib_up", 2_214_978_664, "c4e8bd62"),
    ("camera/static", 2_214_978_664, "6b79aad7"),
]


@pytest.mark.parametrize("file", list(models.all_files().values()), ids=lambda file: file.role)
def test_every_file_says_where_it_lies_and_where_it_comes_from(file: models.ModelFile) -> None:
    assert file.folder in FOLDERS
    assert file.name.endswith(".safetensors")
    assert "/" not in file.name
    assert (file.repository is None) != (file.split_from is None), "one origin, exactly"
    if file.sha256 is not None:
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert file.bytes
    if file.split_from is not None:
        assert models.file(file.split_from).folder == "checkpoints"


def test_no_two_files_share_a_place_a_hash_or_an_identity() -> None:
    files = list(models.all_files().values())
    hashes = [file.sha256 for file in files if file.sha256]
    for values in ([(file.folder, file.name) for file in files], hashes, [file.identity for file in files]):
        assert len(set(values)) == len(values)


@pytest.mark.parametrize(("role", "size", "start"), FACTS)
def test_sizes_and_hashes_are_those_of_the_facts(role: str, size: int, start: str) -> None:
    file = models.file(role)
    assert file.bytes == size
    assert (file.sha256 or "").startswith(start)
    assert file.identity == file.sha256


def test_an_identity_without_a_hash_says_where_the_file_comes_from() -> None:
    assert models.file("text_encoder/full").identity == "Comfy-Org/ltx-2/gemma_3_12B_it.safetensors"
    assert models.file("video_vae").identity == "checkpoint/dev/fp8/ltx-2-19b-video-vae.safetensors"


@pytest.mark.parametrize("camera", Camera)
def test_every_camera_but_none_has_its_lora(camera: Camera) -> None:
    lora = models.camera_lora(camera)
    if camera is Camera.NONE:
        assert lora is None
    else:
        assert lora is not None
        assert lora.name == f"ltx-2-19b-lora-camera-control-{camera.replace('_', '-')}.safetensors"


STAGE_FILES = [
    (Stage.BASE_GEN, "fast", ["checkpoint/distilled/{p}", "text_encoder/{p}", "camera/jib_up"]),
    (Stage.BASE_GEN, "pro", ["checkpoint/dev/{p}", "text_encoder/{p}", "camera/jib_up"]),
    (Stage.SPATIAL_UPSCALE, "fast", ["checkpoint/distilled/{p}", "upscaler/spatial", "camera/jib_up"]),
    (Stage.SPATIAL_UPSCALE, "pro", ["checkpoint/dev/{p}", "upscaler/spatial", "lora/distilled", "camera/jib_up"]),
    (Stage.TEMPORAL_UPSCALE, "fast", ["video_vae", "audio_vae", "upscaler/temporal"]),
    (Stage.TEMPORAL_UPSCALE, "pro", ["video_vae", "audio_vae", "upscaler/temporal"]),
]


@pytest.mark.parametrize(("stage", "quality", "roles"), STAGE_FILES)
@pytest.mark.parametrize("precision", Precision)
def test_files_of_a_stage(stage: Stage, quality: str, roles: list[str], precision: Precision) -> None:
    expected = [role.format(p=precision) for role in roles]

    def found(camera: Camera) -> list[str]:
        chosen = models.files_of(stage, quality=Quality(quality), precision=precision, camera=camera)
        return [file.role for file in chosen]

    assert found(Camera.JIB_UP) == expected
    assert found(Camera.NONE) == [role for role in expected if role != "camera/jib_up"]


@pytest.mark.parametrize(("quality", "precision", "camera"), list(product(Quality, Precision, Camera)))
def test_temporal_upscaling_needs_neither_transformer_nor_text_encoder(
    quality: Quality, precision: Precision, camera: Camera
) -> None:
    chosen = models.files_of(Stage.TEMPORAL_UPSCALE, quality=quality, precision=precision, camera=camera)
    assert not [file for file in chosen if file.role.startswith(("checkpoint/", "text_encoder/", "lora/", "camera/"))]


@pytest.mark.parametrize(("quality", "camera"), list(product(Quality, Camera)))
def test_the_refine_needs_no_text_encoder(quality: Quality, camera: Camera) -> None:
    chosen = models.files_of(Stage.SPATIAL_UPSCALE, quality=quality, precision=Precision.FP8, camera=camera)
    assert not [file for file in chosen if file.role.startswith("text_encoder/")]


def test_every_file_is_read_by_some_stage() -> None:
    choices = product(Stage, Quality, Precision, Camera)
    read = {
        file.role
        for stage, quality, precision, camera in choices
        for file in models.files_of(stage, quality=quality, precision=precision, camera=camera)
    }
    assert read == models.all_files().keys()


def test_an_unknown_role_is_an_error() -> None:
    with pytest.raises(KeyError, match="camera/zoom"):
        models.file("camera/zoom")
