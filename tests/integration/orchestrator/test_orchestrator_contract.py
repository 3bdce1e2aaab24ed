"""A deploy raises the contract under living generations: docs/changing-running-jobs.md, tested.

The old release is played by its traces: rows whose plan says an older contract version, and a manifest of that
version under the key that it computed.
"""

import json
from typing import Any

import pytest

from shared.contracts.artifact import manifest_key
from shared.contracts.vocabulary import CONTRACT_VERSION, Stage
from shared.errors import FatalError
from tests.integration.orchestrator.cloud import Cloud
from tests.integration.orchestrator.conftest import StartCloud
from tests.integration.orchestrator.scripted_runpod import ScriptedJob
from tests.integration.orchestrator.test_orchestrator_faults import hold
from tests.waiting import eventually

OLDER, NEWER = CONTRACT_VERSION - 1, CONTRACT_VERSION + 1
OLD_KEY = "f" * 64


async def planned_under(cloud: Cloud, version: int) -> None:
    """All generations, as a release of that contract version left them."""
    await cloud.rows(
        "UPDATE generations SET plan = regexp_replace(plan::text, '\"contract_version\": \\d+', %s, 'g')::jsonb",
        f'"contract_version": {version}',
    )


def shown(ended: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    return [(run["stage"], run["state"], run.get("error", {}).get("code")) for run in ended["stages"]]


async def test_a_generation_that_waits_during_the_deploy_is_planned_anew_and_finishes(cloud: Cloud) -> None:
    cloud.runpod.run_answers.extend([503] * 3)
    made = await cloud.create(seed=11, temporal_upscale=True)
    await planned_under(cloud, OLDER)
    ended = await cloud.ended(made["id"])
    assert shown(ended) == [
        ("base_gen", "failed", "contract_mismatch"),
        ("base_gen", "succeeded", None),
        ("spatial_upscale", "succeeded", None),
        ("temporal_upscale", "succeeded", None),
    ]
    assert ended["seed"] == 11
    assert {job.body["input"]["contract_version"] for job in cloud.runpod.jobs} == {CONTRACT_VERSION}
    [(plan,)] = await cloud.rows("SELECT plan FROM generations")
    assert {stage["params"]["contract_version"] for stage in plan["stages"]} == {CONTRACT_VERSION}


async def test_a_run_that_old_workers_finish_during_the_deploy_is_made_again(cloud: Cloud) -> None:
    generation_id, job = await hold(cloud)
    await planned_under(cloud, OLDER)
    await cloud.rows("UPDATE stage_runs SET stage_key = %s", OLD_KEY)
    of_old = {"contract_version": OLDER, "stage": "base_gen", "stage_key": OLD_KEY, "words_of_its_own": True}
    cloud.store.upload_bytes(
        json.dumps(of_old).encode(), manifest_key(Stage.BASE_GEN, OLD_KEY), media_type="application/json"
    )
    job.status, job.output = "COMPLETED", {"contract_version": OLDER}
    ended = await cloud.ended(generation_id)
    assert ended["state"] == "succeeded"
    assert shown(ended)[:2] == [("base_gen", "failed", "contract_mismatch"), ("base_gen", "succeeded", None)]
    assert cloud.worker.renders == {Stage.BASE_GEN: 1, Stage.SPATIAL_UPSCALE: 1}


async def test_a_generation_between_two_stages_starts_over(cloud: Cloud) -> None:
    cloud.runpod.worker = None
    made = await cloud.create()
    base = await cloud.job(Stage.BASE_GEN)
    cloud.runpod.run_answers.extend([503] * 3)
    await cloud.worker(base)

    async def between() -> bool:
        return shown(await cloud.get(made["id"]))[-1] == ("spatial_upscale", "pending", None)

    await eventually(between)
    await planned_under(cloud, OLDER)
    cloud.runpod.worker = cloud.worker
    ended = await cloud.ended(made["id"])
    assert shown(ended) == [
        ("base_gen", "succeeded", None),
        ("spatial_upscale", "failed", "contract_mismatch"),
        ("base_gen", "succeeded", None),
        ("spatial_upscale", "succeeded", None),
    ]


async def test_workers_of_another_contract_than_ours_are_a_final_refund(cloud: Cloud) -> None:
    async def newer(job: ScriptedJob) -> None:
        error = FatalError("contract_mismatch", "this worker speaks another version", stage=job.stage)
        job.status, job.error = "FAILED", error.body().model_dump_json()

    cloud.runpod.worker = newer
    ended = await cloud.ended((await cloud.create(resolution="720p", duration=10))["id"])
    assert shown(ended) == [("base_gen", "failed", "contract_mismatch")]
    assert ended["error"]["code"] == "contract_mismatch"
    assert ended["credits_refund"] == ended["credits"] == 30


async def test_an_old_replica_leaves_what_a_new_one_planned_alone(start_cloud: StartCloud) -> None:
    async with start_cloud() as cloud:
        cloud.runpod.run_answers.extend([503] * 2)
        made = await cloud.create(spatial_upscale=False)
        await planned_under(cloud, NEWER)
        await cloud.rows("UPDATE stage_runs SET next_poll_at = now() - interval '1 min'")
        waiting = "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'submit' AND attempts > 2"

        async def put_off() -> bool:
            return await cloud.rows(waiting) == [(1,)]

        await eventually(put_off)
        assert cloud.runpod.jobs == []
        assert shown(await cloud.get(made["id"])) == [("base_gen", "pending", None)]
        claimed = await cloud.rows("SELECT count(*) FROM stage_runs WHERE next_poll_at > now() - interval '30 s'")
        assert claimed == [(0,)], "nor does it ask RunPod"
        await planned_under(cloud, CONTRACT_VERSION)  # a replica of the new release takes it
        assert (await cloud.ended(made["id"]))["state"] == "succeeded"


async def test_when_no_new_replica_comes_it_ends_at_its_deadline(start_cloud: StartCloud) -> None:
    async with start_cloud() as cloud:
        cloud.runpod.run_answers.extend([503] * 2)
        made = await cloud.create()
        await planned_under(cloud, NEWER)
        for attempt in (1, 2, 3):  # as runpod_unavailable is retried
            await cloud.rows("UPDATE stage_runs SET deadline_at = now(), next_poll_at = now()")

            async def ended(number: int = attempt) -> bool:
                done = await cloud.rows("SELECT count(*) FROM stage_runs WHERE state = 'failed'")
                return done == [(number,)]

            await eventually(ended)
        found = await cloud.ended(made["id"])
        assert (found["state"], found["error"]["code"]) == ("failed", "runpod_unavailable")


@pytest.mark.parametrize("version", [OLDER, NEWER])
async def test_what_another_release_ended_is_still_shown(cloud: Cloud, version: int) -> None:
    made = await cloud.create()
    await cloud.ended(made["id"])
    await planned_under(cloud, version)
    await cloud.rows("UPDATE stage_runs SET manifest = jsonb_set(manifest, '{contract_version}', %s)", str(version))
    found = await cloud.get(made["id"])
    assert found["result"]["video_url"]
    listed = (await cloud.http.get("/api/generations")).json()["generations"]
    assert [one["id"] for one in listed] == [made["id"]]


async def test_a_row_that_cannot_be_read_keeps_nobody_from_the_others(cloud: Cloud) -> None:
    """A newer release may write what this one has no word for."""
    broken, _ = await hold(cloud, spatial_upscale=False)
    await cloud.rows('UPDATE stage_runs SET error = \'{"code": "a_new_word"}\' WHERE generation_id = %s', broken)
    others = [(await cloud.create(spatial_upscale=False))["id"] for _ in range(3)]
    assert [(await cloud.ended(one))["state"] for one in others] == ["succeeded"] * 3
