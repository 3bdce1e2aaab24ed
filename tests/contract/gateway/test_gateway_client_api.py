"""The client API, against a worker that speaks the bare wire."""

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.contract.gateway.harness import KEY, Client, WireWorker
from tests.waiting import eventually

Connect = Callable[[str], Client]
Start = Callable[..., str]


async def test_a_job_from_run_to_completed(client: Client) -> None:
    job_id = await client.run({"do": "it", "text": "nul \u0000 and 😀"})
    assert re.fullmatch(r"[0-9a-f-]{36}-u1", job_id)
    assert await client.status(job_id) == {"id": job_id, "status": "IN_QUEUE"}
    worker = WireWorker(client, "w1")
    assert await worker.take() == {"id": job_id, "input": {"do": "it", "text": "nul \u0000 and 😀"}}
    view = await client.status(job_id)
    assert view["status"] == "IN_PROGRESS"
    assert view["workerId"] == "w1"
    assert isinstance(view["delayTime"], int)
    assert "output" not in view
    await worker.progress(job_id, {"pct": 10})
    assert (await client.status(job_id))["output"] == {"pct": 10}
    await worker.done(job_id, {"output": {"text": "nul \u0000"}})
    view = await client.status(job_id)
    assert (view["status"], view["output"]) == ("COMPLETED", {"text": "nul \u0000"})
    assert isinstance(view["executionTime"], int)
    assert "error" not in view


async def test_no_output_and_no_progress_left_over(client: Client) -> None:
    job_id = await client.run()
    worker = WireWorker(client, "w1")
    await worker.take()
    await worker.progress(job_id, 1)
    await worker.done(job_id, {})
    view = await client.status(job_id)
    assert view["status"] == "COMPLETED"
    assert "output" not in view


@pytest.mark.parametrize("output", [[], 0, False, ""])
async def test_an_empty_output_is_an_output(client: Client, output: Any) -> None:
    job_id = await client.run()
    worker = WireWorker(client, "w1")
    await worker.take()
    await worker.done(job_id, {"output": output})
    assert (await client.status(job_id))["output"] == output


async def test_an_error_and_its_output(client: Client) -> None:
    job_id = await client.run()
    worker = WireWorker(client, "w1")
    await worker.take()
    await worker.done(job_id, {"error": "no", "output": {"details": [1]}})
    view = await client.status(job_id)
    assert (view["status"], view["error"], view["output"]) == ("FAILED", "no", {"details": [1]})


async def test_runsync_waits_for_the_result(client: Client) -> None:
    waiting = asyncio.create_task(client.post("runsync", {"input": {"a": 1}}))
    worker = WireWorker(client, "w1")
    job = await worker.take()
    assert job["id"].startswith("sync-")
    await worker.done(job["id"], {"output": 42})
    answer = (await waiting).json()
    assert (answer["status"], answer["output"], answer["id"]) == ("COMPLETED", 42, job["id"])


async def test_runsync_gives_the_state_when_its_time_is_up(client: Client) -> None:
    answer = (await client.post("runsync?wait=1000", {"input": 1})).json()
    assert answer["status"] == "IN_QUEUE"
    assert (await client.status(answer["id"]))["status"] == "IN_QUEUE"
    for wait in (999, 300_001):
        assert (await client.post(f"runsync?wait={wait}", {"input": 1})).status_code == 400


async def test_cancel_of_a_waiting_job_and_of_an_ended_one(client: Client) -> None:
    job_id = await client.run()
    assert (await client.post(f"cancel/{job_id}")).json() == {"id": job_id, "status": "CANCELLED"}
    assert (await client.status(job_id))["status"] == "CANCELLED"
    other = await client.run()
    worker = WireWorker(client, "w1")
    assert (await worker.take())["id"] == other
    await worker.done(other, {"output": 1})
    assert (await client.post(f"cancel/{other}")).json()["status"] == "COMPLETED"
    assert (await client.post("cancel/none")).status_code == 404


