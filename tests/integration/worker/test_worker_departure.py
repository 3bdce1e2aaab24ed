"""How real worker processes end, on the SDK's own loop: what goes with them, and what becomes of the job."""

import json
import os
import signal
from pathlib import Path

import pytest

from shared.contracts.stage import StageReply
from tests.contract.gateway.harness import SdkWorker, held
from tests.integration.worker.endpoint import Endpoint, StartEndpoint, family, living
from tests.waiting import eventually, wait_for

SLOW = {"COMFYUI_EXTRA_ARGS": "--step-seconds 1"}
"""Eight seconds of sampling: long enough to be caught in."""
LONG_LEASE = {"lease_seconds": 600}
"""What is done again there was not left to the lease."""


async def sampling(endpoint: Endpoint, job: str) -> None:
    async def seen() -> bool:
        view = await endpoint.client.status(job)
        return view["status"] == "IN_PROGRESS" and bool((view.get("output") or {}).get("step"))

    await eventually(seen, "the job to be in mid-sampling", seconds=90)


def leaves(worker: SdkWorker, others: set[int], *, seconds: float = 15) -> None:
    """The process ends by itself, and its ping child and ComfyUI with it."""
    assert len(others) >= 2, "a ping child and a ComfyUI"
    assert worker.process.wait(seconds) == 0
    wait_for(lambda: not living(others), "its children to be gone", seconds=5)


def command_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_signal_to_an_idle_worker_ends_it_at_once_and_loses_no_job(
    start_endpoint: StartEndpoint, number: signal.Signals
) -> None:
    endpoint = await start_endpoint(**LONG_LEASE, hold_seconds=60)  # the SDK itself would wait for the poll's end
    idle = endpoint.start_worker("idle")
    await held(endpoint.client, "idle")
    others = family(idle)
    idle.process.send_signal(number)
    leaves(idle, others)
    job = await endpoint.run()
    endpoint.start_worker("next")
    view = await endpoint.client.until(job, "COMPLETED", seconds=90)
    assert (view["workerId"], view.get("retries", 0)) == ("next", 0)


async def test_a_stop_signal_in_mid_job_gives_the_job_up_for_another_worker(start_endpoint: StartEndpoint) -> None:
    endpoint = await start_endpoint(**LONG_LEASE, hold_seconds=60)
    first = endpoint.start_worker("first", env=SLOW)
    job = await endpoint.run()
    await sampling(endpoint, job)
    others = family(first)
    first.process.send_signal(signal.SIGTERM)
    leaves(first, others)
    view = await endpoint.client.status(job)
    assert view["status"] == "FAILED"
    error = json.loads(view["error"])
    assert (error["code"], error["retryable"], error["stage"]) == ("worker_lost", True, "base_gen")
    assert endpoint.keys() == [], "no manifest, no artifact"
    assert [
        path for path in endpoint.base_of("first").rglob("*") if "ltx2" in str(path.parent) and path.is_file()
    ] == []
    again = await endpoint.run()  # what the orchestrator does after worker_lost
    endpoint.start_worker("second")
    view = await endpoint.client.until(again, "COMPLETED", seconds=90)
    assert view["workerId"] == "second"
    assert not StageReply.model_validate(view["output"]).reused


async def test_kill_9_in_mid_job_leaves_no_process_and_the_lease_moves_the_job(start_endpoint: StartEndpoint) -> None:
    """The ping child ends with its parent, so the lease does; ComfyUI ends, so the GPU is free."""
    endpoint = await start_endpoint()
    first = endpoint.start_worker("first", env=SLOW)
    job = await endpoint.run()
    await sampling(endpoint, job)
    others = family(first)
    assert len(others) >= 2
    first.kill_main_only()
    wait_for(lambda: not living(others), "its children to be gone", seconds=10)
    endpoint.start_worker("second")
    view = await endpoint.client.until(job, "COMPLETED", seconds=90)
    assert (view["workerId"], view["retries"]) == ("second", 1)


async def test_a_worker_whose_ping_child_died_ends_instead_of_losing_every_job(start_endpoint: StartEndpoint) -> None:
    """The SDK never looks at that child again: without pings no lease lasts longer than the shortest jobs."""
    endpoint = await start_endpoint(**LONG_LEASE, hold_seconds=60)
    worker = endpoint.start_worker("mute")
    await held(endpoint.client, "mute")
    others = family(worker)
    (pings,) = [pid for pid in others if command_of(pid) == command_of(worker.process.pid)]  # forked, no exec
    os.kill(pings, signal.SIGKILL)
    leaves(worker, others)


async def test_after_an_oom_the_worker_ends_and_a_fresh_one_serves_the_next_job(
    start_endpoint: StartEndpoint,
) -> None:
    endpoint = await start_endpoint(**LONG_LEASE, hold_seconds=60)
    spent = endpoint.start_worker("worker", troubles={"oom": 1})
    await held(endpoint.client, "worker")
    others = family(spent)
    job = await endpoint.run()
    view = await endpoint.client.until(job, "FAILED", seconds=60)
    assert json.loads(view["error"])["code"] == "out_of_memory"
    leaves(spent, others)
    assert (await endpoint.client.workers())["worker"]["leaving"], "refresh_worker reached RunPod as stopPod"
    again = await endpoint.run()
    endpoint.start_worker("worker")  # RunPod starts a stopped pod anew, under its id
    view = await endpoint.client.until(again, "COMPLETED", seconds=90)
    assert not (await endpoint.client.workers())["worker"]["leaving"]


async def test_a_worker_that_is_told_to_stop_while_it_starts_ends_at_once(start_endpoint: StartEndpoint) -> None:
    endpoint = await start_endpoint()
    starting = endpoint.start_worker("starting", troubles={"never_starts": 9})
    wait_for(lambda: "comfy_started" in starting.log.read_text(), "its ComfyUI to be started", seconds=60)
    others = family(starting)
    starting.process.send_signal(signal.SIGTERM)
    assert starting.process.wait(15) == 0
    wait_for(lambda: not living(others), "its ComfyUI to be gone", seconds=5)
