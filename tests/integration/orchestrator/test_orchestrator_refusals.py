"""Every kind of bad input is a 4xx problem that names the field and what is legal; nothing reaches a stage."""

from collections.abc import AsyncIterator, Callable
from io import BytesIO
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from fastapi.responses import RedirectResponse, Response
from PIL import Image

from shared.artifacts import S3Settings
from tests.integration.orchestrator.cloud import Cloud, fresh_cloud
from tests.integration.orchestrator.scripted_runpod import serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

USERINFO_URL = "https://me:pw@example.com/x"  # pragma: allowlist secret
SOLD: dict[str, Any] = {"prompt": "a lighthouse"}
DEPTH: dict[str, Any] = {"type": "depth", "upload_id": "0" * 32}


def picture(kind: str, size: tuple[int, int] = (64, 36)) -> bytes:
    file = BytesIO()
    Image.new("1" if size[0] > 1000 else "RGB", size).save(file, kind)
    return file.getvalue()


def media_app() -> FastAPI:
    """A host that serves what users should not send."""
    app = FastAPI()
    served: dict[str, tuple[bytes, str]] = {
        "/text.png": (b"this is a text, whatever its name says", "image/png"),
        "/page.html": (b"<html></html>", "text/html"),
        "/picture.gif": (picture("GIF"), "image/gif"),
        "/cut.png": (picture("PNG")[:60], "image/png"),
        "/bomb.png": (picture("PNG", (10_000, 10_000)), "image/png"),
        "/long.png": (b"\x89PNG" + bytes(21 * 1024 * 1024), "image/png"),
        "/empty.png": (b"", "image/png"),
    }
    for path, (body, media_type) in served.items():
        app.get(path)(_answer(body, media_type))
    app.get("/loop.png")(lambda: RedirectResponse("/loop.png"))
    return app


def _answer(body: bytes, media_type: str) -> Callable[[], Response]:
    return lambda: Response(body, media_type=media_type)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def host() -> AsyncIterator[str]:
    async with serving(media_app()) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_cloud(new_database: Callable[[], str], seaweed_settings: S3Settings) -> AsyncIterator[Cloud]:
    """One for all the refusals: they leave nothing behind, which is what they check."""
    async with fresh_cloud(new_database, seaweed_settings, allow_draft=False) as cloud:
        yield cloud


