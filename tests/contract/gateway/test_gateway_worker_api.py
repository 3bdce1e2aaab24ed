"""The worker API on the bare wire. Traps are those numbered in facts/runpod.md, section D."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.contract.gateway.harness import Client, WireWorker, eventually

Connect = Callable[[str], Client]
Start = Callable[..., str]


@pytest.fixture
def quick(start_gateway: Start, connect: Connect) -> Client:
    """A gateway with a lease of half a second."""
    return connect(start_gateway(lease_seconds=0.5, hold_seconds=3))


async def held(client: Client, worker: str) -> None:
    """Until the gateway has seen a poll of this worker."""

    async def seen() -> bool:
        return worker in await client.workers()

    await eventually(seen, f"a poll of {worker}")


async def test_trap_6_a_single_take_is_an_object_and_a_batch_is_a_list(client: Client) -> None:
    first, second, third = [await client.run({"n": n}) for n in range(3)]
    worker = WireWorker(client, "w1")
    assert (await worker.take_raw()).json() == {"id": first, "input": {"n": 0}}
    batch = await worker.take_raw(in_progress=1, batch=5)
    assert batch.headers["content-type"] == "application/json"
    assert [job["id"] for job in batch.json()] == [second, third]


async def test_trap_7_results_come_as_json_under_a_form_content_type(client: Client) -> None:
    job_id = await client.run()
    worker = WireWorker(client, "w1")
    await worker.take()
    assert (await worker.done(job_id, {"output": "a=b&c"})).status_code == 200  # always sends the form type
    assert (await client.status(job_id))["output"] == "a=b&c"


async def test_trap_8_a_take_is_held_and_then_answered_204(start_gateway: Start, connect: Connect) -> None:
    client = connect(start_gateway(hold_seconds=0.6))
    start = time.monotonic()
    assert (await WireWorker(client, "w1").take_raw()).status_code == 204
    assert time.monotonic() - start >= 0.6
    assert (await WireWorker(client, "w1").stop_poll()).status_code == 204


async def test_trap_8_a_held_take_wakes_within_a_tenth_of_a_second(client: Client) -> None:
    delays = []
    worker = WireWorker(client, "w1")
    for _ in range(5):
        taking = asyncio.create_task(worker.take())
        await held(client, "w1")
        start = time.monotonic()
        job_id = await client.run()
        assert (await taking)["id"] == job_id
        delays.append(time.monotonic() - start)
        await worker.done(job_id, {"output": 1})
    assert sorted(delays)[2] < 0.1, delays


async def test_trap_9_a_poll_whose_client_hung_up_gets_no_job(client: Client) -> None:
    worker = WireWorker(client, "gone")
    taking = asyncio.create_task(worker.take_raw())
    await held(client, "gone")
    taking.cancel()

    async def noticed() -> bool:
        return bool((await client.workers())["gone"]["suspect"])

    await eventually(noticed, "the gateway to notice")
    job_id = await client.run()
    assert (await client.status(job_id))["status"] == "IN_QUEUE"
    assert (await WireWorker(client, "alive").take())["id"] == job_id


async def test_trap_10_a_late_result_of_a_fenced_worker_is_ignored(quick: Client) -> None:
    job_id = await quick.run()
    slow, quickly = WireWorker(quick, "slow"), WireWorker(quick, "quick")
    await slow.take()
    await quick.until(job_id, "IN_QUEUE")
    assert (await quickly.take())["id"] == job_id
    await quickly.ping(job_id)
    late = await slow.done(job_id, {"output": "late"})
    assert (late.status_code, late.json()) == (200, {"status": "ignored"})
    assert (await slow.progress(job_id, "late")).json() == {"status": "ignored"}
    assert (await slow.chunk(job_id, "late")).json() == {"status": "ignored"}
    view = await quick.status(job_id)
    assert (view["workerId"], view["retries"]) == ("quick", 1)
    assert "output" not in view
    await quickly.done(job_id, {"output": "good"})
    await slow.done(job_id, {"output": "later"})
    assert (await quick.status(job_id))["output"] == "good"


async def test_trap_10_a_restarted_worker_with_the_same_id_is_somebody_else(client: Client) -> None:
    job_id = await client.run()
    before, after = WireWorker(client, "w1", "one"), WireWorker(client, "w1", "two")
    await before.take()
    assert (await after.take())["id"] == job_id  # at once: the old process can have no result any more
    assert (await before.done(job_id, {"output": "late"})).json() == {"status": "ignored"}
    assert (await before.take_raw()).status_code == 429  # and it gets no more work
    await after.done(job_id, {"output": "good"})
    view = await client.status(job_id)
    assert (view["output"], view["retries"]) == ("good", 1)


async def test_trap_10_two_processes_under_one_id_do_not_chase_each_other(client: Client) -> None:
    first = asyncio.create_task(WireWorker(client, "twin").take_raw())
    await held(client, "twin")
    second = asyncio.create_task(WireWorker(client, "twin").take_raw())
    assert (await first).status_code == 429
    job_id = await client.run()
    assert (await second).json()["id"] == job_id


async def test_trap_11_progress_after_the_result_is_ignored(client: Client) -> None:
    job_id = await client.run()
    worker = WireWorker(client, "w1")
    await worker.take()
    await worker.done(job_id, {"output": "final"})
    assert (await worker.progress(job_id, {"pct": 99})).json() == {"status": "ignored"}
    view = await client.status(job_id)
    assert (view["status"], view["output"]) == ("COMPLETED", "final")


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


async def test_an_idle_worker_has_lost_its_result(client: Client) -> None:
    """fact 4: a result that could not be posted is dropped by the SDK, which then asks for the next job."""
    job_id = await client.run()
    worker = WireWorker(client, "w1")
    await worker.take()
    poll = asyncio.create_task(worker.take_raw(in_progress=1))
    assert (await client.status(job_id))["status"] == "IN_PROGRESS"
    poll.cancel()
    assert (await worker.take())["id"] == job_id  # job_in_progress=0
    assert (await client.status(job_id))["retries"] == 1


@pytest.mark.parametrize(("kind", "code"), [("drop_result", 200), ("refuse_result", 503)])
async def test_faults_on_results(client: Client, kind: str, code: int) -> None:
    job_id = await client.run()
    worker = WireWorker(client, "w1")
    await worker.take()
    await client.fault(kind, status=503)
    assert (await worker.progress(job_id, 1)).status_code == 200
    assert (await worker.done(job_id, {"output": "lost"})).status_code == code
    assert (await client.status(job_id))["status"] == "IN_PROGRESS"
    assert (await worker.take())["id"] == job_id
    assert (await worker.done(job_id, {"output": "found"})).json() == {"status": "ok"}
    assert (await client.status(job_id))["output"] == "found"


async def test_duplicate_delivery_fault(client: Client) -> None:
    await client.fault("duplicate_delivery")
    job_id = await client.run()
    one, two, three = [WireWorker(client, name) for name in ("one", "two", "three")]
    assert await one.take() == await two.take()
    other = await client.run()
    assert (await three.take())["id"] == other  # twice, not three times
    await one.ping(job_id)
    await two.ping(job_id)
    assert (await two.done(job_id, {"output": 2})).json() == {"status": "ok"}
    assert (await one.done(job_id, {"output": 1})).json() == {"status": "ignored"}
    assert (await client.status(job_id))["output"] == 2


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


async def test_chunks_are_handed_out_once_and_in_order(client: Client) -> None:
    job_id = await client.run()
    worker = WireWorker(client, "w1")
    await worker.take()
    for n in range(2):
        await worker.chunk(job_id, {"n": n})
    first = (await client.get(f"stream/{job_id}")).json()
    assert first["status"] == "IN_PROGRESS"
    assert first["stream"] == [{"output": {"n": 0}}, {"output": {"n": 1}}]
    await worker.chunk(job_id, None)
    await worker.done(job_id, {"output": []})
    assert (await client.get(f"stream/{job_id}")).json()["stream"] == [{"output": None}]
    assert (await client.get(f"stream/{job_id}")).json() == {"id": job_id, "status": "COMPLETED", "stream": []}


async def test_a_worker_that_asked_to_be_stopped_gets_no_more_jobs(client: Client) -> None:
    job_id = await client.run()
    worker = WireWorker(client, "w1", "one")
    await worker.take()
    await worker.done(job_id, {"output": 1, "stopPod": True})
    assert (await client.workers())["w1"]["leaving"]
    assert "stopPod" not in str(await client.status(job_id))
    other = await client.run()
    assert (await worker.take_raw()).status_code == 429
    assert (await WireWorker(client, "w1", "two").take())["id"] == other
    assert not (await client.workers())["w1"]["leaving"]


async def test_fact_9_a_worker_with_a_wrong_key_is_slowed_down_not_refused(client: Client) -> None:
    worker = WireWorker(client, "w1", key="wrong")
    assert (await worker.take_raw()).status_code == 429
    assert (await worker.take_raw(batch=3)).status_code == 429
    assert (await worker.stop_poll()).status_code == 429
    assert (await worker.done("x", {"output": 1})).status_code == 401


async def test_an_unhealthy_worker_shows(client: Client) -> None:
    worker = WireWorker(client, "w1")
    poll = asyncio.create_task(worker.take_raw())
    await held(client, "w1")
    await worker.ping(status="unhealthy", check="comfy", reason="node missing")
    assert (await client.workers())["w1"]["unhealthy"] == "comfy: node missing"
    assert (await client.get("health")).json()["workers"]["unhealthy"] == 1
    poll.cancel()


async def test_results_of_unknown_jobs_and_other_endpoints_are_ignored(client: Client) -> None:
    worker = WireWorker(client, "w1")
    assert (await worker.done("unknown", {"output": 1})).json() == {"status": "ignored"}
    job_id = await client.run()
    await worker.take()
    worker.base = "/v2/elsewhere"
    assert (await worker.done(job_id, {"output": 1})).json() == {"status": "ignored"}
    assert (await client.http.get(f"/v2/elsewhere/status/{job_id}")).status_code == 404


async def test_many_workers_share_the_queue_without_taking_a_job_twice(client: Client) -> None:
    ids = {await client.run() for _ in range(40)}
    taken: list[Any] = []

    async def work(worker: WireWorker) -> None:
        for _ in range(5):
            job = await worker.take()
            taken.append(job["id"])
            await worker.done(job["id"], {"output": 1})

    await asyncio.gather(*[work(WireWorker(client, f"w{n}")) for n in range(8)])
    assert sorted(taken) == sorted(ids)
    assert (await client.get("health")).json()["jobs"]["completed"] == 40


async def test_job_done_with_broken_json_is_400(client: Client) -> None:
    job_id = await client.run()
    worker = WireWorker(client, "w1")
    await worker.take()
    url = f"{worker.base}/job-done/w1/{job_id}"
    answer: httpx.Response = await client.http.post(url, content=b'{"output": NaN}', headers=worker.headers)
    assert answer.status_code == 400
