"""Leases, lost work and stop signals, on the bare wire."""

import asyncio
import time
from collections.abc import Callable

from tests.contract.gateway.harness import Client, WireWorker
from tests.waiting import eventually

Connect = Callable[[str], Client]
Start = Callable[..., str]


async def test_only_pings_that_name_the_job_renew_its_lease(quick: Client) -> None:
    job_id = await quick.run()
    worker = WireWorker(quick, "w1")
    await worker.take()
    until = time.monotonic() + 1.2  # more than two leases
    while time.monotonic() < until:
        await worker.ping(job_id, "some-other-job")
        assert (await quick.status(job_id))["status"] == "IN_PROGRESS"
        await asyncio.sleep(0.1)

    async def pinging() -> None:
        while True:
            await worker.ping()  # no job named, as from an orphaned ping child after the end of a job
            await worker.progress(job_id, 1)
            await asyncio.sleep(0.05)

    pings = asyncio.create_task(pinging())
    view = await quick.until(job_id, "IN_QUEUE", seconds=3)
    pings.cancel()
    assert view["retries"] == 1


async def test_pings_prove_nothing_once_the_main_process_hung_up(quick: Client) -> None:
    """The ping child survives a kill -9 and names its job for ever (facts/runpod.md, fact 2)."""
    job_id = await quick.run()
    worker = WireWorker(quick, "w1")
    await worker.take()
    stop = asyncio.create_task(worker.stop_poll())
    for _ in range(3):
        await worker.ping(job_id)
    stop.cancel()

    async def requeued() -> bool:
        await worker.ping(job_id)
        return bool((await quick.status(job_id))["status"] == "IN_QUEUE")

    await eventually(requeued, "the job to be queued again", seconds=3)


async def test_a_hung_up_poll_that_comes_back_clears_the_suspicion(quick: Client) -> None:
    job_id = await quick.run()
    worker = WireWorker(quick, "w1")
    await worker.take()
    stop = asyncio.create_task(worker.stop_poll())
    await worker.ping(job_id)
    stop.cancel()
    again = asyncio.create_task(worker.stop_poll())
    until = time.monotonic() + 1.2
    while time.monotonic() < until:
        await worker.ping(job_id)
        assert (await quick.status(job_id))["status"] == "IN_PROGRESS"
        await asyncio.sleep(0.1)
    again.cancel()


async def test_attempts_are_bounded(start_gateway: Start, connect: Connect) -> None:
    client = connect(start_gateway(lease_seconds=0.3, max_attempts=2))
    job_id = await client.run()
    for name in ("w1", "w2"):
        assert (await WireWorker(client, name).take())["id"] == job_id
    view = await client.until(job_id, "FAILED")
    assert "worker lost" in view["error"]
    assert "all 2 attempts" in view["error"]
    assert view["retries"] == 1


async def test_an_idle_worker_has_lost_its_result(patient: Client) -> None:
    """fact 4: a result that could not be posted is dropped by the SDK, which then asks for the next job."""
    job_id = await patient.run()
    worker = WireWorker(patient, "w1")
    await worker.take()
    poll = asyncio.create_task(worker.take_raw(in_progress=1))
    assert (await patient.status(job_id))["status"] == "IN_PROGRESS"
    poll.cancel()
    assert (await worker.take())["id"] == job_id  # job_in_progress=0
    assert (await patient.status(job_id))["retries"] == 1


async def test_cancel_reaches_a_held_stop_poll_at_once(client: Client) -> None:
    job_id = await client.run()
    worker = WireWorker(client, "w1")
    await worker.take()
    stop = asyncio.create_task(worker.stop_poll())
    await client.post(f"cancel/{job_id}")
    answer = await stop
    assert answer.json() == {"jobsToStop": [job_id]}
    assert (await worker.done(job_id, {"output": 1})).json() == {"status": "ignored"}
    assert (await client.status(job_id))["status"] == "CANCELLED"


async def test_a_stop_that_was_lost_is_sent_again_while_pings_name_the_job(client: Client) -> None:
    job_id = await client.run()
    worker = WireWorker(client, "w1")
    await worker.take()
    await client.post(f"cancel/{job_id}")
    for _ in range(2):
        assert (await worker.stop_poll()).json() == {"jobsToStop": [job_id]}
        await worker.ping(job_id)


async def test_an_old_stop_does_not_hit_a_new_run_of_the_same_job(quick: Client) -> None:
    job_id = await quick.run()
    worker = WireWorker(quick, "w1")
    await worker.take()
    await quick.until(job_id, "IN_QUEUE")
    assert (await worker.take())["id"] == job_id
    stop = asyncio.create_task(worker.stop_poll())
    await worker.ping(job_id)
    await worker.done(job_id, {"output": 1})
    assert not stop.done()
    stop.cancel()


async def test_execution_timeout_ends_the_job_and_stops_the_worker(start_gateway: Start, connect: Connect) -> None:
    client = connect(start_gateway(execution_timeout_ms=500))
    job_id = await client.run()
    worker = WireWorker(client, "w1")
    stop = asyncio.create_task(worker.stop_poll())
    await worker.take()
    view = await client.until(job_id, "TIMED_OUT")
    assert "executionTimeout" in view["error"]
    assert (await stop).json() == {"jobsToStop": [job_id]}
    await worker.done(job_id, {"output": "late"})
    assert (await client.status(job_id))["status"] == "TIMED_OUT"
    assert (await client.post(f"retry/{job_id}")).status_code == 200
