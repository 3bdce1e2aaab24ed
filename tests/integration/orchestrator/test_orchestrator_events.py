"""Server-sent events: the same as the socket tells."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.integration.orchestrator.cloud import OTHER_KEY, Cloud, orchestrating
from tests.integration.orchestrator.conftest import StartCloud
from tests.integration.orchestrator.test_orchestrator_faults import hold

Told = list[dict[str, Any]]


def where(generation_id: str) -> str:
    return f"/api/generations/{generation_id}/events"


async def read(
    http: httpx.AsyncClient, generation_id: str, *, most: int = 1000, after: int | None = None
) -> tuple[Told, int]:
    """The events until the server closes, or `most` of them, and the number of comments."""
    told, comments, lines = [], 0, dict[str, str]()
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    async with asyncio.timeout(20), http.stream("GET", where(generation_id), headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for line in answer.aiter_lines():
            if line.startswith(":"):
                comments += 1
            elif line:
                name, _, value = line.partition(": ")
                lines[name] = value
            elif lines:
                event = json.loads(lines["data"])
                assert (lines["id"], lines["event"]) == (str(event["seq"]), event["type"])
                told.append(event)
                lines = {}
                if len(told) == most:
                    break
    return told, comments


async def test_events_are_told_until_the_end(cloud: Cloud) -> None:
    made = await cloud.create(temporal_upscale=True)
    told, _ = await read(cloud.http, made["id"])
    assert [event["seq"] for event in told] == list(range(1, len(told) + 1))
    assert (told[0]["type"], told[-1]["type"]) == ("generation.queued", "generation.succeeded")
    shown = await cloud.get(made["id"])
    assert shown["last_seq"] == len(told)


async def test_a_browser_goes_on_by_itself_through_another_replica(cloud: Cloud) -> None:
    generation_id, job = await hold(cloud, spatial_upscale=False)
    seen, _ = await read(cloud.http, generation_id, most=2)
    async with orchestrating(cloud.settings) as other:
        rest = asyncio.create_task(read(other, generation_id, after=seen[-1]["seq"]))
        await cloud.worker(job)
        told, _ = await rest
    assert told[0]["seq"] == seen[-1]["seq"] + 1
    assert told[-1]["type"] == "generation.succeeded"


async def test_after_the_end_it_is_told_not_to_come_again(cloud: Cloud) -> None:
    ended = await cloud.ended((await cloud.create())["id"])
    last = {"Last-Event-ID": str(ended["last_seq"])}
    assert (await cloud.http.get(where(ended["id"]), headers=last)).status_code == 204
    assert (await cloud.http.get(where(ended["id"]), params={"after": ended["last_seq"]})).status_code == 204


async def test_silence_is_filled_and_life_is_bounded(start_cloud: StartCloud) -> None:
    async with start_cloud(heartbeat_seconds=0.05, socket_seconds=0.5) as cloud:
        generation_id, _job = await hold(cloud)
        told, comments = await read(cloud.http, generation_id)
    assert told
    assert comments >= 3


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": "Bearer nonsense"}, 401),
        ({"Authorization": f"Bearer {OTHER_KEY}"}, 404),
        ({"Last-Event-ID": "soon"}, 422),
    ],
)
async def test_strangers_and_nonsense(cloud: Cloud, headers: dict[str, str], status: int) -> None:
    made = await cloud.create()
    assert (await cloud.http.get(where(made["id"]), headers=headers)).status_code == status
