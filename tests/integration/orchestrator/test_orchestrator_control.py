"""Controls and the detailer from request to stage: where a control comes from, and what is refused at once."""

import hashlib
import subprocess
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import FileResponse, Response
from PIL import Image

from shared.contracts.vocabulary import Stage
from tests.integration.orchestrator.cloud import DRAFT, OTHER_KEY, Cloud
from tests.integration.orchestrator.conftest import StartCloud
from tests.integration.orchestrator.scripted_runpod import serving

TOO_LARGE = 101 * 1000 * 1000


def png() -> bytes:
    file = BytesIO()
    Image.new("RGB", (64, 36), "teal").save(file, "PNG")
    return file.getvalue()


def clip(folder: Path, name: str = "clip.mp4", *, seconds: int = 1, rate: int = 12) -> bytes:
    path = folder / name
    source = f"testsrc=size=64x48:rate={rate}:duration={seconds}"
    argv = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p", str(path)]
    subprocess.run(argv, check=True, timeout=60)
    return path.read_bytes()


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[str]:
    """A host on this machine that serves what a user may name."""
    app = FastAPI()
    clip(tmp_path, "long.mp4", seconds=600, rate=1)
    (tmp_path / "text.mp4").write_bytes(b"this is a text, whatever its name says")
    (tmp_path / "picture.mp4").write_bytes(png())
    (tmp_path / "cut.mp4").write_bytes(clip(tmp_path)[:400])
    with (tmp_path / "huge.mp4").open("wb") as huge:
        huge.truncate(TOO_LARGE)

    @app.get("/{name}")
    def get(name: str) -> Response:
        path = tmp_path / Path(name).name
        return FileResponse(path) if path.exists() else Response(status_code=404)

    async with serving(app) as url:
        yield url


async def upload(cloud: Cloud, body: bytes, media_type: str) -> str:
    asked = await cloud.http.post("/api/uploads", json={"media_type": media_type, "bytes": len(body)})
    assert asked.status_code == 201, asked.text
    slot = asked.json()
    async with httpx.AsyncClient(trust_env=False) as outside:
        (await outside.put(slot["url"], content=body, headers=slot["headers"])).raise_for_status()
    return str(slot["upload_id"])


async def base_input(cloud: Cloud) -> dict[str, Any]:
    given: dict[str, Any] = (await cloud.job(Stage.BASE_GEN)).body["input"]
    return given


async def nothing_happened(cloud: Cloud) -> None:
    assert cloud.runpod.jobs == []
    assert await cloud.rows("SELECT count(*) FROM generations") == [(0,)]


def keys_of(artifact: dict[str, Any]) -> tuple[str, str, str]:
    return artifact["key"], artifact["sha256"], artifact["media_type"]


@pytest.mark.parametrize(("media_type", "name"), [("video/mp4", "a.mp4"), ("video/quicktime", "a.mov")])
async def test_an_uploaded_video_reaches_the_stage(cloud: Cloud, tmp_path: Path, media_type: str, name: str) -> None:
    body = clip(tmp_path, name)
    control = {"type": "canny", "upload_id": await upload(cloud, body, media_type), "strength": 0.5}
    made = await cloud.create(control=control)
    given = await base_input(cloud)
    digest = hashlib.sha256(body).hexdigest()
    assert keys_of(given["control_source"]) == (f"inputs/{digest}", digest, "video/mp4")
    assert given["control"] == {"type": "canny", "preprocessed": False, "strength": 0.5}
    assert given.get("image") is None
    assert (await cloud.ended(made["id"]))["state"] == "succeeded"


async def test_a_video_by_url_and_an_image_by_upload_are_two_things(cloud: Cloud, host: str) -> None:
    image = png()
    control = {"type": "pose", "video_url": f"{host}/clip.mp4", "preprocessed": True}
    made = await cloud.create(control=control, upload_id=await upload(cloud, image, "image/png"))
    given = await base_input(cloud)
    assert given["control_source"]["media_type"] == "video/mp4"
    assert given["image"]["sha256"] == hashlib.sha256(image).hexdigest()
    assert (await cloud.ended(made["id"]))["state"] == "succeeded"


async def test_the_input_image_is_a_control_too(cloud: Cloud) -> None:
    made = await cloud.create(
        control={"type": "depth", "source": "image"}, upload_id=await upload(cloud, png(), "image/png")
    )
    given = await base_input(cloud)
    assert given["control_source"] == given["image"]
    assert (await cloud.ended(made["id"]))["state"] == "succeeded"


async def test_a_retry_has_the_same_control(cloud: Cloud, tmp_path: Path) -> None:
    """The artifact is kept with the generation, so no second attempt asks the user's host again."""
    cloud.runpod.worker = None
    control = {"type": "canny", "upload_id": await upload(cloud, clip(tmp_path), "video/mp4")}
    made = await cloud.create(control=control)
    first = await cloud.job(Stage.BASE_GEN)
    cloud.runpod.worker = cloud.worker
    first.status, first.error = "FAILED", '{"code": "comfy_crashed", "message": "x", "retryable": true}'
    assert (await cloud.ended(made["id"]))["state"] == "succeeded"
    second = await cloud.job(Stage.BASE_GEN, number=1)
    assert second.body["input"]["control_source"] == first.body["input"]["control_source"]