async def test_retry_only_of_failed_jobs(client: Client) -> None:
    job_id = await client.run({"n": 1})
    assert (await client.post(f"retry/{job_id}")).status_code == 400
    worker = WireWorker(client, "w1")
    await worker.take()
    await worker.done(job_id, {"error": "no"})
    assert (await client.post(f"retry/{job_id}")).json() == {"id": job_id, "status": "IN_QUEUE"}
    assert "error" not in await client.status(job_id)
    assert await worker.take() == {"id": job_id, "input": {"n": 1}}
    await worker.done(job_id, {"output": "ok"})
    view = await client.status(job_id)
    assert (view["status"], view["output"], view["retries"]) == ("COMPLETED", "ok", 1)
    assert (await client.post(f"retry/{job_id}")).status_code == 400
    assert (await client.post("retry/none")).status_code == 404


async def test_purge_removes_what_waits_and_is_limited_to_two_in_ten_seconds(client: Client) -> None:
    running = await client.run()
    await WireWorker(client, "w1").take()
    waiting = [await client.run() for _ in range(2)]
    assert (await client.post("purge-queue")).json() == {"removed": 2, "status": "completed"}
    for job_id in waiting:
        assert (await client.get(f"status/{job_id}")).status_code == 404
    assert (await client.status(running))["status"] == "IN_PROGRESS"
    assert (await client.post("purge-queue")).json()["removed"] == 0
    assert (await client.post("purge-queue")).status_code == 429


async def test_concurrent_cancels_over_the_limit_get_429(client: Client) -> None:
    answers = await asyncio.gather(*[client.post("cancel/none") for _ in range(110)])
    codes = [answer.status_code for answer in answers]
    assert codes.count(429) >= 10
    assert set(codes) == {404, 429}


async def test_health_and_requests(client: Client) -> None:
    worker, idle = WireWorker(client, "w1"), WireWorker(client, "w2")
    done, failed, running, waiting = [await client.run() for _ in range(4)]
    await worker.take()
    await worker.done(done, {"output": 1})
    await worker.take()
    await worker.done(failed, {"error": "no"})
    await worker.take()
    await client.post(f"cancel/{waiting}")
    poll = asyncio.create_task(idle.take_raw())

    async def both() -> bool:
        return len(await client.workers()) == 2

    await eventually(both, "both workers")
    health = (await client.get("health")).json()
    assert health["jobs"] == {"completed": 1, "failed": 1, "inProgress": 1, "inQueue": 0, "retried": 0}
    assert (health["workers"]["idle"], health["workers"]["running"]) == (1, 1)
    assert (await client.workers())["w1"]["jobs"] == [running]
    listed = (await client.get("requests")).json()["requests"]
    assert [entry["id"] for entry in listed] == [waiting, running, failed, done]
    poll.cancel()


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "wrong"}])
async def test_a_client_without_key_gets_401(client: Client, header: dict[str, str]) -> None:
    async with httpx.AsyncClient(base_url=client.http.base_url, headers=header) as stranger:
        for method, path in (("POST", "run"), ("GET", "status/x"), ("GET", "health")):
            assert (await stranger.request(method, f"/v2/e/{path}")).status_code == 401
        assert (await stranger.get("/_admin/faults")).status_code == 401


async def test_a_bare_key_is_as_good_as_a_bearer(client: Client) -> None:
    answer = await client.http.get("/v2/e/health", headers={"Authorization": KEY})
    assert answer.status_code == 200


async def test_only_listed_endpoints_when_there_is_a_list(start_gateway: Start, connect: Connect) -> None:
    client = connect(start_gateway(endpoints="base, spatial"))
    assert (await client.http.get("/v2/base/health")).status_code == 200
    assert (await client.http.get("/v2/other/health")).status_code == 404
    worker = WireWorker(client, "w1")
    worker.base = "/v2/other"
    assert (await worker.take_raw()).status_code == 429


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"Input": 1},
        {"input": 1, "webhook": "ftp://x/"},
        {"input": 1, "policy": {"executionTimeout": 4999}},
        {"input": 1, "policy": {"ttl": 9999}},
        {"input": 1, "policy": {"ttl": 604_800_001}},
    ],
)
async def test_bad_submissions_get_400(client: Client, body: Any) -> None:
    assert (await client.post("run", body)).status_code == 400


