import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr, TypeAdapter
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from orchestrator.api.told import RunPodMessage, WebhookMessage
from orchestrator.webhooks import signed_headers
from tests.integration.orchestrator.cloud import WEBHOOK_SECRET, Cloud
from tests.integration.orchestrator.conftest import StartCloud
from tests.integration.orchestrator.test_orchestrator_faults import script
from tests.integration.orchestrator.webhook_receiver import Receiver
from tests.waiting import eventually

OLD_SECRET = "whsec_" + "b2xkIHNlY3JldCBvZiB0aGUgd2ViaG9vayB0ZXN0cw=="  # pragma: allowlist secret


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
    TypeAdapter(WebhookMessage).validate_json(body)  # says nothing that the OpenAPI document does not know
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
    TypeAdapter(WebhookMessage).validate_json(body)
    assert message["type"] == "generation.failed"
    assert message["data"]["error"]["code"] == "graph_rejected"
    assert (message["data"]["credits_charged"], message["data"]["credits_refund"]) == (0, 120)


@pytest.mark.parametrize("end", ["succeeded", "failed", "canceled"])
async def test_a_reader_of_runpods_webhooks_understands_ours(
    start_cloud: StartCloud, receiver: Receiver, end: str
) -> None:
    async with start_cloud(webhook_shape="runpod") as cloud:
        if end == "failed":
            script(cloud, "graph_rejected")
        if end == "canceled":
            cloud.runpod.worker = None
        made = await cloud.create(webhook_url=receiver.url, resolution="720p", duration=10)
        if end == "canceled":
            await cloud.http.delete(f"/api/generations/{made['id']}")
        [(headers, body)] = await receiver.count(1)
    told = Webhook(WEBHOOK_SECRET).verify(body.decode(), headers)
    TypeAdapter(RunPodMessage).validate_json(body)
    assert told["id"] == made["id"]
    if end == "succeeded":
        assert told["status"] == "COMPLETED"
        assert told["output"]["video_url"].startswith("http")
        assert (told["credits_charged"], told["credits_refund"]) == (30, 0)
        assert told.keys() == {"id", "status", "output", "credits_charged", "credits_refund"}
    else:
        assert told["status"] == "FAILED"
        assert told["error"].startswith({"failed": "graph_rejected: ", "canceled": "canceled: "}[end])
        assert (told["credits_charged"], told["credits_refund"]) == (0, 30)
        assert told.keys() == {"id", "status", "error", "credits_charged", "credits_refund"}


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
        for inner in (receiver.url, "https://127.0.0.1/hook", "https://localhost/hook", "https://[::ffff:a00:1]/"):
            refused = await cloud.http.post("/api/generations", json={**sold, "webhook_url": inner})
            assert refused.status_code == 422
            assert refused.json()["errors"][0]["field"] == "webhook_url"
        # a name that the DNS does not know yet is taken; what it leads to later is judged again before each post
        made = await cloud.create(**sold, webhook_url="https://later.invalid/hook")
        moved = "jsonb_set(request, '{webhook_url}', '\"https://localhost/hook\"')"
        await cloud.rows(f"UPDATE generations SET request = {moved} WHERE id = %s", made["id"])  # noqa: S608  ours
        state, _, answer = await delivery(cloud, "dead")
        assert (state, answer.startswith("input_unreachable")) == ("dead", True)
    assert receiver.taken == []


