import asyncio
import json
from typing import Any

import pytest
from pydantic import TypeAdapter
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from orchestrator.api.told import ProgressEvent
from orchestrator.feed import Feed
from orchestrator.library import Library
from orchestrator.store import events
from orchestrator.store.notices import Notices
from tests.integration.orchestrator.cloud import KEY, OTHER_KEY, PATIENCE, Cloud, orchestrating, replica
from tests.integration.orchestrator.conftest import StartCloud
from tests.integration.orchestrator.test_orchestrator_faults import hold

AUTHORIZED = {"Authorization": f"Bearer {KEY}"}


def address(url: str, generation_id: str, after: int = 0) -> str:
    return f"{url.replace('http', 'ws', 1).rstrip('/')}/api/generations/{generation_id}/progress?after={after}"


async def all_of(socket: ClientConnection) -> tuple[list[dict[str, Any]], int | None]:
    """Every message until the server closes, and the close code."""
    messages = []
    async with asyncio.timeout(20):
        try:
            while True:
                messages.append(json.loads(await socket.recv()))
        except ConnectionClosed as closed:
            return messages, closed.rcvd.code if closed.rcvd else None


async def test_events_are_numbered_and_end_with_the_generation(cloud: Cloud) -> None:
    made = await cloud.create(temporal_upscale=True)
    async with connect(address(cloud.url, made["id"]), additional_headers=AUTHORIZED, proxy=None) as socket:
        messages, code = await all_of(socket)
    assert code == 1000
    assert [message["seq"] for message in messages] == list(range(1, len(messages) + 1))
    assert messages[0]["type"] == "generation.queued"
    for message in messages:
        TypeAdapter(ProgressEvent).validate_python(message)  # says nothing that the OpenAPI document does not know
    assert (messages[-1]["type"], messages[-1]["fraction"]) == ("generation.succeeded", 1.0)
    fractions = [message["fraction"] for message in messages]
    assert fractions == sorted(fractions)
    assert [message["stage"] for message in messages if message["type"] == "stage.succeeded"] == [
        "base_gen",
        "spatial_upscale",
        "temporal_upscale",
    ]


async def test_a_client_goes_on_where_it_left_through_another_replica(cloud: Cloud) -> None:
    generation_id, job = await hold(cloud, spatial_upscale=False)
    async with connect(address(cloud.url, generation_id), additional_headers=AUTHORIZED, proxy=None) as socket:
        seen = [json.loads(await asyncio.wait_for(socket.recv(), 5)) for _ in range(2)]
    async with orchestrating(cloud.settings) as other:
        where = address(str(other.base_url), generation_id, after=seen[-1]["seq"])
        async with connect(where, additional_headers=AUTHORIZED, proxy=None) as socket:
            rest = asyncio.create_task(all_of(socket))
            await cloud.worker(job)
            messages, code = await rest
    assert code == 1000
    assert messages[0]["seq"] == seen[-1]["seq"] + 1
    assert messages[-1]["type"] == "generation.succeeded"


async def test_sampling_progress_is_told_and_never_goes_back(cloud: Cloud) -> None:
    generation_id, job = await hold(cloud)
    async with connect(address(cloud.url, generation_id), additional_headers=AUTHORIZED, proxy=None) as socket:

        async def told(fraction: float) -> dict[str, Any]:
            async with asyncio.timeout(10):
                while True:
                    message: dict[str, Any] = json.loads(await socket.recv())
                    if message["type"] == "progress" and message["stage_fraction"] >= fraction:
                        return message

        attempt = job.body["input"]["attempt_id"]
        job.output = {"attempt_id": attempt, "fraction": 0.5, "phase": "executing", "step": 4, "steps": 8}
        job.status = "IN_PROGRESS"
        half = await told(0.5)
        assert (half["stage"], half["step"], half["steps"], half["phase"]) == ("base_gen", 4, 8, "executing")
        assert half["fraction"] == pytest.approx(0.25)
        assert 0 < half["remaining_seconds"] <= 2 + 2  # of two drafts of a second each, and a little
        for stale in ({"fraction": 0.2}, {"attempt_id": "0" * 32, "fraction": 0.9}, {"phase": "dancing"}):
            job.output = {"attempt_id": attempt, "fraction": 0.5, "phase": "executing"} | stale
            await cloud.rows("UPDATE stage_runs SET next_poll_at = now()")
        job.output = {"attempt_id": attempt, "fraction": 0.75, "phase": "uploading"}
        assert (await told(0.51))["stage_fraction"] == 0.75
    shown = await cloud.get(generation_id)
    assert shown["stages"][0]["fraction"] == 0.75


async def test_silence_is_filled_with_heartbeats_and_life_is_bounded(start_cloud: StartCloud) -> None:
    async with start_cloud(heartbeat_seconds=0.05, socket_seconds=0.5) as cloud:
        generation_id, _job = await hold(cloud)
        async with connect(address(cloud.url, generation_id), additional_headers=AUTHORIZED, proxy=None) as socket:
            messages, code = await all_of(socket)
        assert code == 1012
        assert [message["type"] for message in messages].count("heartbeat") >= 3


async def test_who_has_seen_all_of_an_ended_one_is_told_that_it_is_over(cloud: Cloud) -> None:
    ended = await cloud.ended((await cloud.create())["id"])
    where = address(cloud.url, ended["id"], after=ended["last_seq"])
    async with connect(where, additional_headers=AUTHORIZED, proxy=None) as socket:
        assert await all_of(socket) == ([], 1000)


async def test_a_browser_sends_its_key_as_a_subprotocol(cloud: Cloud) -> None:
    made = await cloud.create()
    protocols = ["ltx2.progress", f"bearer.{KEY}"]
    async with connect(address(cloud.url, made["id"]), subprotocols=protocols, proxy=None) as socket:  # type: ignore[arg-type]
        assert socket.subprotocol == "ltx2.progress"
        assert (await all_of(socket))[1] == 1000


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "unauthorized"),
        ({"Authorization": "Bearer nonsense"}, 401, "unauthorized"),
        ({"Authorization": f"Bearer {OTHER_KEY}"}, 404, "not_found"),
    ],
)
async def test_strangers_see_nothing(cloud: Cloud, headers: dict[str, str], status: int, code: str) -> None:
    made = await cloud.create()
    with pytest.raises(InvalidStatus) as refused:
        await connect(address(cloud.url, made["id"]), additional_headers=headers, proxy=None)
    answer = refused.value.response
    assert answer.status_code == status
    assert json.loads(answer.body or b"")["code"] == code


async def test_followers_share_what_was_read_since_the_latest_news(cloud: Cloud) -> None:
    made = await cloud.create()
    await cloud.ended(made["id"])
    notices = Notices(cloud.database_url)
    async with replica(cloud.database_url) as over, asyncio.timeout(PATIENCE):
        feed = Feed(over.database, notices, Library(cloud.store, presign_seconds=60))
        with notices.follow(made["id"]) as news:
            listening = asyncio.create_task(notices.listen())
            await news.wait()  # until it listens
            pages = await asyncio.gather(*(feed.after(made["id"], 0) for _ in range(20)))
            assert all(page is pages[0] for page in pages)
            assert pages[0].ended
            news.clear()
            async with over.database.transaction() as connection:
                early = asyncio.create_task(feed.after(made["id"], pages[0].messages[-1].seq))
                await events.append(connection, made["id"], ("progress", {"fraction": 1.0}))
            await news.wait()
            late = await feed.after(made["id"], pages[0].messages[-1].seq)
        assert [message.type for message in late.messages] == ["progress"]
        assert late is not await early
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