@pytest.mark.parametrize("content", [b"", b"{", b'{"input": NaN}', b"\xff\xfe", b"[" * 100_000])
async def test_what_is_no_json_gets_400(client: Client, content: bytes) -> None:
    answer = await client.http.post(f"/v2/{client.endpoint}/run", content=content)
    assert answer.status_code == 400


async def test_sizes_10_mb_for_run_and_20_mb_for_runsync(client: Client) -> None:
    eleven = {"input": "x" * 11_000_000}
    assert (await client.post("run", eleven)).status_code == 400
    assert (await client.post("runsync?wait=1000", eleven)).status_code == 200
    assert (await client.post("runsync?wait=1000", {"input": "x" * 20_000_000})).status_code == 400


async def test_a_result_that_is_too_large_gets_400_and_the_job_goes_on(client: Client) -> None:
    job_id = await client.run()
    worker = WireWorker(client, "w1")
    await worker.take()
    assert (await worker.done(job_id, {"output": "x" * 10_000_000})).status_code == 400
    assert (await worker.chunk(job_id, "x" * 1_000_000)).status_code == 400
    assert (await client.status(job_id))["status"] == "IN_PROGRESS"
    assert (await worker.done(job_id, {"output": "x" * 9_000_000})).status_code == 200
    assert (await client.status(job_id))["status"] == "COMPLETED"


async def test_ttl_deletes_waiting_and_running_jobs(start_gateway: Start, connect: Connect) -> None:
    client = connect(start_gateway(ttl_ms=600, lease_seconds=30))
    running = await client.run()
    worker = WireWorker(client, "w1")
    stop = asyncio.create_task(worker.stop_poll())
    await worker.take()
    waiting = await client.run()
    await client.until_gone(running)
    await client.until_gone(waiting)
    assert (await stop).json() == {"jobsToStop": [running]}
    assert (await worker.done(running, {"output": 1})).status_code == 200


async def test_retention_is_shorter_for_runsync(start_gateway: Start, connect: Connect) -> None:
    client = connect(start_gateway(keep_run_seconds=600, keep_runsync_seconds=0.3))
    worker = WireWorker(client, "w1")
    job_id = await client.run()
    await worker.take()
    await worker.done(job_id, {"output": 1})
    waiting = asyncio.create_task(client.post("runsync", {"input": 1}))
    sync_id = (await worker.take())["id"]
    await worker.done(sync_id, {"output": 1})
    assert (await waiting).json()["status"] == "COMPLETED"
    await client.until_gone(sync_id)
    assert (await client.status(job_id))["status"] == "COMPLETED"


async def test_cold_start_fault_delays_one_job(client: Client) -> None:
    await client.fault("cold_start", delay_ms=700)
    cold = await client.run()
    start = time.monotonic()
    warm = await client.run()
    worker = WireWorker(client, "w1")
    assert (await worker.take())["id"] == warm
    await worker.done(warm, {"output": 1})
    assert (await worker.take())["id"] == cold
    assert time.monotonic() - start > 0.5


async def test_faults_are_listed_cleared_and_bounded(client: Client) -> None:
    await client.fault("drop_result", count=2)
    listed = (await client.http.get("/_admin/faults")).json()
    assert {"kind": "drop_result", "count": 2} in [
        {k: fault[k] for k in ("kind", "count")} for fault in listed if fault["endpoint"] == client.endpoint
    ]
    assert (await client.http.post("/_admin/faults", json={"kind": "nonsense"})).status_code == 400
    assert (await client.http.delete("/_admin/faults")).json() == []
