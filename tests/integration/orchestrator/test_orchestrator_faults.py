import json
from typing import Any

import pytest

from shared.contracts.stage import INPUT_OF
from shared.contracts.vocabulary import Stage
from shared.errors import family_of
from tests.integration.orchestrator.cloud import Cloud
from tests.integration.orchestrator.conftest import StartCloud
from tests.integration.orchestrator.scripted_runpod import ScriptedJob
from tests.waiting import eventually


def failing(*outcomes: str | None) -> Any:
    """A worker whose first jobs end with these codes (None: it succeeds), and whose later ones succeed."""
    left = list(outcomes)

    async def work(job: ScriptedJob) -> None:
        code = left.pop(0) if left else None
        if code is None:
            await work.inner(job)  # type: ignore[attr-defined]
            return
        error = family_of(code)(code, "as the test says", stage=job.stage)  # type: ignore[arg-type]
        job.status, job.error = "FAILED", error.body().model_dump_json()

    return work


def script(cloud: Cloud, *outcomes: str | None) -> None:
    worker = failing(*outcomes)
    worker.inner = cloud.worker
    cloud.runpod.worker = worker


async def hold(cloud: Cloud, stage: Stage = Stage.BASE_GEN, **fields: Any) -> tuple[str, ScriptedJob]:
    """A generation whose first job waits for the test to move it."""
    cloud.runpod.worker = None
    made = await cloud.create(**fields)
    job = await cloud.job(stage)
    await cloud.seen(made["id"], "submitted")
    cloud.runpod.worker = cloud.worker
    return made["id"], job


async def test_a_lost_connection_is_tried_again_and_the_attempts_are_shown(cloud: Cloud) -> None:
    script(cloud, "worker_lost", "worker_lost")
    ended = await cloud.ended((await cloud.create(spatial_upscale=False))["id"])
    assert [(run["state"], run["attempt"]) for run in ended["stages"]] == [
        ("failed", 1),
        ("failed", 2),
        ("succeeded", 3),
    ]
    assert ended["stages"][0]["error"]["code"] == "worker_lost"
    assert len({job.body["input"]["attempt_id"] for job in cloud.runpod.jobs}) == 3


@pytest.mark.parametrize(
    ("codes", "runs"),
    [
        (["worker_lost"] * 3, 3),
        (["out_of_memory"] * 2, 2),
        (["execution_timeout"] * 2, 2),
        (["graph_rejected"], 1),
        (["model_missing"], 1),
        (["internal"], 1),
        (["input_not_media"], 1),
        (["worker_lost", "out_of_memory", "out_of_memory"], 3),
    ],
)
async def test_retries_end_where_the_table_says_and_credits_come_back(
    start_cloud: StartCloud, codes: list[str], runs: int
) -> None:
    async with start_cloud() as cloud:
        script(cloud, *codes)
        made = await cloud.create(resolution="720p", duration=10)
        ended = await cloud.ended(made["id"])
        assert ended["state"] == "failed"
        assert ended["error"]["code"] == codes[-1]
        assert len(ended["stages"]) == len(cloud.runpod.jobs) == runs
        assert ended["credits"] == ended["credits_refund"] == 30


async def test_an_unreadable_error_is_internal(cloud: Cloud) -> None:
    generation_id, job = await hold(cloud)
    job.status, job.error = "FAILED", json.dumps({"error_type": "ValueError", "error_message": "secret prompt"})
    ended = await cloud.ended(generation_id)
    assert ended["error"]["code"] == "internal"
    assert "secret" not in json.dumps(ended)


async def test_a_lost_reply_of_run_costs_no_second_render(cloud: Cloud) -> None:
    cloud.runpod.run_answers.append("lose")
    ended = await cloud.ended((await cloud.create(spatial_upscale=False))["id"])
    assert ended["state"] == "succeeded"
    assert len(ended["stages"]) == 1  # no attempt was used up
    assert cloud.worker.renders == {Stage.BASE_GEN: 1}


async def test_a_lost_reply_before_the_render_is_submitted_again_under_one_attempt(cloud: Cloud) -> None:
    cloud.runpod.run_answers.append("lose")
    cloud.runpod.worker = None
    made = await cloud.create(spatial_upscale=False)
    first, second = await cloud.job(Stage.BASE_GEN), await cloud.job(Stage.BASE_GEN, number=1)
    assert first.body["input"]["attempt_id"] == second.body["input"]["attempt_id"]
    await cloud.worker(first)
    await cloud.worker(second)
    ended = await cloud.ended(made["id"])
    assert ended["state"] == "succeeded"
    assert cloud.worker.renders == {Stage.BASE_GEN: 1}


