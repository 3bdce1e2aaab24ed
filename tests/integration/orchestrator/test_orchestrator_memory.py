"""A stage that runs out of memory: once more on a fresh worker, on the endpoint for big jobs where there is one."""

from typing import Any

import pytest

from shared.contracts.vocabulary import Stage
from tests.integration.orchestrator.cloud import Cloud
from tests.integration.orchestrator.conftest import StartCloud
from tests.integration.orchestrator.scripted_runpod import endpoint_of
from tests.integration.orchestrator.test_orchestrator_faults import script
from tests.waiting import eventually

USUAL = endpoint_of(Stage.BASE_GEN)
LARGE = f"{USUAL}-large"


def changes(**more: Any) -> dict[str, Any]:
    return {"runpod_base_gen_large_endpoint_id": LARGE, **more}


def endpoints(cloud: Cloud) -> list[str]:
    return [job.endpoint for job in cloud.runpod.of(Stage.BASE_GEN)]


async def test_the_retry_goes_to_the_large_endpoint(start_cloud: StartCloud) -> None:
    async with start_cloud(**changes()) as cloud:
        script(cloud, "out_of_memory")
        ended = await cloud.ended((await cloud.create(spatial_upscale=False))["id"])
        assert ended["state"] == "succeeded"
        assert endpoints(cloud) == [USUAL, LARGE]
        shown = await cloud.rows("SELECT endpoint, state FROM stage_runs ORDER BY number")
        assert shown == [(USUAL, "failed"), (LARGE, "succeeded")]


@pytest.mark.parametrize("code", ["worker_lost", "comfy_crashed"])
async def test_what_follows_the_retry_stays_there(start_cloud: StartCloud, code: str) -> None:
    async with start_cloud(**changes()) as cloud:
        script(cloud, "out_of_memory", code)
        ended = await cloud.ended((await cloud.create(spatial_upscale=False))["id"])
        assert ended["state"] == "succeeded"
        assert endpoints(cloud) == [USUAL, LARGE, LARGE]


async def test_a_second_out_of_memory_is_final_and_refunded(start_cloud: StartCloud) -> None:
    async with start_cloud(**changes()) as cloud:
        script(cloud, "out_of_memory", "out_of_memory")
        ended = await cloud.ended((await cloud.create(resolution="720p", duration=10))["id"])
        assert (ended["state"], ended["error"]["code"]) == ("failed", "out_of_memory")
        assert ended["credits_refund"] == ended["credits"] == 30
        assert endpoints(cloud) == [USUAL, LARGE]


async def test_without_a_large_endpoint_the_retry_goes_to_the_usual_one(cloud: Cloud) -> None:
    script(cloud, "out_of_memory")
    assert (await cloud.ended((await cloud.create(spatial_upscale=False))["id"]))["state"] == "succeeded"
    assert endpoints(cloud) == [USUAL, USUAL]


async def test_the_large_endpoint_is_asked_and_told_to_stop(start_cloud: StartCloud) -> None:
    async with start_cloud(**changes()) as cloud:
        script(cloud, "out_of_memory")
        inner = cloud.runpod.worker
        assert inner is not None

        async def only_the_usual(job: Any) -> None:
            if job.endpoint == USUAL:
                await inner(job)

        cloud.runpod.worker = only_the_usual
        made = await cloud.create(spatial_upscale=False)
        job = await cloud.job(Stage.BASE_GEN, number=1)
        job.status = "IN_PROGRESS"
        await cloud.seen(made["id"], "running")
        assert (await cloud.http.delete(f"/api/generations/{made['id']}")).status_code == 200

        async def stopped() -> bool:
            return job.status == "CANCELLED"  # RunPod knows a job only at its own endpoint

        await eventually(stopped)
