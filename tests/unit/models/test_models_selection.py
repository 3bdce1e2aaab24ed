"""Which files each stage needs, how much that is, and that the graphs say the same."""

from itertools import product
from typing import Any

import pytest

from models.listing import table
from models.selection import needed, total, unpinned
from shared import models
from shared.contracts.vocabulary import Precision, Quality, Stage, TextEncoder
from shared.models import ModelFile
from shared.worker import fitness
from shared.worker.settings import Option, WorkerSettings
from tests.contract.graphs.legal import STAGES

GB = 1e9
FAST, PRO, BOTH = (Quality.FAST,), (Quality.PRO,), tuple(Quality)
FP8, FULL = (Precision.FP8,), (Precision.FULL,)
ALL, CAMERA, NONE = tuple(Option), (Option.CAMERA,), ()
FOLDER = {"text_encoder": TextEncoder.FOLDER}

TOTALS: list[tuple[Stage, dict[str, Any], float]] = [
    # GB of facts/ltx2.md section 5.4; pro loads the dev checkpoint, so both qualities are two checkpoints
    (Stage.BASE_GEN, {"qualities": FAST, "precisions": FP8, "options": NONE}, 40.28),
    (Stage.BASE_GEN, {"qualities": FAST, "precisions": FP8, "options": ALL}, 53.45),
    (Stage.BASE_GEN, {"qualities": FAST, "precisions": FP8, "options": ALL, **FOLDER}, 64.66),
    (Stage.BASE_GEN, {"qualities": PRO, "precisions": FP8, "options": ALL}, 53.45),
    (Stage.BASE_GEN, {"qualities": BOTH, "precisions": FP8, "options": ALL}, 80.53),
    (Stage.BASE_GEN, {"qualities": BOTH, "precisions": FULL, "options": ALL}, 124.15),
    (Stage.SPATIAL_UPSCALE, {"qualities": FAST, "precisions": FP8, "options": NONE}, 28.07),
    (Stage.SPATIAL_UPSCALE, {"qualities": FAST, "precisions": FP8, "options": CAMERA}, 36.03),
    (Stage.SPATIAL_UPSCALE, {"qualities": PRO, "precisions": FP8, "options": CAMERA}, 43.70),
    (
        Stage.SPATIAL_UPSCALE,
        {"qualities": FAST, "precisions": FP8, "options": ALL},
        65.73,
    ),  # the detailer was made for the other checkpoint
    (Stage.SPATIAL_UPSCALE, {"qualities": PRO, "precisions": FP8, "options": ALL}, 46.32),
    (Stage.SPATIAL_UPSCALE, {"qualities": BOTH, "precisions": FP8, "options": ALL}, 73.40),
    (Stage.TEMPORAL_UPSCALE, {"qualities": BOTH, "precisions": FP8, "options": ALL}, 2.92),
]


@pytest.mark.parametrize(("stage", "said", "gigabytes"), TOTALS)
def test_totals(stage: Stage, said: dict[str, Any], gigabytes: float) -> None:
    assert total(needed([stage], WorkerSettings(**said))).bytes / GB == pytest.approx(gigabytes, abs=0.05)


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("encoder", TextEncoder)
def test_the_list_and_the_graphs_agree(stage: Stage, encoder: TextEncoder) -> None:
    """What `models fetch` brings is what a worker's fitness check asks of ComfyUI, whatever the image is made for."""
    for qualities, precisions, some in product((FAST, PRO), (FP8, FULL), ((), (Option.DETAILER,), tuple(Option))):
        settings = WorkerSettings(qualities=qualities, precisions=precisions, options=some, text_encoder=encoder)
        asked = fitness.needs(STAGES[stage], settings)
        named = {name for _, _, name in asked.files} | asked.unnamed
        assert {file.name for file in needed([stage], settings)} == named


def test_all_stages_together_need_every_file() -> None:
    files: set[str] = set()
    for encoder in TextEncoder:
        settings = WorkerSettings(precisions=tuple(Precision), text_encoder=encoder)
        files |= {file.role for file in needed(Stage, settings)}
    assert files == models.all_files().keys()


def test_the_temporal_image_carries_no_transformer_and_no_text_encoder() -> None:
    files = needed([Stage.TEMPORAL_UPSCALE], WorkerSettings(precisions=tuple(Precision)))
    assert [file.role for file in files] == ["video_vae", "audio_vae", "upscaler/temporal"]


def test_what_comes_from_the_hub_comes_from_a_known_repository_with_a_licence() -> None:
    for file in models.all_files().values():
        if file.repository is not None:
            assert models.repositories()[file.repository].licence
        assert file.size or file.name.endswith((".json", ".model")), f"{file.role}: not even about"
    used = {file.repository for file in models.all_files().values()} - {None}
    assert used == models.repositories().keys(), "a repository that nothing comes from"
    gated = {name for name, repository in models.repositories().items() if repository.gated}
    assert gated == {"google/gemma-3-12b-it-qat-q4_0-unquantized"}


def test_a_stage_key_knows_of_a_file_its_content_and_nothing_else() -> None:
    hashed, loose = models.file("upscaler/temporal"), models.file("checkpoint/dev/full")
    for file in (hashed, loose):
        said = file.model_copy(update={"bytes": 1, "about_bytes": 2, "path": "x/y", "folder": "z"})
        assert said.identity == file.identity


def test_the_table_says_what_nobody_checks() -> None:
    assert unpinned(models.file("upscaler/temporal")) == ()
    assert unpinned(models.file("checkpoint/dev/full")) == ("bytes", "sha256", "revision")
    assert unpinned(models.file("video_vae")) == ("bytes", "sha256")
    text = table((models.file("upscaler/temporal"), models.file("text_encoder/folder/config.json")))
    first, second, whole, hint = text.splitlines()
    assert first.split() == [
        *("0.262", "GB", "latent_upscale_models/ltx-2-temporal-upscaler-x2-1.0.safetensors"),
        *("(Lightricks/LTX-2;", "LTX-2", "Community", "License", "Agreement)"),
    ]
    assert second.split()[0] == "?"
    assert "Gemma Terms of Use, gated; unpinned: bytes, sha256, revision" in second
    assert whole.split() == ["~0.262", "GB", "2", "files"]
    assert hint.startswith("1 of them are not fully pinned")


def test_files_of_one_name_would_be_taken_for_each_other() -> None:
    names = [file.name for file in models.all_files().values()]
    assert len(set(names)) == len(names)


def test_a_size_that_nobody_knows_makes_the_total_inexact() -> None:
    known = ModelFile(role="a", name="a", folder="loras", repository="r", bytes=3)
    guessed = ModelFile(role="b", name="b", folder="loras", repository="r", about_bytes=4)
    assert (total([known]).bytes, total([known]).exact) == (3, True)
    assert (total([known, guessed]).bytes, total([known, guessed]).exact) == (7, False)
