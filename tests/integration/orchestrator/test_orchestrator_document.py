"""schemathesis holds the API to its OpenAPI document: every operation, every check, in all its phases."""

import asyncio
import os
import re
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.responses import FileResponse, Response
from PIL import Image
from pydantic import ValidationError

from tests.integration.orchestrator.cloud import KEY, Cloud
from tests.integration.orchestrator.conftest import StartCloud
from tests.integration.orchestrator.scripted_runpod import ScriptedJob, serving

HERE = Path(__file__).parent
EXAMPLES = "4"  # a phase and operation; with the systematic cases of the coverage phase about a thousand requests
SECONDS = 400  # on a busy machine; about 40 on an idle one


def media(folder: Path) -> FastAPI:
    """Serves a picture and a clip, and takes webhooks."""
    app, file, clip = FastAPI(), BytesIO(), folder / "clip.mp4"
    Image.new("RGB", (64, 36)).save(file, "PNG")
    source = ("-f", "lavfi", "-i", "testsrc=size=64x36:rate=24:duration=1")
    subprocess.run(["ffmpeg", "-v", "error", *source, "-pix_fmt", "yuv420p", str(clip)], check=True, timeout=60)
    app.get("/clip.mp4")(lambda: FileResponse(clip))
    app.get("/picture.png")(lambda: Response(file.getvalue(), media_type="image/png"))
    app.post("/picture.png")(lambda: Response(status_code=204))
    return app


async def schemathesis(url: str, host: str, folder: Path) -> tuple[int, str]:
    environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml")),
        *("run", f"{url}/openapi.json"),
        *("--max-examples", EXAMPLES, "--generation-deterministic", "--header", f"Authorization: Bearer {KEY}"),
        cwd=folder,
        env={
            **environment,
            "NO_PROXY": "*",
            "PYTHONPATH": str(HERE.parents[2]),
            "SCHEMATHESIS_HOOKS": "tests.integration.orchestrator.schemathesis_hooks",
            "PICTURE_URL": f"{host}/picture.png",
            "CLIP_URL": f"{host}/clip.mp4",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(SECONDS):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, said.decode()


def tolerant(cloud: Cloud) -> None:
    """A worker that fails a nonsensical raw stage input, as the real one does, instead of RunPod."""

    async def work(job: ScriptedJob) -> None:
        try:
            await cloud.worker(job)
        except ValidationError:
            job.status, job.error = "FAILED", "invalid_input"

    cloud.runpod.worker = work


async def operations(cloud: Cloud) -> int:
    document = (await cloud.http.get("/openapi.json")).json()
    return sum(len(path) for path in document["paths"].values())


@pytest.mark.timeout(SECONDS + 60)
async def test_no_request_gets_an_answer_that_the_document_does_not_know(
    start_cloud: StartCloud, tmp_path: Path
) -> None:
    async with start_cloud(in_flight_limit=100_000, allow_draft=False) as cloud, serving(media(tmp_path)) as host:
        tolerant(cloud)
        code, said = await schemathesis(cloud.url, host, tmp_path)
        assert code == 0, said
        assert f"Tested: {await operations(cloud)}\n" in said, said
        found = re.search(r"(\d+) generated, (\d+) passed", said)
        assert found is not None, said
        assert int(found[1]) > 500, said
        assert await cloud.rows("SELECT count(*) > 0 FROM generations") == [(True,)]
        metrics = (await cloud.http.get("/metrics")).text
    for route in ("overview", "generations", "quiet", "failures"):
        assert f'route="/api/admin/{route}",status="200"' in metrics, "the admin key was taken"
    assert not re.search(r'ltx2_http_seconds_count\{[^}]*status="5', metrics), "an answer was 5xx"