@pytest.mark.parametrize("busy", [429, 500, 503])
async def test_a_busy_runpod_is_no_attempt(cloud: Cloud, busy: int) -> None:
    cloud.runpod.run_answers.extend([busy] * 3)
    ended = await cloud.ended((await cloud.create(spatial_upscale=False))["id"])
    assert ended["state"] == "succeeded"
    assert len(ended["stages"]) == 1


async def test_a_runpod_that_refuses_what_we_send_ends_the_generation(cloud: Cloud) -> None:
    cloud.runpod.run_answers.append(400)
    ended = await cloud.ended((await cloud.create())["id"])
    assert (ended["state"], ended["error"]["code"]) == ("failed", "internal")
    assert len(ended["stages"]) == 1


async def test_a_job_that_runpod_forgot_is_adopted_when_its_manifest_stands(cloud: Cloud) -> None:
    generation_id, job = await hold(cloud, spatial_upscale=False)
    await cloud.worker(job)
    job.known = False
    ended = await cloud.ended(generation_id)
    assert ended["state"] == "succeeded"
    assert len(cloud.runpod.jobs) == 1


async def test_a_job_that_runpod_forgot_without_a_manifest_is_lost_and_runs_again(cloud: Cloud) -> None:
    generation_id, job = await hold(cloud, spatial_upscale=False)
    job.known = False
    ended = await cloud.ended(generation_id)
    assert ended["state"] == "succeeded"
    assert [run["state"] for run in ended["stages"]] == ["lost", "succeeded"]
    assert ended["stages"][0]["error"]["code"] == "worker_lost"


async def test_a_job_that_timed_out_at_runpod_runs_once_more(cloud: Cloud) -> None:
    generation_id, job = await hold(cloud, spatial_upscale=False)
    job.status = "TIMED_OUT"
    ended = await cloud.ended(generation_id)
    assert [run["state"] for run in ended["stages"]] == ["timed_out", "succeeded"]
    assert ended["stages"][0]["error"]["code"] == "execution_timeout"


async def test_a_job_that_somebody_canceled_at_runpod_runs_again(cloud: Cloud) -> None:
    generation_id, job = await hold(cloud, spatial_upscale=False)
    job.status = "CANCELLED"
    ended = await cloud.ended(generation_id)
    assert [run["state"] for run in ended["stages"]] == ["lost", "succeeded"]


async def test_words_that_runpod_may_invent_mean_that_the_job_lives(cloud: Cloud) -> None:
    generation_id, job = await hold(cloud, spatial_upscale=False)
    job.status = "RUNNING"
    await cloud.seen(generation_id, "running")
    await cloud.worker(job)
    assert (await cloud.ended(generation_id))["state"] == "succeeded"


async def test_trouble_with_status_is_waited_out(cloud: Cloud) -> None:
    generation_id, job = await hold(cloud, spatial_upscale=False)
    cloud.runpod.status_answers.extend([429, 500, 503, 502] * 2)
    await cloud.worker(job)
    ended = await cloud.ended(generation_id)
    assert ended["state"] == "succeeded"
    assert len(ended["stages"]) == 1


async def ended_run(cloud: Cloud, generation_id: str) -> tuple[Any, ...]:
    """(state, code) of the first run of a generation, once it has ended."""
    query = (
        "SELECT state, error->>'code' FROM stage_runs WHERE generation_id = %s AND finished_at IS NOT NULL"
        " ORDER BY number LIMIT 1"
    )

    async def ended() -> tuple[Any, ...] | None:
        rows = await cloud.rows(query, generation_id)
        return rows[0] if rows else None

    found: tuple[Any, ...] = await eventually(ended)
    return found


@pytest.mark.parametrize(("state", "code"), [("IN_PROGRESS", "execution_timeout"), ("IN_QUEUE", "runpod_unavailable")])
async def test_our_own_deadline_acts_when_runpod_says_nothing(cloud: Cloud, state: str, code: str) -> None:
    generation_id, job = await hold(cloud, spatial_upscale=False)
    job.status = state
    await cloud.seen(generation_id, "running" if state == "IN_PROGRESS" else "submitted")
    await cloud.rows("UPDATE stage_runs SET deadline_at = now() - interval '1 s'")
    assert await ended_run(cloud, generation_id) == ("timed_out", code)

    async def stopped() -> bool:
        return job.id in cloud.runpod.canceled  # it would go on to burn money

    await eventually(stopped)
    assert len((await cloud.get(generation_id))["stages"]) == 2