@pytest.mark.parametrize("spatial", [True, False])
@pytest.mark.parametrize("temporal", [True, False])
async def test_the_detailer_is_work_of_the_spatial_stage(cloud: Cloud, spatial: bool, temporal: bool) -> None:
    made = await cloud.create(detailer=True, spatial_upscale=spatial, temporal_upscale=temporal)
    ended = await cloud.ended(made["id"])
    assert ended["state"] == "succeeded", ended
    stages = [Stage.BASE_GEN, Stage.SPATIAL_UPSCALE, *[Stage.TEMPORAL_UPSCALE] * temporal]
    assert [run["stage"] for run in ended["stages"]] == stages
    given = (await cloud.job(Stage.SPATIAL_UPSCALE)).body["input"]
    assert (given["upscale"], given["detailer"]) == (spatial, True)
    assert given["detail_conditioning"]["key"].endswith("detail_conditioning.safetensors")
    assert (given.get("conditioning") is not None) == spatial


async def test_the_form_of_the_text_encoder_is_a_setting(start_cloud: StartCloud) -> None:
    async with start_cloud(text_encoder="folder") as cloud:
        await cloud.create()
        assert (await base_input(cloud))["text_encoder"] == "folder"


# what is refused


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("missing.mp4", 422, "input_unreachable"),
        ("text.mp4", 415, "input_not_media"),
        ("picture.mp4", 415, "input_not_media"),
        ("cut.mp4", 415, "input_not_media"),
        ("long.mp4", 413, "input_too_large"),
        ("huge.mp4", 413, "input_too_large"),
    ],
)
async def test_a_url_that_serves_no_usable_video(cloud: Cloud, host: str, name: str, status: int, code: str) -> None:
    asked = {**DRAFT, "control": {"type": "depth", "video_url": f"{host}/{name}"}}
    answer = await cloud.http.post("/api/generations", json=asked, timeout=30)
    assert answer.status_code == status, answer.text
    problem = answer.json()
    assert (problem["code"], problem["errors"][0]["field"]) == (code, "control.video_url")
    await nothing_happened(cloud)


@pytest.mark.parametrize(
    ("body", "media_type", "status", "code"),
    [
        (b"just a text", "video/mp4", 415, "input_not_media"),
        (png(), "image/png", 415, "input_not_media"),
        (b"", "", 422, "invalid_input"),
    ],
    ids=["text", "picture", "unknown"],
)
async def test_an_upload_that_is_no_usable_video(
    cloud: Cloud, body: bytes, media_type: str, status: int, code: str
) -> None:
    upload_id = await upload(cloud, body, media_type) if body else "0" * 32
    asked = {**DRAFT, "control": {"type": "depth", "upload_id": upload_id}}
    answer = await cloud.http.post("/api/generations", json=asked)
    assert answer.status_code == status, answer.text
    problem = answer.json()
    assert (problem["code"], problem["errors"][0]["field"]) == (code, "control.upload_id")
    await nothing_happened(cloud)


async def test_a_video_is_no_image_and_nobody_uses_the_upload_of_another(cloud: Cloud, tmp_path: Path) -> None:
    upload_id = await upload(cloud, clip(tmp_path), "video/mp4")
    answer = await cloud.http.post("/api/generations", json={**DRAFT, "upload_id": upload_id})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (415, "upload_id")
    theirs = {"Authorization": f"Bearer {OTHER_KEY}"}
    asked = {**DRAFT, "control": {"type": "depth", "upload_id": upload_id}}
    answer = await cloud.http.post("/api/generations", json=asked, headers=theirs)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "control.upload_id")
    await nothing_happened(cloud)


async def test_a_file_that_is_fine_for_a_video_is_too_large_for_an_image(cloud: Cloud) -> None:
    """Whatever it was said to be: the limit is that of its use, and is asked before the file is read."""
    upload_id = await upload(cloud, bytes(20 * 1024 * 1024 + 1), "video/mp4")
    answer = await cloud.http.post("/api/generations", json={**DRAFT, "upload_id": upload_id})
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["errors"][0]["field"]) == (413, "input_too_large", "upload_id")
    await nothing_happened(cloud)


@pytest.mark.parametrize(
    ("media_type", "size", "status"),
    [
        ("image/png", 20 * 1024 * 1024, 201),
        ("image/png", 20 * 1024 * 1024 + 1, 422),
        ("video/mp4", 100_000_000, 201),
        ("video/webm", 100_000_000, 201),
        ("video/quicktime", 100_000_001, 422),
        ("video/x-matroska", 10, 422),
    ],
)
async def test_how_much_may_be_uploaded(cloud: Cloud, media_type: str, size: int, status: int) -> None:
    answer = await cloud.http.post("/api/uploads", json={"media_type": media_type, "bytes": size})
    assert answer.status_code == status, answer.text
    if status == httpx.codes.UNPROCESSABLE_ENTITY:
        [error] = answer.json()["errors"]
        assert error["field"] == ("media_type" if media_type == "video/x-matroska" else "bytes")
        assert error.get("nearest", "video/mp4") in {str(20 * 1024 * 1024), "100000000", "video/mp4", "video/webm"}
