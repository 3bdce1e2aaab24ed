"""`generation.progress`: where a setting asks for it, never in the way of what counts."""

import asyncio
from typing import Any

from pydantic import TypeAdapter
from standardwebhooks.webhooks import Webhook

from orchestrator.api.told import WebhookProgress
from orchestrator.progression import MOST_TOLD
from orchestrator.queue import TELL
from shared.contracts.vocabulary import Stage
from tests.integration.orchestrator.cloud import WEBHOOK_SECRET, Cloud
from tests.integration.orchestrator.conftest import StartCloud
from tests.integration.orchestrator.scripted_runpod import ScriptedJob
from tests.integration.orchestrator.test_orchestrator_faults import hold
from tests.integration.orchestrator.webhook_receiver import Receiver
from tests.waiting import eventually


async def move(cloud: Cloud, generation_id: str, job: ScriptedJob, fraction: float) -> None:
    """The worker is so far, and the orchestrator knows it."""
    attempt = job.body["input"]["attempt_id"]
    job.output = {"attempt_id": attempt, "fraction": fraction, "phase": "executing", "step": 1, "steps": 8}
    job.status = "IN_PROGRESS"

    async def known() -> bool:
        return bool((await cloud.get(generation_id))["stages"][-1]["fraction"] == fraction)

    await eventually(known)


async def until_told(receiver: Receiver, kind: str, fraction: float) -> dict[str, Any]:
    async def there() -> dict[str, Any] | None:
        found = [each["data"] for each in receiver.told() if each["type"] == kind]
        return next((data for data in found if data.get("fraction", 1.0) >= fraction), None)

    told: dict[str, Any] = await eventually(there)
    return told


async def test_turns_of_stages_and_tenths_of_the_way_are_told_in_order(
    start_cloud: StartCloud, receiver: Receiver
) -> None:
    async with start_cloud(webhook_progress=True) as cloud:
        generation_id, job = await hold(cloud, webhook_url=receiver.url, metadata={"order": "17"})
        await move(cloud, generation_id, job, 0.5)
        half = await until_told(receiver, "generation.progress", 0.25)
        assert (half["id"], half["state"], half["metadata"]) == (generation_id, "running", {"order": "17"})
        assert (half["stage"], half["stage_state"], half["stage_fraction"]) == ("base_gen", "running", 0.5)
        assert half["remaining_seconds"] <= 4
        await move(cloud, generation_id, job, 0.75)
        await until_told(receiver, "generation.progress", 0.37)
        cloud.runpod.worker = None
        await cloud.worker(job)
        follower = await cloud.job(Stage.SPATIAL_UPSCALE)
        await until_told(receiver, "generation.progress", 0.5)
        await cloud.worker(follower)
        end = await until_told(receiver, "generation.succeeded", 0.0)
    told = receiver.told()
    progress = [each["data"] for each in told if each["type"] == "generation.progress"]
    assert len(progress) == len(told) - 1
    assert "spatial_upscale" in [data["stage"] for data in progress]
    for name in ("seq", "fraction"):
        assert [data[name] for data in progress] == sorted(data[name] for data in progress)
    assert end["seq"] > progress[-1]["seq"], "even if one came after it, it would say nothing any more"
    assert len({headers["webhook-id"] for headers, _ in receiver.taken}) == len(told)
    for each in told:
        if each["type"] == "generation.progress":
            TypeAdapter(WebhookProgress).validate_python(each)  # says nothing that the OpenAPI document does not know
    assert all(Webhook(WEBHOOK_SECRET).verify(body.decode(), headers) for headers, body in receiver.taken)
    assert "lighthouse" not in b"".join(body for _, body in receiver.taken).decode()


async def test_a_slow_receiver_is_told_less_and_hears_of_the_end_all_the_same(
    start_cloud: StartCloud, receiver: Receiver
) -> None:
    receiver.progress_gate = asyncio.Event()
    async with start_cloud(webhook_progress=True) as cloud:
        generation_id, job = await hold(cloud, webhook_url=receiver.url)
        await move(cloud, generation_id, job, 0.05)
        await receiver.count(1)  # of the start; it is not answered
        for fraction in (0.3, 0.5, 0.7, 0.9):
            await move(cloud, generation_id, job, fraction)
        waiting = await cloud.rows(
            "SELECT count(*) FROM procrastinate_jobs WHERE task_name = %s AND status = 'todo'", TELL
        )
        assert waiting[0][0] <= 1  # of four
        await cloud.worker(job)
        end = await until_told(receiver, "generation.succeeded", 0.0)
        assert end["seq"] == max(each["data"]["seq"] for each in receiver.told())
        receiver.progress_gate.set()


async def test_a_receiver_that_refuses_progress_is_asked_once(start_cloud: StartCloud, receiver: Receiver) -> None:
    receiver.answers.extend([500])
    async with start_cloud(webhook_progress=True) as cloud:
        generation_id, job = await hold(cloud, webhook_url=receiver.url, spatial_upscale=False)
        await move(cloud, generation_id, job, 0.05)
        await receiver.count(1)
        await cloud.worker(job)
        await until_told(receiver, "generation.succeeded", 0.0)
        assert [each["type"] for each in receiver.told()] == ["generation.progress", "generation.succeeded"]
        [(told,)] = await cloud.rows("SELECT progress_told FROM generations")
        assert told == 1 < MOST_TOLD
