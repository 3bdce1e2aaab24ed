import asyncio

from orchestrator.transitions import Submitted
from shared.contracts.vocabulary import Stage
from tests.integration.orchestrator.cloud import Cloud, replica
from tests.integration.orchestrator.test_orchestrator_faults import hold
from tests.waiting import eventually


async def canceled(cloud: Cloud, generation_id: str) -> None:
    answer = await cloud.http.delete(f"/api/generations/{generation_id}")
    assert (answer.status_code, answer.json()["state"]) == (200, "canceled"), answer.text
    assert answer.json()["credits_refund"] == answer.json()["credits"]
    assert answer.json()["stages"][-1]["state"] == "canceled"


async def told_runpod(cloud: Cloud, job_id: str) -> None:
    async def told() -> bool:
        return job_id in cloud.runpod.canceled

    await eventually(told)


async def test_before_it_was_submitted(cloud: Cloud) -> None:
    cloud.runpod.run_answers.extend([503] * 3)
    made = await cloud.create()
    await canceled(cloud, made["id"])

    async def tried_no_more() -> bool:
        return await cloud.rows("SELECT count(*) FROM procrastinate_jobs WHERE task_name <> 'prune'") == [(0,)]

    await eventually(tried_no_more)
    assert cloud.runpod.jobs == []


async def test_while_it_waits_at_runpod(cloud: Cloud) -> None:
    generation_id, job = await hold(cloud)
    await canceled(cloud, generation_id)
    await told_runpod(cloud, job.id)


async def test_while_it_runs_and_a_late_success_changes_nothing(cloud: Cloud) -> None:
    generation_id, job = await hold(cloud)
    job.status = "IN_PROGRESS"
    await cloud.seen(generation_id, "running")
    await canceled(cloud, generation_id)
    await told_runpod(cloud, job.id)
    await cloud.worker(job)
    [(run_id,)] = await cloud.rows("SELECT id FROM stage_runs")
    await cloud.rows("UPDATE stage_runs SET next_poll_at = now() WHERE id = %s", run_id)
    found = await cloud.get(generation_id)
    assert (found["state"], len(found["stages"])) == ("canceled", 1)
    assert cloud.runpod.of(Stage.SPATIAL_UPSCALE) == []


async def test_while_the_second_stage_runs(cloud: Cloud) -> None:
    cloud.runpod.worker = None
    made = await cloud.create()
    await cloud.worker(await cloud.job(Stage.BASE_GEN))
    second = await cloud.job(Stage.SPATIAL_UPSCALE)
    await cloud.seen(made["id"], "submitted")
    await canceled(cloud, made["id"])
    await told_runpod(cloud, second.id)
    assert [run["state"] for run in (await cloud.get(made["id"]))["stages"]] == ["succeeded", "canceled"]


async def test_while_the_submit_is_under_way(cloud: Cloud) -> None:
    """The reply of /run comes after the cancel: the job exists at RunPod all the same, and is stopped there."""
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_job: object) -> None:
        arrived.set()
        await go_on.wait()

    cloud.runpod.worker = slow
    made = await cloud.create()
    async with asyncio.timeout(10):
        await arrived.wait()
    await canceled(cloud, made["id"])
    go_on.set()
    await told_runpod(cloud, (await cloud.job(Stage.BASE_GEN)).id)


async def test_after_the_end_it_is_a_409(cloud: Cloud) -> None:
    made = await cloud.create()
    await cloud.ended(made["id"])
    answer = await cloud.http.delete(f"/api/generations/{made['id']}")
    assert (answer.status_code, answer.json()["code"]) == (409, "already_ended")
    assert "succeeded" in answer.json()["detail"]


async def test_a_second_submit_of_one_run_is_stopped_again(cloud: Cloud) -> None:
    generation_id, job = await hold(cloud, spatial_upscale=False)
    [(run_id,)] = await cloud.rows("SELECT id FROM stage_runs WHERE generation_id = %s", generation_id)
    async with replica(cloud.database_url) as other:
        await other.advance.on_run(run_id, Submitted("another-e1"))
    await told_runpod(cloud, "another-e1")
    await cloud.worker(job)
    assert (await cloud.ended(generation_id))["state"] == "succeeded"
