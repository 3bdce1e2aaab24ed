"""Which GPU is good enough for which stage, what ComfyUI is told of it, and variables that nobody reads."""

import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from models import gpu
from models.environment import misspelled
from models.gpu import Gpu
from shared.comfy.settings import ComfySettings
from shared.contracts.vocabulary import Precision, Stage
from shared.errors import FatalError
from shared.worker.settings import WorkerSettings

FP8, FULL = WorkerSettings(), WorkerSettings(precisions=tuple(Precision))
L4, A40, H100 = Gpu("L4", 24.15, "570.86"), Gpu("A40", 48.3, "570.86"), Gpu("H100 80GB HBM3", 85.5, "580.65")
"""As nvidia-smi counts them: 23034, 46068 and 81559 MiB."""


def card(gigabytes: float | None, driver: str = "570.86.15") -> Gpu:
    return Gpu("X", gigabytes, driver)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("NVIDIA L4, 23034 MiB, 550.54.15\n", Gpu("NVIDIA L4", 23034 * 2**20 / 1e9, "550.54.15")),
        ("NVIDIA A, 1000 MiB, 580.65\nNVIDIA B, 2000 MiB, 580.65\n", Gpu("NVIDIA A", 1.048576, "580.65")),
        ("NVIDIA GH200 480GB, [N/A], 570.86", Gpu("NVIDIA GH200 480GB", None, "570.86")),
        ("No devices were found\n", None),
        ("", None),
    ],
)
def test_what_nvidia_smi_says(answer: str, found: Gpu | None) -> None:
    assert gpu.read(answer) == found


@pytest.mark.parametrize("stage", Stage)
def test_the_cards_that_the_design_names_are_enough(stage: Stage) -> None:
    """Design section 5 and the issue: base and refine 48 to 80 GB, temporal 24 GB."""
    smallest = L4 if stage is Stage.TEMPORAL_UPSCALE else A40
    for found, settings in ((smallest, FP8), (H100, FULL)):
        gpu.require_good(found, stage, settings)


def test_the_endpoints_as_they_are_to_be_deployed_have_gpus_that_are_enough() -> None:
    for endpoint in tomllib.loads(Path("deploy/endpoints.toml").read_text())["endpoint"]:
        assert endpoint["vram_gb"] >= gpu.least_gigabytes(Stage(endpoint["stage"]), FP8)


@pytest.mark.parametrize(
    ("found", "stage", "settings", "said"),
    [
        (card(24.1), Stage.BASE_GEN, FP8, "X has 24 GB, and base_gen at precision fp8 wants 44 or more: give"),
        (card(48.3), Stage.SPATIAL_UPSCALE, FULL, "spatial_upscale at precision fp8,full wants 75 or more"),
        (
            card(16.0),
            Stage.TEMPORAL_UPSCALE,
            FP8,
            "give the endpoint larger GPUs, or set WORKER_LEAST_VRAM",
        ),
        (
            card(99.0, "550.54.15"),
            Stage.BASE_GEN,
            FP8,
            "driver of this host is 550.54.15, and torch for CUDA",
        ),
    ],
)
def test_what_is_too_small_or_too_old_is_told(found: Gpu, stage: Stage, settings: WorkerSettings, said: str) -> None:
    with pytest.raises(FatalError) as told:
        gpu.require_good(found, stage, settings)
    assert said in told.value.message


def test_a_person_may_try_any_gpu_and_an_unknown_size_is_tried() -> None:
    gpu.require_good(card(8.0), Stage.BASE_GEN, WorkerSettings(least_vram_gb=0))
    gpu.require_good(card(None), Stage.BASE_GEN, FULL)


@pytest.mark.parametrize(
    ("stage", "said", "flags"),
    [
        (Stage.BASE_GEN, [], ["--reserve-vram", "5"]),
        (Stage.SPATIAL_UPSCALE, ["--fast"], ["--reserve-vram", "5"]),
        (Stage.SPATIAL_UPSCALE, ["--reserve-vram=8"], []),
        (Stage.BASE_GEN, ["--reserve-vram", "2"], []),
        (Stage.BASE_GEN, ["--cpu"], []),
        (Stage.TEMPORAL_UPSCALE, [], []),
    ],
)
def test_the_flags_of_each_stage(stage: Stage, said: list[str], flags: list[str]) -> None:
    assert gpu.flags(stage, said) == flags


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("WORKER_QUALITY", "WORKER_QUALITIES"),
        ("worker_precision", "WORKER_PRECISIONS"),
        ("S3_ACCESS_KEY", "S3_ACCESS_KEY_ID"),
        ("COMFYUI_EXTRA_ARG", "COMFYUI_EXTRA_ARGS"),
        ("MODELS_MIROR", "MODELS_MIRROR"),
    ],
)
def test_a_misspelled_variable_is_told(name: str, meant: str) -> None:
    assert misspelled(["PATH", "WORKER_QUALITIES", name]) == [f"no worker reads {name} (did you mean {meant}?)"]


def test_variables_of_others_are_let_be() -> None:
    ours = ["worker_qualities", "HF_TOKEN", "MODELS_TOKEN_FILE", "S3_REGION"]
    assert misspelled([*ours, "WORKER_ID", "RUNPOD_POD_ID"]) == []


@pytest.mark.parametrize(("text", "said"), [("--fast '", "No closing quotation"), ("--port=1", "itself gives --port")])
def test_flags_that_cannot_be_are_refused(text: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ComfySettings(command="x", url=None, dir=None, extra_args=text)