CASES: list[tuple[str, dict[str, Any], str, str | None]] = [
    # name, fields over SOLD, field that is named, a legal value that is shown
    ("no prompt", {"prompt": None}, "prompt", "1 to 5000"),
    ("blank prompt", {"prompt": "   "}, "prompt", "1 to 5000"),
    ("endless prompt", {"prompt": "x" * 5001}, "prompt", "1 to 5000"),
    ("number as prompt", {"prompt": 7}, "prompt", "1 to 5000"),
    ("prompt with NUL", {"prompt": "a\0b"}, "prompt", None),
    ("unknown model", {"model": "sora"}, "model", "ltx-2"),
    ("unknown quality", {"quality": "ultra"}, "quality", "pro"),
    ("unknown resolution", {"resolution": "4k"}, "resolution", "1080p"),
    ("draft where it is off", {"resolution": "draft", "duration": 1}, "resolution", "720p"),
    ("unknown duration", {"duration": 12}, "duration", "15"),
    ("duration as text", {"duration": "10"}, "duration", "10"),
    ("duration as fraction", {"duration": 10.5}, "duration", "10"),
    ("duration as truth", {"duration": True}, "duration", "10"),
    ("unknown camera", {"camera": "spin"}, "camera", "dolly_in"),
    ("two cameras", {"camera": "static", "camera_lora": "static"}, "camera", None),
    ("portrait", {"aspect_ratio": "9:16"}, "aspect_ratio", "16:9"),
    ("negative prompt", {"negative_prompt": "ugly"}, "negative_prompt", None),
    ("guidance", {"cfg": 7}, "cfg", None),
    ("last frame", {"last_frame_url": "https://example.com/x.png"}, "last_frame_url", None),
    ("frame rate", {"fps": 60}, "fps", None),
    ("misspelt field", {"promt": "x"}, "promt", None),
    ("two images", {"image_urls": ["https://a.example/1", "https://a.example/2"]}, "image_urls", "at most one"),
    ("image as text", {"image_urls": "https://a.example/1"}, "image_urls", "at most one"),
    ("no URL", {"image_urls": ["lighthouse.png"]}, "image_urls.0", "at most one"),
    ("file URL", {"image_urls": ["file:///etc/passwd"]}, "image_urls.0", None),
    ("image and upload", {"image_urls": ["https://a.example/1"], "upload_id": "0" * 32}, "upload_id", None),
    ("malformed upload", {"upload_id": "../../etc"}, "upload_id", "POST /api/uploads"),
    ("unknown upload", {"upload_id": "0" * 32}, "upload_id", None),
    ("image model without image", {"model": "ltx-2-i2v"}, "model", None),
    ("steps for fast", {"steps": 30}, "steps", "20 to 40"),
    ("too many steps", {"quality": "pro", "steps": 400}, "steps", "20 to 40"),
    ("too few steps", {"quality": "pro", "steps": 1}, "steps", "20 to 40"),
    ("negative seed", {"seed": -1}, "seed", "0 to"),
    ("seed beyond JSON's integers", {"seed": 2**53}, "seed", "0 to"),
    ("seed as text", {"seed": "1"}, "seed", "0 to"),
    ("toggle as text", {"spatial_upscale": "yes"}, "spatial_upscale", "true"),
    ("toggle as number", {"temporal_upscale": 1}, "temporal_upscale", "false"),
    ("unknown precision", {"precision": "fp4"}, "precision", "fp8"),
    ("control without a source", {"control": {"type": "depth"}}, "control", None),
    (
        "control with two sources",
        {"control": {**DEPTH, "source": "image"}},
        "control",
        None,
    ),
    ("unknown control", {"control": {"type": "tile", "source": "image"}}, "control.type", "depth"),
    ("control by an image that is not there", {"control": {"type": "depth", "source": "image"}}, "control", "object"),
    (
        "control and a camera",
        {"camera": "jib_up", "control": DEPTH},
        "control",
        None,
    ),
    (
        "control too strong",
        {"control": {**DEPTH, "strength": 2}},
        "control.strength",
        "0.0",
    ),
    ("control by no URL", {"control": {"type": "depth", "video_url": "clip.mp4"}}, "control.video_url", "https"),
    ("control by no upload", {"control": {"type": "depth", "upload_id": "x"}}, "control.upload_id", None),
    ("detailer as text", {"detailer": "yes"}, "detailer", "true"),
    ("large metadata", {"metadata": {"x": "y" * 3000}}, "metadata", "2048"),
    ("nested metadata", {"metadata": {"x": {"y": 1}}}, "metadata.x", "2048"),
    ("webhook on an odd scheme", {"webhook_url": "ftp://example.com/x"}, "webhook_url", "https"),
    (
        "webhook with a password",
        {"webhook_url": USERINFO_URL},
        "webhook_url",
        None,
    ),
]


async def nothing_happened(cloud: Cloud) -> None:
    assert cloud.runpod.jobs == []
    assert await cloud.rows(
        "SELECT (SELECT count(*) FROM generations)"
        " + (SELECT count(*) FROM procrastinate_jobs WHERE task_name <> 'prune')"  # that one comes by the clock
    ) == [(0,)]


