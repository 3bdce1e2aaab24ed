"""The worker API on the bare wire. Traps are those numbered in facts/runpod.md, section D."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.contract.gateway.harness import Client, WireWorker, held
from tests.waiting import eventually

Connect = Callable[[str], Client]
Start = Callable[..., str]


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
    """Without the bell it would take a second, the pause between two looks at the queue."""
    delays = []
    for name in ("w1", "w2", "w3", "w4"):
        worker = WireWorker(client, name)
        taking = asyncio.create_task(worker.take())
        await held(client, name)
        start = time.monotonic()
        job_id = await client.run()
        assert (await taking)["id"] == job_id
        delays.append(time.monotonic() - start)
        await worker.done(job_id, {"output": 1})
    assert min(delays) < 0.1, delays


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


async def test_trap_10_a_restarted_worker_with_the_same_id_is_somebody_else(patient: Client) -> None:
    job_id = await patient.run()
    before, after = WireWorker(patient, "w1", "one"), WireWorker(patient, "w1", "two")
    await before.take()
    assert (await after.take())["id"] == job_id  # at once: the old process can have no result any more
    assert (await before.done(job_id, {"output": "late"})).json() == {"status": "ignored"}
    assert (await before.take_raw()).status_code == 429  # and it gets no more work
    await after.done(job_id, {"output": "good"})
    view = await patient.status(job_id)
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


@pytest.mark.parametrize(("kind", "code"), [("drop_result", 200), ("refuse_result", 503)])
async def test_faults_on_results(patient: Client, kind: str, code: int) -> None:
    job_id = await patient.run()
    worker = WireWorker(patient, "w1")
    await worker.take()
    await patient.fault(kind, status=503)
    assert (await worker.progress(job_id, 1)).status_code == 200
    assert (await worker.done(job_id, {"output": "lost"})).status_code == code
    assert (await patient.status(job_id))["status"] == "IN_PROGRESS"
    assert (await worker.take())["id"] == job_id
    assert (await worker.done(job_id, {"output": "found"})).json() == {"status": "ok"}
    assert (await patient.status(job_id))["output"] == "found"


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


async def test_unread_chunks_of_a_lost_run_do_not_come_twice(patient: Client) -> None:
    job_id = await patient.run()
    worker = WireWorker(patient, "w1")
    for _ in range(2):  # the second take says that the worker is idle, so the first run is lost
        await worker.take()
        await worker.chunk(job_id, 1)
    assert (await patient.get(f"stream/{job_id}")).json()["stream"] == [{"output": 1}]


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
