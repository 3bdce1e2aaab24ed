import json
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import Response
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.integration.orchestrator.cloud import WEBHOOK_SECRET, Cloud, eventually
from tests.integration.orchestrator.conftest import StartCloud
from tests.integration.orchestrator.scripted_runpod import serving
from tests.integration.orchestrator.test_orchestrator_faults import script

OLD_SECRET = "whsec_" + "b2xkIHNlY3JldCBvZiB0aGUgd2ViaG9vayB0ZXN0cw=="  # pragma: allowlist secret


@dataclass
class Receiver:
    url: str = ""
    answers: deque[int] = field(default_factory=deque)
    taken: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def hook(self, request: Request) -> Response:
        self.taken.append((dict(request.headers), await request.body()))
        return Response(status_code=self.answers.popleft() if self.answers else 204)

    async def count(self, number: int) -> list[tuple[dict[str, str], bytes]]:
        async def enough() -> bool:
            return len(self.taken) >= number

        await eventually(enough)
        return self.taken


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver, app = Receiver(), FastAPI()
    app.post("/hook")(receiver.hook)
    async with serving(app) as url:
        receiver.url = f"{url}/hook"
        yield receiver


async def delivery(cloud: Cloud, state: str) -> tuple[Any, ...]:
    async def reached() -> tuple[Any, ...] | None:
        rows = await cloud.rows("SELECT state, tries, last_answer FROM deliveries")
        return rows[0] if rows and rows[0][0] == state else None

    found: tuple[Any, ...] = await eventually(reached)
    return found


async def test_success_is_told_and_the_signature_holds(cloud: Cloud, receiver: Receiver) -> None:
    made = await cloud.create(webhook_url=receiver.url, metadata={"order": "17"})
    [(headers, body)] = await receiver.count(1)
    message = Webhook(WEBHOOK_SECRET).verify(body.decode(), headers)
    assert message["type"] == "generation.succeeded"
    data = message["data"]
    assert (data["id"], data["state"], data["metadata"]) == (made["id"], "succeeded", {"order": "17"})
    assert (data["credits_charged"], data["credits_refund"]) == (0, 0)  # drafts are free
    assert data["result"]["video_url"].startswith("http")
    assert "lighthouse" not in body.decode()  # the prompt stays with us
    with pytest.raises(WebhookVerificationError):
        Webhook(WEBHOOK_SECRET).verify(body.decode().replace(made["id"], "0" * 32), headers)
    assert (await delivery(cloud, "delivered"))[1:] == (1, "HTTP 204")


async def test_failure_carries_the_error_and_the_refund(cloud: Cloud, receiver: Receiver) -> None:
    script(cloud, "graph_rejected")
    await cloud.create(webhook_url=receiver.url, resolution="1080p", duration=20, quality="pro")
    [(_, body)] = await receiver.count(1)
    message = json.loads(body)
    assert message["type"] == "generation.failed"
    assert message["data"]["error"]["code"] == "graph_rejected"
    assert (message["data"]["credits_charged"], message["data"]["credits_refund"]) == (0, 120)


async def test_cancel_is_told(cloud: Cloud, receiver: Receiver) -> None:
    cloud.runpod.worker = None
    made = await cloud.create(webhook_url=receiver.url)
    await cloud.http.delete(f"/api/generations/{made['id']}")
    [(_, body)] = await receiver.count(1)
    assert json.loads(body)["type"] == "generation.canceled"


async def test_a_receiver_that_stumbles_hears_it_again_under_the_same_id(cloud: Cloud, receiver: Receiver) -> None:
    receiver.answers.extend([500, 302])
    await cloud.create(webhook_url=receiver.url)
    taken = await receiver.count(3)
    assert len({headers["webhook-id"] for headers, _ in taken}) == 1
    assert (await delivery(cloud, "delivered"))[1] == 3


async def test_a_receiver_that_never_answers_well_is_given_up(cloud: Cloud, receiver: Receiver) -> None:
    receiver.answers.extend([500] * 20)
    await cloud.create(webhook_url=receiver.url)
    assert await delivery(cloud, "dead") == ("dead", cloud.settings.delivery_tries, "HTTP 500")


async def test_during_a_change_of_secrets_both_verify(start_cloud: StartCloud, receiver: Receiver) -> None:
    secrets = (SecretStr(WEBHOOK_SECRET), SecretStr(OLD_SECRET))
    async with start_cloud(webhook_secrets=secrets) as cloud:
        await cloud.create(webhook_url=receiver.url)
        [(headers, body)] = await receiver.count(1)
        for secret in (WEBHOOK_SECRET, OLD_SECRET):
            assert Webhook(secret).verify(body.decode(), headers)


async def test_inner_addresses_are_never_posted_to(start_cloud: StartCloud, receiver: Receiver) -> None:
    changes = {"environment": "production", "allow_draft": False, "allow_http_urls": False}
    async with start_cloud(**changes) as cloud:
        sold: dict[str, Any] = {"prompt": "x", "resolution": "720p", "duration": 10}
        refused = await cloud.http.post("/api/generations", json={**sold, "webhook_url": receiver.url})
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["field"] == "webhook_url"
        # a name that only the DNS shows to be an inner one is taken, and then not delivered to
        await cloud.create(**sold, webhook_url="https://localhost/hook")
        state, _, answer = await delivery(cloud, "dead")
        assert (state, answer.startswith("input_unreachable")) == ("dead", True)
    assert receiver.taken == []
