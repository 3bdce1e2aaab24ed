"""The list of weight files, and which of them each stage reads (facts/ltx2.md sections 5.1 and 5.4)."""

import re
from functools import partial
from itertools import product
from typing import Any

import pytest

from shared import models
from shared.contracts.vocabulary import Camera, ControlType, Precision, Quality, TextEncoder

FOLDERS = {"checkpoints", "vae", "text_encoders", "latent_upscale_models", "loras", "geometry_estimation"}
GEMMA = "gemma-3-12b-it-qat-q4_0-unquantized/"

FACTS = [
    # role, bytes, start of the sha256
    ("checkpoint/dev/fp8", 27_078_716_018, "8a67e709"),
    ("checkpoint/distilled/fp8", 27_078_716_346, "8ae14327"),
    ("upscaler/spatial", 995_765_578, "3160fabf"),
    ("upscaler/temporal", 261_965_800, "9a35c2eb"),
    ("lora/distilled", 7_674_558_424, "2718f895"),
    ("text_encoder/folder/1", 4_979_902_192, "e6fb899d"),
    ("text_encoder/folder/2", 4_931_296_592, "d251e7fe"),
    ("text_encoder/folder/3", 4_931_296_656, "0684ef80"),
    ("text_encoder/folder/4", 4_931_296_656, "b4b964e6"),
    ("text_encoder/folder/5", 4_601_000_928, "4ef2de8f"),
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
    assert file.name.endswith(".safetensors") or file.name.startswith(GEMMA)
    assert "/" not in file.name.removeprefix(GEMMA)
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
    assert models.file("checkpoint/dev/full").identity == "Lightricks/LTX-2/ltx-2-19b-dev.safetensors"
    assert models.file("video_vae").identity == "checkpoint/dev/fp8/ltx-2-19b-video-vae.safetensors"


@pytest.mark.parametrize("camera", Camera)
def test_every_camera_but_none_has_its_lora(camera: Camera) -> None:
    lora = models.camera_lora(camera)
    if camera is Camera.NONE:
        assert lora is None
    else:
        assert lora is not None
        assert lora.name == f"ltx-2-19b-lora-camera-control-{camera.replace('_', '-')}.safetensors"


def roles(files: tuple[models.ModelFile, ...]) -> list[str]:
    return [file.role for file in files]


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize(("quality", "kind"), [(Quality.FAST, "distilled"), (Quality.PRO, "dev")])
def test_files_of_base_gen(quality: Quality, kind: str, precision: Precision) -> None:
    base = partial(models.base_gen_files, quality=quality, precision=precision)
    plain = [f"checkpoint/{kind}/{precision}", f"text_encoder/{precision}"]
    assert roles(base(camera=Camera.NONE)) == plain
    assert roles(base(camera=Camera.JIB_UP)) == [*plain, "camera/jib_up"]
    for control in ControlType:
        made = roles(base(camera=Camera.NONE, control=control))
        assert made == [
            *plain,
            f"control/{control}",
            *({"canny": [], "depth": ["map/depth"], "pose": ["map/pose"]}[control]),
        ]
        given = roles(base(camera=Camera.NONE, control=control, preprocessed=True))
        assert given == [*plain, f"control/{control}"]
    folder = roles(base(camera=Camera.NONE, text_encoder_form=TextEncoder.FOLDER))
    assert folder[:2] == [plain[0], "text_encoder/folder/1"]
    assert all(role.startswith("text_encoder/folder/") for role in folder[1:])


@pytest.mark.parametrize("precision", Precision)
def test_files_of_spatial_upscale(precision: Precision) -> None:
    def spatial(quality: Quality, **how: bool) -> list[str]:
        return roles(models.spatial_upscale_files(quality=quality, precision=precision, camera=Camera.JIB_UP, **how))

    distilled, dev = f"checkpoint/distilled/{precision}", f"checkpoint/dev/{precision}"
    fast = [distilled, "upscaler/spatial", "camera/jib_up"]
    pro = [dev, "upscaler/spatial", "lora/distilled", "camera/jib_up"]
    assert spatial(Quality.FAST) == fast
    assert spatial(Quality.PRO) == pro
    assert spatial(Quality.FAST, detailer=True) == [*fast, dev, "lora/detailer"]
    assert spatial(Quality.PRO, detailer=True) == [*pro, "lora/detailer"]
    for quality in Quality:
        assert spatial(quality, upscale=False, detailer=True) == [dev, "lora/detailer"]


def test_temporal_upscaling_needs_neither_transformer_nor_text_encoder() -> None:
    assert roles(models.temporal_upscale_files()) == ["video_vae", "audio_vae", "upscaler/temporal"]


def test_every_file_is_read_by_some_stage() -> None:
    read = set(roles(models.temporal_upscale_files()))
    for quality, precision, camera in product(Quality, Precision, Camera):
        common: dict[str, Any] = {"quality": quality, "precision": precision, "camera": camera}
        read |= set(roles(models.spatial_upscale_files(**common, detailer=True)))
        for form, control in product(TextEncoder, ControlType):
            read |= set(roles(models.base_gen_files(**common, text_encoder_form=form, control=control)))
    assert read == models.all_files().keys()


def test_an_unknown_role_is_an_error() -> None:
    with pytest.raises(KeyError, match="camera/zoom"):
        models.file("camera/zoom")
