"""The start of a worker's image, as a real process: what it refuses, and a job that it does on the preview engine."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from models.selection import needed
from shared import models
from shared.artifacts import S3Settings
from shared.contracts.vocabulary import Stage
from shared.worker.settings import WorkerSettings
from tests.contract.gateway.harness import BEARER, ROOT, Client, SdkWorker, serve, settings
from tests.integration.models import rows
from tests.integration.models.weight_server import Manner, WeightServer

S3 = {"S3_REGION": "eu-central-1", "S3_BUCKET": "somewhere", "S3_ACCESS_KEY_ID": "x", "S3_SECRET_ACCESS_KEY": "x"}
PREVIEW = f"{sys.executable} -m local.comfyui_preview"


def refused(stage: str, cwd: Path, **environment: str) -> str:
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "MODELS_TRIES": "1", "MODELS_WAIT_SECONDS": "0.01"}
    done = subprocess.run(
        [sys.executable, "-m", "models.start", stage],
        env={**given, **S3, **environment},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "set exactly one of COMFYUI_URL, COMFYUI_DIR and COMFYUI_COMMAND; got none"),
        ({"COMFYUI_COMMAND": "x", "WORKER_QUALITIES": "good"}, "WorkerSettings: qualities.0"),
        ({"COMFYUI_COMMAND": "x", "MODELS_HUB": "hub"}, "ModelsSettings: hub"),
        ({"COMFYUI_COMMAND": "x", "S3_BUCKET": ""}, "S3Settings: bucket"),
        ({"COMFYUI_DIR": "."}, "run it with a GPU"),
        ({"COMFYUI_COMMAND": "x", "COMFYUI_BASE_DIR": "/proc/nowhere"}, "cannot be written by uid"),
        ({"COMFYUI_COMMAND": "x", "MODELS_SPARE_BYTES": "9" * 18}, "give the container a larger disk"),
        ({"COMFYUI_COMMAND": "x", "HF_TOKEN_FILE": "/none"}, "HF_TOKEN_FILE cannot be read"),
    ],
)
def test_each_wrong_set_up_is_refused_with_what_to_do(
    tmp_path: Path, server: WeightServer, environment: dict[str, str], said: str
) -> None:
    checkpoint = models.file("checkpoint/dev/fp8")
    for file in (models.file("upscaler/temporal"), checkpoint):  # a server that claims the right sizes
        server.put(rows.on_hub(file), b"x", always=Manner(whole=file.bytes))
    given = {"PATH": "/usr/bin:/bin", "MODELS_HUB": server.url, **environment}
    assert said in refused("temporal_upscale", tmp_path, **given)


def test_a_broken_driver_is_told(tmp_path: Path) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'cannot communicate with the NVIDIA driver'; exit 9\n")
    tool.chmod(0o755)
    said = refused("base_gen", tmp_path, COMFYUI_DIR=".", PATH=f"{tmp_path}:/usr/bin:/bin")
    assert "nvidia-smi shows no GPU: cannot communicate" in said


def test_a_stage_that_nobody_knows(tmp_path: Path) -> None:
    assert "base_gen|spatial_upscale|temporal_upscale" in refused("base", tmp_path)


@pytest.fixture
async def client(new_database: Callable[[], str]) -> AsyncIterator[Client]:
    with serve(settings(new_database())) as url:
        async with httpx.AsyncClient(base_url=url, headers=BEARER, timeout=30) as http:
            yield Client(http, "base-gen")


async def test_it_links_the_volume_s_weights_becomes_the_handler_and_does_a_job(
    client: Client, s3_settings: S3Settings, tmp_path: Path
) -> None:
    volume, base = tmp_path / "volume", tmp_path / "comfyui"
    files = needed([Stage.BASE_GEN], WorkerSettings())
    for file in files:
        path = rows.at(volume, file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"tiny")
    worker = SdkWorker(
        str(client.http.base_url),
        client.endpoint,
        "started",
        tmp_path,
        argv=("-m", "models.start", "base_gen"),
        PYTHONPATH=str(ROOT),
        PYTHONUNBUFFERED="1",
        COMFYUI_COMMAND=PREVIEW,
        COMFYUI_BASE_DIR=str(base),
        MODELS_VOLUME=str(volume),
        MODELS_CHECK="none",
        S3_ENDPOINT_URL=str(s3_settings.endpoint_url),
        S3_BUCKET=s3_settings.bucket,
        S3_ACCESS_KEY_ID=s3_settings.access_key_id,
        S3_SECRET_ACCESS_KEY=s3_settings.secret_access_key.get_secret_value(),
    )
    try:
        job = await client.run({"resolution": "draft", "duration": 1, "prompt": "a lighthouse"})
        view = await client.until(job, "COMPLETED", seconds=120)
        assert view["output"]["stage"] == "base_gen"
        assert {rows.at(base / "models", file).readlink() for file in files} == {
            rows.at(volume, file) for file in files
        }
        health = [sys.executable, "-m", "models.health"]
        environment = {"PYTHONPATH": str(ROOT), "COMFYUI_BASE_DIR": str(base)}
        assert (await asyncio.to_thread(subprocess.run, health, env=environment, check=False)).returncode == 0
    finally:
        worker.kill_group()
