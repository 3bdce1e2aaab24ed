"""How many files of users are looked at together."""

import asyncio

import pytest
from fastapi import FastAPI
from fastapi.responses import Response

from orchestrator import inputs
from tests.integration.orchestrator.cloud import DRAFT, Cloud
from tests.integration.orchestrator.conftest import StartCloud
from tests.integration.orchestrator.scripted_runpod import serving
from tests.integration.orchestrator.test_orchestrator_flow import png
from tests.waiting import eventually


class SlowHost:
    """Serves a picture once it is let go."""

    def __init__(self) -> None:
        self.go, self.asked = asyncio.Event(), 0
        self.app = FastAPI()
        self.app.get("/a.png")(self.serve)

    async def serve(self) -> Response:
        self.asked += 1
        await self.go.wait()
        return Response(png(), media_type="image/png")


async def test_who_finds_no_turn_is_told_to_come_again(
    start_cloud: StartCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "AT_ONCE", 2)
    monkeypatch.setattr(inputs, "TURN_SECONDS", 0.3)
    host = SlowHost()
    async with serving(host.app) as url, start_cloud() as cloud:

        def ask(cloud: Cloud) -> asyncio.Task[int]:
            async def asked() -> int:
                body = {**DRAFT, "image_urls": [f"{url}/a.png"]}
                return (await cloud.http.post("/api/generations", json=body, timeout=30)).status_code

            return asyncio.create_task(asked())

        first = [ask(cloud) for _ in range(2)]

        async def full() -> bool:
            return host.asked == 2

        await eventually(full)
        refused = await cloud.http.post("/api/generations", json={**DRAFT, "image_urls": [f"{url}/a.png"]}, timeout=30)
        assert (refused.status_code, refused.json()["code"]) == (503, "storage_unavailable")
        assert int(refused.headers["retry-after"]) > 0
        assert host.asked == 2
        assert (await cloud.http.post("/api/generations", json=DRAFT)).status_code == 201  # needs no turn
        host.go.set()
        assert await asyncio.gather(*first) == [201, 201]
        assert await ask(cloud) == 201
