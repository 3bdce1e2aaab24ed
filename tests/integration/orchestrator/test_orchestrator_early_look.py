"""The early look, as the orchestrator sees it: the next stage waits for nothing, and nothing hangs on the look."""

import asyncio
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter
from websockets.asyncio.client import connect

from orchestrator.api.told import ProgressEvent, WebhookProgress
from shared.contracts.artifact import Artifact, early_look_key, early_look_record_key
from shared.contracts.stage import BaseGenInput
from shared.contracts.vocabulary import Stage
from tests.integration.orchestrator.cloud import Cloud
from tests.integration.orchestrator.conftest import StartCloud
from tests.integration.orchestrator.scripted_runpod import ScriptedJob
from tests.integration.orchestrator.test_orchestrator_faults import hold
from tests.integration.orchestrator.test_orchestrator_progress import AUTHORIZED, address, all_of
from tests.integration.orchestrator.webhook_receiver import Receiver
from tests.waiting import eventually


def committed(cloud: Cloud, job: ScriptedJob) -> str:
    """The latents and their manifest stand, and the job goes on with the early look; the stage_key."""
    work = BaseGenInput.model_validate(job.body["input"])
    assert work.early_look
    job.output = {"attempt_id": work.attempt_id, "fraction": 1.0, "phase": "looking"}
    job.status = "IN_PROGRESS"
    return cloud.worker.render(Stage.BASE_GEN, work).stage_key


def look_at(cloud: Cloud, stage_key: str) -> Artifact:
    made = cloud.store.upload_bytes(
        b"a small clip",
        early_look_key(stage_key, "execution"),
        media_type="video/mp4",
        width=128,
        height=72,
        frames=24,
        fps=24,
        seconds=1.0,
    )
    cloud.store.looks.write(stage_key, made)
    return made


async def until_shown(cloud: Cloud, generation_id: str) -> dict[str, Any]:
    async def shown() -> dict[str, Any] | None:
        return (await cloud.get(generation_id)).get("early_look")

    found: dict[str, Any] = await eventually(shown)
    return found


async def between(cloud: Cloud, **fields: Any) -> tuple[str, ScriptedJob, ScriptedJob, str]:
    """The base's job makes the look, and that of the refine has begun: generation, both jobs, stage_key of the base."""
    generation_id, base = await hold(cloud, **fields)
    cloud.runpod.worker = None
    stage_key = committed(cloud, base)
    return generation_id, base, await cloud.job(Stage.SPATIAL_UPSCALE), stage_key


async def test_the_next_stage_begins_while_the_look_is_made_and_its_url_is_told(
    start_cloud: StartCloud, receiver: Receiver
) -> None:
    async def told() -> list[dict[str, Any]]:
        bodies = [body for body in receiver.told() if body["type"] == "generation.progress"]
        return [body for body in bodies if "early_look" in body["data"]]

    async with start_cloud(webhook_progress=True) as cloud:
        generation_id, base, refine, stage_key = await between(cloud, webhook_url=receiver.url)
        assert base.status == "IN_PROGRESS"
        assert "early_look" not in await cloud.get(generation_id)
        async with connect(address(cloud.url, generation_id), additional_headers=AUTHORIZED, proxy=None) as socket:
            following = asyncio.create_task(all_of(socket))
            made = look_at(cloud, stage_key)
            shown = await until_shown(cloud, generation_id)
            assert (shown["width"], shown["height"], shown["sha256"]) == (128, 72, made.sha256)
            async with httpx.AsyncClient(trust_env=False) as outside:
                assert (await outside.get(shown["url"])).content == b"a small clip"
            for body in await eventually(told):
                TypeAdapter(WebhookProgress).validate_python(body)
            base.status, base.output = "COMPLETED", None
            await cloud.worker(refine)
            messages, _ = await following
        [event] = [message for message in messages if message["type"] == "early_look"]
        TypeAdapter(ProgressEvent).validate_python(event)
        async with httpx.AsyncClient(trust_env=False) as outside:
            assert (await outside.get(event["early_look"]["url"])).content == b"a small clip"
        assert messages[-1]["type"] == "generation.succeeded"
        assert (await cloud.get(generation_id))["early_look"]["bytes"] == made.bytes
    assert cloud.worker.renders == {Stage.BASE_GEN: 1, Stage.SPATIAL_UPSCALE: 1}


@pytest.mark.parametrize("left", ["nothing", "a torn record"])
async def test_a_look_that_never_comes_costs_nothing(cloud: Cloud, left: str) -> None:
    generation_id, base, refine, stage_key = await between(cloud)
    if left == "a torn record":
        cloud.store.upload_bytes(b"{", early_look_record_key(stage_key), media_type="application/json")
    base.status, base.error = "FAILED", "the worker was killed in the middle of it"
    refine.status = "IN_PROGRESS"
    await cloud.seen(generation_id, "running")
    await cloud.worker(refine)
    ended = await cloud.ended(generation_id)
    assert ended["state"] == "succeeded"
    assert "early_look" not in ended
    assert [run["state"] for run in ended["stages"]] == ["succeeded", "succeeded"]


async def test_a_cancel_stops_the_look_as_well(cloud: Cloud) -> None:
    generation_id, base, refine, _ = await between(cloud)
    await cloud.seen(generation_id, "submitted")
    assert (await cloud.http.delete(f"/api/generations/{generation_id}")).status_code == 200

    async def both() -> bool:
        return {base.id, refine.id} <= set(cloud.runpod.canceled)

    await eventually(both)


async def test_of_a_base_that_was_made_before_the_look_is_found(cloud: Cloud) -> None:
    generation_id, base, refine, stage_key = await between(cloud, seed=21)
    look_at(cloud, stage_key)
    await until_shown(cloud, generation_id)
    base.status = "COMPLETED"
    again = await cloud.create(seed=21, temporal_upscale=True)
    assert (await until_shown(cloud, again["id"]))["width"] == 128
    assert (await cloud.get(again["id"]))["stages"][0]["reused"]
    await cloud.worker(refine)


async def test_nobody_looks_who_does_not_want_to_or_has_one_stage(cloud: Cloud) -> None:
    for made in (await cloud.create(early_look=False), await cloud.create(spatial_upscale=False)):
        await cloud.ended(made["id"])
    assert [job.body["input"]["early_look"] for job in cloud.runpod.of(Stage.BASE_GEN)] == [False, False]
