"""Every wrong set-up of a worker is refused by its real start with a line that says what to do. One process each."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from models.selection import needed
from shared import models
from shared.artifacts import S3Settings, setup
from shared.contracts.vocabulary import Stage
from shared.worker.settings import WorkerSettings
from tests.contract.gateway.harness import ROOT
from tests.fixtures_s3 import fresh_bucket
from tests.integration.models import rows
from tests.integration.models.weight_server import Manner, WeightServer, serving

COMMAND = {"COMFYUI_COMMAND": "true"}
UPSCALER, CHECKPOINT = models.file("upscaler/temporal"), models.file("checkpoint/dev/fp8")


@pytest.fixture(scope="module")
def hub() -> Iterator[WeightServer]:
    """Claims to have the temporal stage's weights at their right sizes."""
    with serving() as found:
        for file in (UPSCALER, CHECKPOINT):
            found.put(rows.on_hub(file), b"x", always=Manner(whole=file.bytes))
        yield found


@pytest.fixture(scope="module")
def s3(seaweed_settings: S3Settings) -> Iterator[dict[str, str]]:
    with fresh_bucket(seaweed_settings) as made:
        setup(made)
        yield {
            "S3_ENDPOINT_URL": str(made.endpoint_url),
            "S3_BUCKET": made.bucket,
            "S3_ACCESS_KEY_ID": made.access_key_id,
            "S3_SECRET_ACCESS_KEY": made.secret_access_key.get_secret_value(),
            "S3_ATTEMPTS": "1",
        }


@dataclass
class Machine:
    """Where nothing is wrong but what a test says."""

    folder: Path
    sound: dict[str, str]

    def start(self, stage: str, **wrong: str) -> str:
        """What it prints; it has to end, not with a trace and not with the worker's secret key."""
        done = subprocess.run(
            [sys.executable, "-m", "models.start", stage],
            env={**self.sound, **wrong},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode in {1, 2}, said
        assert "Traceback" not in said
        assert self.sound["S3_SECRET_ACCESS_KEY"] not in said
        return said

    def gpu(self, says: str, status: int = 0) -> dict[str, str]:
        """The environment of a ComfyUI on a GPU of which nvidia-smi says this."""
        (self.folder / "main.py").touch()
        tool = self.folder / "nvidia-smi"
        tool.write_text(f"#!/bin/sh\necho '{says}'; exit {status}\n")
        tool.chmod(0o755)
        return {"COMFYUI_DIR": str(self.folder), "PATH": f"{self.folder}:/usr/bin:/bin"}


@pytest.fixture
def machine(tmp_path: Path, s3: dict[str, str], hub: WeightServer) -> Machine:
    plain = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "MODELS_HUB": hub.url, "MODELS_TRIES": "1"}
    return Machine(tmp_path, {**plain, **s3})


def test_a_stage_that_nobody_knows(machine: Machine) -> None:
    assert "base_gen|spatial_upscale|temporal_upscale" in machine.start("base")


def test_every_wrong_variable_is_told_at_once(machine: Machine) -> None:
    wrong = {"WORKER_QUALITIES": "good", "WORKER_PRECISION": "full", "MODELS_HUB": "hub", "S3_BUCKET": ""}
    told = machine.start("temporal_upscale", **wrong, S3_ENDPOINT_URL="s3.example")
    for said in (
        "set exactly one of COMFYUI_URL, COMFYUI_DIR and COMFYUI_COMMAND; got none",
        "WorkerSettings: qualities.0: Input should be 'fast' or 'pro'",
        "no worker reads WORKER_PRECISION (did you mean WORKER_PRECISIONS?)",
        "ModelsSettings: hub: Input should be a valid URL",
        "S3Settings: bucket: String should have at least 3 characters",
    ):
        assert said in told


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"COMFYUI_DIR": "."}, "COMFYUI_DIR=. holds no main.py: it has to be a checkout of ComfyUI"),
        ({"COMFYUI_COMMAND": "comfy --x"}, "COMFYUI_COMMAND names comfy, which is no program here"),
        (COMMAND | {"COMFYUI_EXTRA_ARGS": "--port 8188"}, "the worker itself gives --port; leave that out"),
        (COMMAND | {"S3_ENDPOINT_URL": "s3.example"}, "S3_ENDPOINT_URL has to begin with https://"),
    ],
    ids=["no checkout", "no program", "a port of its own", "no URL"],
)
def test_comfyui_and_addresses(machine: Machine, wrong: dict[str, str], said: str) -> None:
    assert said in machine.start("temporal_upscale", **wrong)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"S3_ACCESS_KEY_ID": "nobody"}, "storage refused our keys (InvalidAccessKeyId)"),
        ({"S3_BUCKET": "not-there"}, "the bucket does not exist; `python -m shared.artifacts setup` makes it"),
        ({"S3_ENDPOINT_URL": "http://127.0.0.1:9"}, "storage did not answer while we tried to write a probe"),
    ],
    ids=["wrong keys", "no bucket", "no server"],
)
def test_storage(machine: Machine, wrong: dict[str, str], said: str) -> None:
    told = machine.start("base_gen", **COMMAND, **wrong)
    assert said in told
    assert f"S3_ENDPOINT_URL is {wrong.get('S3_ENDPOINT_URL', machine.sound['S3_ENDPOINT_URL'])}, S3_BUCKET" in told


