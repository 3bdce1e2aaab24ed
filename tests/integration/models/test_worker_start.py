"""The start of a worker's image, as a real process: it becomes the handler, and does a job on the preview engine."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from models.selection import needed
from shared.artifacts import S3Settings
from shared.contracts.vocabulary import Stage
from shared.worker.settings import WorkerSettings
from tests.contract.gateway.harness import BEARER, ROOT, Client, SdkWorker, serve, settings
from tests.integration.models import rows

PREVIEW = f"{sys.executable} -m local.comfyui_preview"


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