async def listed(cloud: Cloud, query: str = "") -> list[dict[str, Any]]:
    answer = await cloud.http.get(f"/api/deliveries{query}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["deliveries"]
    return found


async def test_a_dead_letter_is_listed_and_sent_again_by_hand(cloud: Cloud, receiver: Receiver) -> None:
    """With a signature of its own time: the first one would be refused as a replay by then."""
    receiver.answers.extend([500] * cloud.settings.delivery_tries)
    made = await cloud.create(webhook_url=receiver.url)
    await delivery(cloud, "dead")
    await cloud.ended((await cloud.create())["id"])  # has no webhook, so no delivery
    [dead] = await listed(cloud, "?state=dead")
    assert (dead["generation_id"], dead["tries"], dead["last_answer"]) == (made["id"], 4, "HTTP 500")
    await cloud.rows("UPDATE generations SET finished_at = finished_at - interval '1 day'")
    answer = await cloud.http.post(f"/api/deliveries/{dead['id']}/redeliver")
    assert (answer.status_code, answer.json()["state"]) == (202, "pending")
    headers, body = (await receiver.count(5))[-1]
    assert headers["webhook-id"] == receiver.taken[0][0]["webhook-id"] == dead["id"]
    message = Webhook(WEBHOOK_SECRET).verify(body.decode(), headers)
    assert message["data"]["id"] == made["id"]
    age = datetime.now(UTC) - datetime.fromisoformat(message["timestamp"])
    assert age > timedelta(hours=23)  # of what it tells; the signature is of now
    assert (await delivery(cloud, "delivered"))[1:] == (5, "HTTP 204")
    assert await listed(cloud, "?state=dead") == []
    assert [row["state"] for row in await listed(cloud)] == ["delivered"]
    counts = [f'ltx2_webhooks_total{{state="{state}"}} {n}' for state, n in (("pending", 3.0), ("dead", 1.0))]

    async def counted() -> bool:  # just after the row is written
        return set(counts) <= set((await cloud.http.get("/metrics")).text.splitlines())

    assert await eventually(counted)


async def test_what_was_delivered_can_be_had_again_but_not_what_is_under_way(cloud: Cloud, receiver: Receiver) -> None:
    await cloud.create(webhook_url=receiver.url)
    await delivery(cloud, "delivered")
    [row] = await listed(cloud)
    url = f"/api/deliveries/{row['id']}/redeliver"
    answers = await asyncio.gather(*(cloud.http.post(url) for _ in range(5)))
    assert min(answer.status_code for answer in answers) == 202
    assert {answer.status_code for answer in answers} <= {202, 409}
    await receiver.count(2)
    await delivery(cloud, "delivered")
    await cloud.rows("UPDATE deliveries SET state = 'pending', finished_at = NULL")
    refused = await cloud.http.post(url)
    assert (refused.status_code, refused.json()["code"]) == (409, "already_pending")


@pytest.mark.parametrize("delivery_id", ["msg_0", f"msg_{'0' * 32}", "%00", "x" * 1000])
async def test_there_is_no_such_delivery(cloud: Cloud, delivery_id: str) -> None:
    answer = await cloud.http.post(f"/api/deliveries/{delivery_id}/redeliver")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_pages_of_deliveries(cloud: Cloud, receiver: Receiver) -> None:
    made = [(await cloud.create(webhook_url=receiver.url))["id"] for _ in range(3)]
    await receiver.count(3)
    first = (await cloud.http.get("/api/deliveries?limit=2")).json()
    rest = (await cloud.http.get(f"/api/deliveries?limit=2&before={first['next']}")).json()
    assert [row["generation_id"] for row in first["deliveries"] + rest["deliveries"]] == made[::-1]
    assert rest["next"] is None


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_replay_is_outside_of_the_receivers_window(minutes: int) -> None:
    """Five minutes either way, as the public package has it; the timestamp is signed, so it cannot be freshened."""
    at = datetime.now(UTC) + timedelta(minutes=minutes)
    headers = signed_headers([SecretStr(WEBHOOK_SECRET)], "msg_1", at, b"{}")
    with pytest.raises(WebhookVerificationError, match="timestamp"):
        Webhook(WEBHOOK_SECRET).verify("{}", headers)
    fresh = {**headers, "webhook-timestamp": str(int(datetime.now(UTC).timestamp()))}
    with pytest.raises(WebhookVerificationError, match="signature"):
        Webhook(WEBHOOK_SECRET).verify("{}", fresh)


def test_a_secret_that_was_taken_away_signs_nothing() -> None:
    headers = signed_headers([SecretStr(WEBHOOK_SECRET)], "msg_1", datetime.now(UTC), b"{}")
    assert Webhook(WEBHOOK_SECRET).verify("{}", headers) == {}
    with pytest.raises(WebhookVerificationError, match="signature"):
        Webhook(OLD_SECRET).verify("{}", headers)
