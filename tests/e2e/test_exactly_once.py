"""Lost replies, forgotten results, damaged latents: each stage is rendered as often as it has to be, and no more."""

import json
import os
import signal
from collections import Counter
from typing import Any

import httpx
import pytest

from local.runpod_gateway.faults import FaultKind
from shared.contracts.vocabulary import Stage
from tests.e2e.faulty_cloud import FaultyCloud
from tests.fixtures_cloud import Generation
from tests.waiting import wait_for

BASE, SPATIAL = Stage.BASE_GEN, Stage.SPATIAL_UPSCALE
DRAFT: dict[str, Any] = {"resolution": "draft", "duration": 1}


def renders(cloud: FaultyCloud, done: Generation) -> Counter[str]:
    """Stage -> how often the workers rendered what this generation is made of."""
    made = cloud.renders()
    keys = {(run["stage"], run["stage_key"]) for run in done["stages"] if "stage_key" in run}
    return Counter({stage: sum(made[key] for of, key in keys if of == stage) for stage, _ in keys})


@pytest.mark.parametrize("stage", [BASE, SPATIAL])
def test_a_lost_reply_of_run_is_rendered_once(calmed: FaultyCloud, stage: Stage) -> None:
    calmed.arm(FaultKind.LOSE_REPLY, stage)
    calmed.arm(FaultKind.COLD_START, stage, delay_ms=2000)  # or the first job may end before the second submit
    made = calmed.create(prompt=f"the reply of {stage} is lost", **DRAFT)

    def submitted_twice() -> bool:
        ours = [job for job in calmed.jobs(stage) if job["state"] in {"IN_QUEUE", "IN_PROGRESS"}]
        return len(ours) == 2

    wait_for(submitted_twice, what="the second submit", every=0.02)
    done = calmed.finish(made["id"])
    assert done["state"] == "succeeded", done.get("error")
    assert [run["attempt"] for run in done["stages"]] == [1, 1]
    assert renders(calmed, done) == {BASE: 1, SPATIAL: 1}

    def idle() -> bool:
        return calmed.busy() == 0

    wait_for(idle, seconds=30, what="the second job to find the work done")
    assert renders(calmed, done) == {BASE: 1, SPATIAL: 1}


def test_a_result_that_runpod_forgot_is_adopted(calmed: FaultyCloud) -> None:
    """Nobody asks until RunPod answers 404: both orchestrators stand still in the meantime."""
    made = calmed.create(prompt="forgotten", spatial_upscale=False, **DRAFT)
    calmed.wait_in_stage(made["id"], BASE)
    job_id = calmed.jobs(BASE)[-1]["id"]
    pids = [calmed.cloud.supervisor.pid(f"orchestrator-{number}") for number in range(2)]
    for pid in pids:
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
    try:

        def forgotten() -> bool:
            return calmed.endpoint(BASE, f"status/{job_id}").status_code == httpx.codes.NOT_FOUND

        wait_for(forgotten, what="the gateway to forget the job")
    finally:
        for pid in pids:
            if pid is not None:
                os.kill(pid, signal.SIGCONT)
    done = calmed.finish(made["id"])
    assert [(run["state"], run["attempt"]) for run in done["stages"]] == [("succeeded", 1)]
    assert renders(calmed, done) == {BASE: 1}


def test_a_result_that_was_dropped_after_three_posts_is_adopted(calmed: FaultyCloud) -> None:
    calmed.arm(FaultKind.REFUSE_RESULT, BASE, count=3, status=500)
    done = calmed.finish(calmed.create(prompt="dropped", **DRAFT)["id"])
    assert done["state"] == "succeeded", done.get("error")
    assert [run["attempt"] for run in done["stages"]] == [1, 1]
    assert renders(calmed, done) == {BASE: 1, SPATIAL: 1}


def damage(cloud: FaultyCloud, run: Generation, how: str) -> None:
    """Delete the video latent of a stage run, or put other bytes of the same length in its place."""
    latent = run["artifacts"]["video_latent"]
    if how == "corrupt":
        cloud.store.upload_bytes(b"x" * latent["bytes"], latent["key"], media_type=latent["media_type"])
    else:
        cloud.store._client.delete_object(Bucket=cloud.store.settings.bucket, Key=latent["key"])


@pytest.mark.parametrize(("how", "code"), [("missing", "artifact_missing"), ("corrupt", "artifact_corrupt")])
def test_a_damaged_latent_is_made_again_once_and_the_chain_goes_on(calmed: FaultyCloud, how: str, code: str) -> None:
    with calmed.holding(SPATIAL):
        made = calmed.create(prompt=f"a latent is {how}", **DRAFT)
        held = calmed.until(made["id"], (BASE, "succeeded"), (SPATIAL, "pending"))
        damage(calmed, held["stages"][0], how)
    done = calmed.finish(made["id"])
    assert done["state"] == "succeeded", done.get("error")
    assert [(run["stage"], run["state"]) for run in done["stages"]] == [
        (BASE, "succeeded"),
        (SPATIAL, "failed"),
        (BASE, "succeeded"),
        (SPATIAL, "succeeded"),
    ]
    assert done["stages"][1]["error"]["code"] == code
    assert done["stages"][2]["repair"]
    assert renders(calmed, done) == {BASE: 2, SPATIAL: 1}


def test_a_second_damage_is_final_and_refunded(calmed: FaultyCloud) -> None:
    with calmed.holding(SPATIAL):
        made = calmed.create(prompt="damaged twice", **DRAFT)
        held = calmed.until(made["id"], (BASE, "succeeded"), (SPATIAL, "pending"))
        damage(calmed, held["stages"][0], "missing")

    def repairing() -> bool:
        found = calmed.get(made["id"])
        return found is not None and found["stages"][1]["state"] == "failed"

    wait_for(repairing, what="the repair", every=0.05)
    with calmed.holding(SPATIAL):
        held = calmed.until(
            made["id"], (BASE, "succeeded"), (SPATIAL, "failed"), (BASE, "succeeded"), (SPATIAL, "pending")
        )
        damage(calmed, held["stages"][2], "missing")
    done = calmed.finish(made["id"])
    assert (done["state"], done["error"]["code"]) == ("failed", "artifact_missing"), json.dumps(done["stages"])
    assert done["credits_refund"] == done["credits"]
    assert renders(calmed, done)[BASE] == 2
    assert renders(calmed, done)[SPATIAL] == 0
