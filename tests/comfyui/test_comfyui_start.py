"""What the images run, on a real ComfyUI with tiny weights: three starts, three warm-ups, and a video through S3.

On the preview engine: tests/integration/models/test_worker_start.py.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from shared import media
from shared.artifacts import ArtifactStore, S3Settings
from shared.contracts.stage import StageReply
from shared.contracts.vocabulary import Stage
from tests.comfyui import servers
from tests.contract.gateway.harness import BEARER, ROOT, Client, SdkWorker, serve, settings

BASE = {"resolution": "draft", "duration": 1, "prompt": "a lighthouse", "ending": "latents"}
CHAIN: list[tuple[Stage, dict[str, str]]] = [
    (Stage.BASE_GEN, {}),
    (Stage.SPATIAL_UPSCALE, {"ending": "latents"}),
    (Stage.TEMPORAL_UPSCALE, {}),
]
SECONDS = 240.0
"""For ComfyUI to start and warm up, and for the job, on a CPU that does other things."""


@contextmanager
def started(stage: Stage, url: str, home: Path, s3: S3Settings) -> Iterator[SdkWorker]:
    worker = SdkWorker(
        url,
        stage.replace("_", "-"),
        stage,
        home,
        argv=("-m", "models.start", stage),
        PYTHONPATH=str(ROOT),
        PYTHONUNBUFFERED="1",
        COMFYUI_DIR=str(Path(os.environ["COMFYUI_DIR"]).absolute()),
        COMFYUI_PYTHON=os.environ.get("COMFYUI_PYTHON", ""),
        COMFYUI_BASE_DIR=str(home / "base"),
        COMFYUI_EXTRA_ARGS="--cpu",
        MODELS_CHECK="none",
        WORKER_OPTIONS="camera",  # there is no tiny SDPose for controls
        WORKER_WARM_UP_SECONDS="120",
        S3_ENDPOINT_URL=str(s3.endpoint_url),
        S3_BUCKET=s3.bucket,
        S3_ACCESS_KEY_ID=s3.access_key_id,
        S3_SECRET_ACCESS_KEY=s3.secret_access_key.get_secret_value(),
    )
    try:
        yield worker
    finally:
        worker.kill_group()


@pytest.mark.skipif(not os.environ.get("COMFYUI_DIR"), reason=f"no real ComfyUI: {servers.NO_REAL}")
@pytest.mark.timeout(len(CHAIN) * SECONDS)
async def test_three_images_start_on_tiny_weights_and_make_a_video(
    new_database: Callable[[], str], s3_settings: S3Settings, tmp_path: Path
) -> None:
    servers.prepare(tmp_path / "base", Path(os.environ["COMFYUI_DIR"]))
    given: dict[str, object] = dict(BASE)
    with serve(settings(new_database())) as url:
        async with httpx.AsyncClient(base_url=url, headers=BEARER, timeout=30) as http:
            for stage, more in CHAIN:
                client = Client(http, stage.replace("_", "-"))
                with started(stage, url, tmp_path, s3_settings) as worker:
                    job = await client.run({**given, **more})
                    view = await client.until(job, "COMPLETED", seconds=SECONDS)
                    lines = worker.log.read_text()
                assert 0 < lines.index("weights_there") < lines.index("worker_warm") < lines.index("render_begins")
                reply = StageReply.model_validate(view["output"])
                given = {"manifest": reply.manifest}
    with ArtifactStore(s3_settings) as store:
        video = store.read_manifest_at(reply.manifest).artifacts["video"]
        store.download(video, tmp_path / "video.mp4")
    info = await media.probe(tmp_path / "video.mp4")
    assert (info.width, info.height, info.frames, float(info.fps)) == (256, 144, 48, 48.0)
    assert info.has_audio