def test_no_gpu(machine: Machine) -> None:
    (machine.folder / "main.py").touch()
    assert "run it with a GPU (--gpus all)" in machine.start("base_gen", COMFYUI_DIR=".")


@pytest.mark.parametrize(
    ("says", "status", "said"),
    [
        ("cannot communicate with the NVIDIA driver", 9, "nvidia-smi shows no GPU: cannot communicate"),
        ("NVIDIA L4, 23034 MiB, 570.86.15", 0, "NVIDIA L4 has 24 GB, and base_gen at precision fp8 wants 44 or more"),
        ("NVIDIA A40, 46068 MiB, 550.54.15", 0, "torch for CUDA 12.8 wants 570 or newer"),
    ],
    ids=["broken driver", "too little memory", "old driver"],
)
def test_gpu(machine: Machine, says: str, status: int, said: str) -> None:
    assert said in machine.start("base_gen", **machine.gpu(says, status))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"COMFYUI_BASE_DIR": "/proc/nowhere"}, f"cannot be written by uid {os.getuid()}"),
        ({"MODELS_SPARE_BYTES": "9" * 18}, "give the container a larger disk"),
        ({"HF_TOKEN_FILE": "/none"}, "HF_TOKEN_FILE cannot be read"),
        ({"MODELS_HUB": "http://127.0.0.1:9"}, "ConnectError"),
    ],
    ids=["no right to write", "disk too small", "token file", "no hub"],
)
def test_disk_and_weights(machine: Machine, wrong: dict[str, str], said: str) -> None:
    assert said in machine.start("temporal_upscale", **COMMAND, **wrong)


def test_weights_of_a_wrong_size_that_cannot_be_had_anew(machine: Machine, server: WeightServer) -> None:
    """A baked or mounted file that was cut: it is not used, and when nobody has a whole one the start says both."""
    broken = rows.at(machine.folder / "comfyui" / "models", UPSCALER)
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"x" * 1000)
    server.put(rows.on_hub(CHECKPOINT), b"x", always=Manner(whole=CHECKPOINT.bytes))
    told = machine.start("temporal_upscale", **COMMAND, MODELS_HUB=server.url)
    assert f"1000 bytes long instead of {UPSCALER.bytes}" in told
    assert f"{UPSCALER.repository}/{UPSCALER.name} does not exist there" in told


def test_a_comfyui_that_dies_at_its_start_has_had_the_right_flags_and_is_told(machine: Machine) -> None:
    """All is well until the handler starts it: on loopback, without previews, with room beside the transformer."""
    for file in needed([Stage.BASE_GEN], WorkerSettings()):
        path = rows.at(machine.folder / "volume", file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"tiny")
    card = machine.gpu("NVIDIA L40S, 46068 MiB, 570.86.15")
    (machine.folder / "main.py").write_text("import sys; print('flags:', *sys.argv[1:], flush=True); sys.exit(3)")
    here = {"MODELS_VOLUME": str(machine.folder / "volume"), "MODELS_CHECK": "none", "HOME": str(machine.folder)}
    nobody = {"RUNPOD_WEBHOOK_GET_JOB": "http://127.0.0.1:9/job-take/$ID?gpu=x", "RUNPOD_LOG_LEVEL": "INFO"}
    told = machine.start(
        "base_gen",
        **card,
        **here,
        **nobody,
        RUNPOD_SKIP_AUTO_SYSTEM_CHECKS="true",
        RUNPOD_SKIP_GPU_CHECK="true",
        COMFYUI_EXTRA_ARGS="--fast",
    )
    for flags in ("--listen 127.0.0.1", "--preview-method none", "--disable-metadata", "--fast --reserve-vram 5"):
        assert flags in told
    assert "comfy_crashed: the ComfyUI process has ended with exit code 3" in told