async def test_a_manifest_that_stands_at_the_deadline_is_adopted(cloud: Cloud) -> None:
    generation_id, job = await hold(cloud, spatial_upscale=False)
    job.status = "IN_PROGRESS"
    await cloud.seen(generation_id, "running")
    await cloud.worker(job)
    job.status = "IN_PROGRESS"  # its result never reached RunPod
    await cloud.rows("UPDATE stage_runs SET deadline_at = now() - interval '1 s'")
    assert (await cloud.ended(generation_id))["state"] == "succeeded"
    assert len(cloud.runpod.jobs) == 1


async def test_a_run_that_is_never_submitted_ends_at_its_deadline(start_cloud: StartCloud) -> None:
    async with start_cloud(submit_tries=1000) as cloud:
        cloud.runpod.run_answers.extend([503] * 1000)
        made = await cloud.create()
        await cloud.rows("UPDATE stage_runs SET deadline_at = now(), next_poll_at = now()")
        assert await ended_run(cloud, made["id"]) == ("failed", "runpod_unavailable")


async def test_a_completed_job_without_a_manifest_is_bad_output(cloud: Cloud) -> None:
    generation_id, job = await hold(cloud)
    job.status, job.output = "COMPLETED", {"hello": "world"}
    ended = await cloud.ended(generation_id)
    assert (ended["state"], ended["error"]["code"]) == ("failed", "bad_output")


async def test_a_worker_of_another_release_is_a_contract_mismatch(cloud: Cloud) -> None:
    generation_id, job = await hold(cloud)
    work = INPUT_OF[job.stage].model_validate({**job.body["input"], "seed": 99})
    job.status, job.output = "COMPLETED", cloud.worker.render(job.stage, work).model_dump(mode="json")
    ended = await cloud.ended(generation_id)
    assert (ended["state"], ended["error"]["code"]) == ("failed", "contract_mismatch")


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 258},
        {"frames": 23},
        {"fps": 25},
        {"seconds": 1.5},
        {"seconds": None},
        {"height": None},
        {"audio_seconds": 0.4},
        {"audio_seconds": None},
    ],
)
async def test_a_wrong_video_is_refused(cloud: Cloud, wrong: dict[str, Any]) -> None:
    cloud.worker.video_facts = wrong
    ended = await cloud.ended((await cloud.create())["id"])
    assert (ended["state"], ended["error"]["code"]) == ("failed", "bad_output")
    assert next(iter(wrong)) in ended["error"]["message"]
    assert "result" not in ended


async def test_production_refuses_what_a_preview_engine_made(start_cloud: StartCloud) -> None:
    changes = {"environment": "production", "allow_draft": False, "allow_http_urls": False}
    async with start_cloud(**changes) as cloud:
        cloud.worker.versions = {"engine": "mivo-preview 0.1"}
        sold: dict[str, Any] = {"resolution": "720p", "duration": 10, "seed": 5}
        ended = await cloud.ended((await cloud.create(**sold))["id"])
        assert (ended["state"], ended["error"]["code"]) == ("failed", "bad_output")
        assert "preview" in ended["error"]["message"]
        # and the next one that asks for the same is not failed by what lies there
        cloud.worker.versions = {"engine": "comfyui 0.25"}
        again = await cloud.ended((await cloud.create(**sold))["id"])
        assert (again["state"], again["stages"][0]["reused"]) == ("succeeded", False)


@pytest.mark.parametrize("code", ["artifact_missing", "artifact_corrupt"])
async def test_the_stage_that_made_a_damaged_latent_runs_again_once(cloud: Cloud, code: str) -> None:
    script(cloud, None, code)
    ended = await cloud.ended((await cloud.create())["id"])
    assert ended["state"] == "succeeded", ended["error"]
    assert [(run["stage"], run["attempt"], run["state"]) for run in ended["stages"]] == [
        ("base_gen", 1, "succeeded"),
        ("spatial_upscale", 1, "failed"),
        ("base_gen", 2, "succeeded"),
        ("spatial_upscale", 2, "succeeded"),
    ]
    assert ended["stages"][2]["repair"]
    assert ended["stages"][2]["reused"] is False
    assert cloud.worker.renders[Stage.BASE_GEN] == 2
    used = cloud.runpod.of(Stage.SPATIAL_UPSCALE)[1].body["input"]["video_latent"]["sha256"]
    assert used == ended["stages"][2]["artifacts"]["video_latent"]["sha256"]


async def test_a_second_damage_is_final(cloud: Cloud) -> None:
    script(cloud, None, "artifact_corrupt", None, "artifact_corrupt")
    ended = await cloud.ended((await cloud.create())["id"])
    assert (ended["state"], ended["error"]["code"]) == ("failed", "artifact_corrupt")
    assert cloud.worker.renders[Stage.BASE_GEN] == 2