def problem_of(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["retryable"] is False
    assert problem["detail"]
    return problem


@pytest.mark.parametrize(("fields", "field", "legal"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
async def test_a_wrong_field_is_named_with_what_is_legal(
    shared_cloud: Cloud, fields: dict[str, Any], field: str, legal: str | None
) -> None:
    for path in ("/api/generations", "/api/quotes"):
        if path == "/api/quotes" and (fields.get("upload_id") == "0" * 32 or "webhook_url" in fields):
            continue  # a quote looks at no image and calls nobody
        if path == "/api/quotes" and str(fields.get("image_urls")).startswith("['file"):
            continue
        body = {name: value for name, value in {**SOLD, **fields}.items() if value is not None}
        problem = problem_of(await shared_cloud.http.post(path, json=body), 422)
        named = {error["field"]: error for error in problem["errors"]}
        assert field in named, problem
        if legal is not None:
            assert legal in str(named[field].get("legal")) or legal in str(named[field].get("nearest")), named[field]
    await nothing_happened(shared_cloud)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/missing.png", 422, "input_unreachable"),
        ("/empty.png", 422, "input_unreachable"),
        ("/loop.png", 422, "input_unreachable"),
        ("/text.png", 415, "input_not_media"),
        ("/page.html", 415, "input_not_media"),
        ("/picture.gif", 415, "input_not_media"),
        ("/cut.png", 415, "input_not_media"),
        ("/bomb.png", 413, "input_too_large"),
        ("/long.png", 413, "input_too_large"),
    ],
)
async def test_an_image_that_cannot_be_used_is_refused_before_anything_starts(
    shared_cloud: Cloud, host: str, path: str, status: int, code: str
) -> None:
    asked = {**SOLD, "image_urls": [f"{host}{path}"]}
    problem = problem_of(await shared_cloud.http.post("/api/generations", json=asked, timeout=30), status)
    assert (problem["code"], problem["errors"][0]["field"]) == (code, "image_urls.0")
    await nothing_happened(shared_cloud)


async def test_an_upload_that_never_came_is_refused(shared_cloud: Cloud) -> None:
    upload = (await shared_cloud.http.post("/api/uploads", json={"media_type": "image/png", "bytes": 10})).json()
    asked = {**SOLD, "upload_id": upload["upload_id"]}
    problem = problem_of(await shared_cloud.http.post("/api/generations", json=asked), 422)
    assert problem["errors"][0]["field"] == "upload_id"
    await nothing_happened(shared_cloud)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"media_type": "image/gif", "bytes": 10}, "media_type"),
        ({"media_type": "image/png", "bytes": 0}, "bytes"),
        ({"media_type": "image/png", "bytes": 10**9}, "bytes"),
        ({"media_type": "image/png"}, "bytes"),
        ({"media_type": "image/png", "bytes": 10, "key": "videos/x"}, "key"),
    ],
)
async def test_a_wrong_upload_is_refused(shared_cloud: Cloud, body: dict[str, Any], field: str) -> None:
    problem = problem_of(await shared_cloud.http.post("/api/uploads", json=body), 422)
    assert problem["errors"][0]["field"] == field


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"", "application/json", 422),
        (b"{", "application/json", 422),
        (b"[]", "application/json", 422),
        (b"null", "application/json", 422),
        (b'{"prompt": NaN}', "application/json", 422),
        (b"\xff\xfe", "application/json", 422),
        (b"[" * 100_000, "application/json", 422),
        (b'{"a":' * 50 + b"1" + b"}" * 50, "application/json", 422),
        (b'{"prompt": "\\ud800"}', "application/json", 422),
        (b'{"\\u0000": 1, "prompt": "x"}', "application/json", 422),
        (b"x" * (256 * 1024 + 1), "application/json", 413),
        (b"prompt=x", "application/x-www-form-urlencoded", 415),
        (b'{"prompt": "x"}', "text/plain", 415),
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(
    shared_cloud: Cloud, content: bytes, media_type: str, status: int
) -> None:
    answer = await shared_cloud.http.post("/api/generations", content=content, headers={"Content-Type": media_type})
    problem_of(answer, status)
    await nothing_happened(shared_cloud)


@pytest.mark.parametrize("key", ["", "with space", "x" * 256])
async def test_a_wrong_idempotency_key_is_refused(shared_cloud: Cloud, key: str) -> None:
    answer = await shared_cloud.http.post("/api/generations", json=SOLD, headers={"Idempotency-Key": key})
    assert problem_of(answer, 422)["errors"][0]["field"] == "Idempotency-Key"
    await nothing_happened(shared_cloud)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/api/generations/unknown", 404, "not_found"),
        ("DELETE", f"/api/generations/{'0' * 32}", 404, "not_found"),
        ("PUT", "/api/generations", 405, "method_not_allowed"),
        ("GET", "/api/generations?limit=0", 422, "invalid_input"),
        ("GET", "/api/generations?before=x", 422, "invalid_input"),
        ("GET", "/api/generations?before=99999999999999999999", 422, "invalid_input"),
        ("GET", "/api/generations/%00", 404, "not_found"),
    ],
)
async def test_other_mistakes_are_problems_too(
    shared_cloud: Cloud, method: str, path: str, status: int, code: str
) -> None:
    assert problem_of(await shared_cloud.http.request(method, path), status)["code"] == code


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer nonsense", "Basic a2V5", "Bearer key-of-mivo-2"])
async def test_without_a_key_nothing_is_answered(shared_cloud: Cloud, header: str | None) -> None:
    async with httpx.AsyncClient(base_url=shared_cloud.url, trust_env=False) as stranger:
        headers = {} if header is None else {"Authorization": header}
        for method, path in (("POST", "/api/generations"), ("GET", "/api/generations"), ("POST", "/api/quotes")):
            answer = await stranger.request(method, path, headers=headers, json=SOLD if method == "POST" else None)
            assert problem_of(answer, 401)["code"] == "unauthorized"
            assert answer.headers["www-authenticate"] == "Bearer"
    await nothing_happened(shared_cloud)
