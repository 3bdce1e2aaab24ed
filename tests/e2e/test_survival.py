"""Any process may be killed at any time: the generation still succeeds, and nothing finished is rendered again."""

import os
import signal
from typing import Any

import httpx
import pytest
import runpod

from shared.contracts.vocabulary import Stage
from tests.fixtures_cloud import Generation, RunningCloud
from tests.waiting import wait_for

DRAFT: dict[str, Any] = {"resolution": "draft", "duration": 2, "temporal_upscale": True}
ACTIVE = frozenset({"submitted", "running"})


def rendered_once(cloud: RunningCloud, done: Generation) -> None:
    """Each stage of this generation was rendered exactly once, whoever was killed."""
    renders = cloud.renders()
    assert {
        run["stage"]: renders[run["stage_key"]] for run in done["stages"] if run["state"] == "succeeded"
    } == dict.fromkeys((plan["stage"] for plan in done["plan"]), 1)


def answers(cloud: RunningCloud) -> bool:
    try:
        return cloud.api.get("/healthz").is_success
    except httpx.TransportError:  # the supervisor is starting it
        return False


@pytest.mark.parametrize("stage", Stage)
def test_a_worker_is_killed_during_its_stage(cloud: RunningCloud, stage: Stage) -> None:
    made = cloud.create(prompt=f"kill the worker of {stage}", **DRAFT)
    cloud.wait_in_stage(made["id"], stage, ACTIVE)
    cloud.kill(f"{stage}-0")
    done = cloud.finish(made["id"])
    assert done["state"] == "succeeded", done.get("error")
    rendered_once(cloud, done)


def test_a_worker_is_told_to_stop_during_its_stage(cloud: RunningCloud) -> None:
    """A spot machine is taken away: the job is given up at once, not left to a lease, and done by the next worker."""
    made = cloud.create(prompt="the machine is taken away", **DRAFT)
    cloud.wait_in_stage(made["id"], Stage.BASE_GEN)
    pid = cloud.cloud.supervisor.pid("base_gen-0")
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    done = cloud.finish(made["id"])
    assert done["state"] == "succeeded", done.get("error")
    assert [run["error"]["code"] for run in done["stages"] if run["state"] == "failed"] == ["worker_lost"]
    rendered_once(cloud, done)


@pytest.mark.parametrize("stage", [Stage.BASE_GEN, Stage.SPATIAL_UPSCALE])
def test_the_gateway_is_killed_during_a_stage(cloud: RunningCloud, stage: Stage) -> None:
    made = cloud.create(prompt=f"kill the gateway during {stage}", **DRAFT)
    cloud.wait_in_stage(made["id"], stage, ACTIVE)
    cloud.kill("gateway")
    done = cloud.finish(made["id"])
    assert done["state"] == "succeeded", done.get("error")
    rendered_once(cloud, done)


def test_both_orchestrators_are_killed_during_a_stage(cloud: RunningCloud) -> None:
    made = cloud.create(prompt="kill the orchestrators", **DRAFT)
    cloud.wait_in_stage(made["id"], Stage.BASE_GEN, ACTIVE)
    cloud.kill("orchestrator-0")
    cloud.kill("orchestrator-1")
    done = cloud.finish(made["id"])
    assert done["state"] == "succeeded", done.get("error")
    rendered_once(cloud, done)


def test_one_replica_goes_on_for_the_other(cloud: RunningCloud) -> None:
    made = cloud.create(prompt="two replicas", **DRAFT)
    with cloud.client(replica=1) as other:
        assert other.get(f"/api/generations/{made['id']}").json()["id"] == made["id"]
        cloud.kill("orchestrator-0")

        def ended() -> Generation | None:
            found: Generation = other.get(f"/api/generations/{made['id']}").raise_for_status().json()
            return found if found["state"] == "succeeded" else None

        wait_for(ended, seconds=90, what="the other replica to finish it")
    wait_for(lambda: answers(cloud), what="the killed replica to be back")  # the next test asks it


def test_a_second_generation_that_differs_in_a_later_stage_costs_only_that_stage(cloud: RunningCloud) -> None:
    request: dict[str, Any] = {"prompt": "the same, but smoother", "resolution": "draft", "duration": 1, "seed": 3}
    plain = cloud.make(**request)
    before = cloud.renders()
    smooth = cloud.make(**request, temporal_upscale=True)
    new = cloud.renders() - before
    assert [run["reused"] for run in smooth["stages"]] == [True, True, False]
    assert sorted(new.values()) == [1]
    assert plain["stages"][0]["stage_key"] == smooth["stages"][0]["stage_key"]


def test_cancel_reaches_comfyui(cloud: RunningCloud) -> None:
    made = cloud.create(prompt="stop this", quality="pro", steps=40, **DRAFT)
    cloud.wait_in_stage(made["id"], Stage.BASE_GEN)
    answer = cloud.api.delete(f"/api/generations/{made['id']}")
    assert answer.json()["state"] == "canceled"
    assert answer.json()["credits_refund"] == made["credits"]
    facts = cloud.cloud.facts
    health = f"{facts.runpod_base_url}/{facts.endpoints[Stage.BASE_GEN]}/health"

    def idle() -> bool:
        shown = httpx.get(health, headers={"Authorization": f"Bearer {facts.runpod_key}"}, trust_env=False).json()
        return bool(shown["jobs"]["inProgress"] == 0)

    wait_for(idle, seconds=10, what="the worker to be free")
    log = cloud.cloud.supervisor.log_of("base_gen-0")
    wait_for(lambda: "comfy_cancelled" in log.read_text(), seconds=10, what="ComfyUI to be interrupted")
    assert cloud.api.delete(f"/api/generations/{made['id']}").status_code == httpx.codes.CONFLICT
    assert [run["stage"] for run in cloud.finish(made["id"])["stages"]] == ["base_gen"]


def test_the_sdk_client_runs_each_stage_alone(cloud: RunningCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = cloud.cloud.facts
    monkeypatch.setattr(runpod, "endpoint_url_base", facts.runpod_base_url)
    draft = {"resolution": "draft", "duration": 1}
    given: dict[str, Any] = {"prompt": "one stage alone", **draft}
    for stage in Stage:
        endpoint = runpod.Endpoint(facts.endpoints[stage], api_key=facts.runpod_key)
        reply = endpoint.run_sync({"input": given}, timeout=60)
        assert reply is not None
        assert reply["stage"] == stage
        assert httpx.get(reply["url"], trust_env=False).is_success
        assert reply["artifacts"]["video"]["bytes"] > 1000
        assert reply["timings"]["total"] > 0
        given = {"manifest": reply["manifest"]}
