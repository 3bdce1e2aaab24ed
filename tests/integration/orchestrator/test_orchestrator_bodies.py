"""How much of a body is taken, how, and for how long."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from orchestrator.api import body
from tests.integration.orchestrator.cloud import KEY, Cloud

PATHS = ("/api/generations", "/api/quotes", "/api/uploads", "/api/stages/base_gen")


async def raw(cloud: Cloud, *pieces: bytes, close: bool = False) -> bytes:
    """Send bytes as they are over a socket; what comes back until the server has answered or hung up."""
    host, port = cloud.url.removeprefix("http://").split(":")
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            if close:
                writer.write_eof()
            return await reader.read(4096)
        finally:
            writer.close()


def head(path: str, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {KEY}", "Content-Type: application/json"]
    return "\r\n".join([*lines, *headers, "", ""]).encode()


@pytest.mark.parametrize("path", PATHS)
async def test_a_body_without_a_length_is_counted_as_it_comes(cloud: Cloud, path: str) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(10_000):
            yield b" " * 65536

    answer = await cloud.http.post(path, content=endless(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")
    assert cloud.runpod.jobs == []


async def test_a_length_that_is_too_large_is_refused_before_a_byte_of_it(cloud: Cloud) -> None:
    assert (await raw(cloud, head("/api/quotes", "Content-Length: 99999999999"))).startswith(b"HTTP/1.1 413 ")


async def test_chunks_that_make_a_small_body_are_taken(cloud: Cloud) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in json.dumps({"prompt": "a lighthouse"}).encode():
            yield bytes([piece])

    answer = await cloud.http.post("/api/quotes", content=pieces(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 200


async def test_a_body_that_drips_meets_its_deadline(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "SECONDS", 0.2)
    answer = await raw(cloud, head("/api/quotes", "Content-Length: 10"), b"{")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"request_timeout"' in answer


async def test_a_sender_who_hangs_up_harms_nobody(cloud: Cloud) -> None:
    await raw(cloud, head("/api/generations", "Content-Length: 1000"), b'{"prompt"', close=True)
    assert (await cloud.http.get("/healthz")).status_code == 200
    assert await cloud.rows("SELECT count(*) FROM generations") == [(0,)]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": ""},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/jsonp"},
        {"Content-Type": "text/plain; application/json"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_only_plain_json_is_read(cloud: Cloud, headers: dict[str, str]) -> None:
    for path in PATHS:
        answer = await cloud.http.post(path, content=b'{"prompt": "x"}', headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert cloud.runpod.jobs == []


@pytest.mark.parametrize(
    "media_type", ["application/json", "Application/JSON; Charset=UTF-8", 'application/json;charset="utf-8"']
)
async def test_json_by_its_other_names(cloud: Cloud, media_type: str) -> None:
    answer = await cloud.http.post("/api/quotes", content=b'{"prompt": "x"}', headers={"Content-Type": media_type})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "content",
    [
        b'{"prompt": "x", "prompt": "y"}',
        b'{"prompt": "x", "metadata": {"a": "1", "a": "2"}}',
        '{"prompt": "x"}'.encode("utf-16"),
        b'\xef\xbb\xbf{"prompt": "x"}',
        b'{"prompt": 1e999}',
        b'{"prompt": "x", "seed": ' + b"9" * 5000 + b"}",
        b'{"prompt": "x"} {}',
    ],
    ids=["twice", "twice inside", "utf-16", "byte order mark", "beyond doubles", "5,000 digits", "two values"],
)
async def test_json_that_parsers_understand_differently_is_refused(cloud: Cloud, content: bytes) -> None:
    for path in PATHS:
        answer = await cloud.http.post(path, content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422, answer.text
    assert cloud.runpod.jobs == []
