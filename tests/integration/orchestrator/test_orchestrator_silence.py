"""RunPod or S3 say nothing, or only half: runs end at their deadline all the same, and finished work is adopted."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

import pytest

from shared.artifacts import S3Settings
from shared.contracts.vocabulary import Stage
from tests.chaos.proxy import FaultProxy, Trouble
from tests.integration.orchestrator.cloud import Cloud
from tests.integration.orchestrator.conftest import StartCloud
from tests.integration.orchestrator.test_orchestrator_faults import ended_run, hold

PAST = "UPDATE stage_runs SET deadline_at = now() - interval '1 s', next_poll_at = now() - interval '1 s'"


@pytest.mark.parametrize("how", ["refuses", "hangs"])
async def test_runpod_is_silent_at_the_deadline(cloud: Cloud, how: str) -> None:
    generation_id, _ = await hold(cloud, spatial_upscale=False)
    if how == "hangs":
        cloud.runpod.gate = asyncio.Event()
    else:
        cloud.runpod.status_answers.extend([503] * 1000)
    await cloud.rows(PAST)
    assert await ended_run(cloud, generation_id) == ("timed_out", "runpod_unavailable")
    if cloud.runpod.gate is not None:
        cloud.runpod.gate.set()
    cloud.runpod.status_answers.clear()
    assert (await cloud.ended(generation_id))["state"] == "succeeded", "the next run does it"


@pytest.mark.parametrize("trouble", [Trouble.RESET, Trouble.UNAVAILABLE])
async def test_storage_is_silent_at_the_deadline(
    start_cloud: StartCloud, s3_settings: S3Settings, trouble: Trouble
) -> None:
    there = urlsplit(s3_settings.endpoint_url or "")
    async with FaultProxy() as proxy:
        proxy.upstream = (str(there.hostname), int(there.port or 0))
        through = s3_settings.model_copy(update={"endpoint_url": f"http://{proxy.address}"})
        async with start_cloud(s3=through) as cloud:
            generation_id, job = await hold(cloud, spatial_upscale=False)
            job.status = "TIMED_OUT"
            await cloud.rows("UPDATE stage_runs SET next_poll_at = now() + interval '1 h'")
            proxy.break_with(trouble)
            await cloud.rows(PAST)
            assert await ended_run(cloud, generation_id) == ("timed_out", "storage_unavailable")
            proxy.heal()
            assert (await cloud.ended(generation_id))["state"] == "succeeded"


@pytest.mark.parametrize(
    "said", [("FAILED", "all 3 attempts are used up"), ("CANCELLED", None), ("TIMED_OUT", None), ("COMPLETED", None)]
)
async def test_whatever_runpod_says_of_the_end_a_manifest_that_stands_is_adopted(
    cloud: Cloud, said: tuple[str, Any]
) -> None:
    generation_id, job = await hold(cloud, spatial_upscale=False)
    await cloud.rows("UPDATE stage_runs SET next_poll_at = now() + interval '1 h'")
    await cloud.worker(job)
    job.status, job.error, job.output = said[0], said[1], None
    await cloud.rows("UPDATE stage_runs SET next_poll_at = now()")
    ended = await cloud.ended(generation_id)
    assert [(run["state"], run["attempt"]) for run in ended["stages"]] == [("succeeded", 1)]
    assert cloud.worker.renders == {Stage.BASE_GEN: 1}
