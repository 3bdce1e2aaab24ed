"""The unmodified SDK on both sides: `runpod.serverless.start` as a process, `runpod.Endpoint` as the client."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import runpod

from tests.contract.gateway.harness import KEY, Client, SdkWorker
from tests.waiting import eventually

Connect = Callable[[str], Client]
StartWorker = Callable[..., SdkWorker]


@pytest.fixture(scope="session")
def toy(gateway_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An async worker that serves the endpoint `toy` for all tests that do not harm it."""
    worker = SdkWorker(gateway_url, "toy", "toy-1", tmp_path_factory.mktemp("toy"))
    yield "toy"
    worker.kill_group()


@pytest.fixture
def toy_client(client: Client, toy: str) -> Client:
    client.endpoint = toy
    return client


@pytest.fixture
def sdk(gateway_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """Makes `runpod.Endpoint` objects that talk to the gateway."""
    monkeypatch.setattr(runpod, "endpoint_url_base", f"{gateway_url}/v2")
    made: list[Any] = []

    def make(endpoint: str) -> Any:
        made.append(runpod.Endpoint(endpoint, api_key=KEY))
        return made[-1]

    yield make
    for endpoint in made:
        endpoint.rp_client.rp_session.close()


def test_the_sdk_client_runs_a_job(sdk: Callable[[str], Any], toy: str) -> None:
    job = sdk(toy).run({"input": {"do": "echo", "say": "hi"}})
    assert job.output(timeout=20) == {"said": "hi", "worker": "toy-1"}
    assert job.status() == "COMPLETED"


def test_the_sdk_client_runs_sync_and_reads_health(sdk: Callable[[str], Any], toy: str) -> None:
    endpoint = sdk(toy)
    assert endpoint.run_sync({"input": {"do": "echo", "say": 1}}, timeout=20)["said"] == 1
    assert endpoint.health()["jobs"]["completed"] >= 1
    assert endpoint.purge_queue() == {"removed": 0, "status": "completed"}


def test_the_sdk_client_streams_a_generator(
    sdk: Callable[[str], Any], gateway_url: str, start_worker: StartWorker
) -> None:
    start_worker(gateway_url, "generator", "gen-1", TOY_KIND="generator")
    job = sdk("generator").run({"input": {"chunks": [1, {"two": 2}, "three"]}})
    assert list(job.stream()) == [1, {"two": 2}, "three"]
    assert job.output() == [1, {"two": 2}, "three"]


def test_the_sdk_client_cancels(sdk: Callable[[str], Any]) -> None:
    job = sdk("nobody-serves-this").run({"input": {"do": "echo"}})
    assert job.cancel()["status"] == "CANCELLED"
    assert job.status() == "CANCELLED"


def test_the_sdk_client_with_a_wrong_key(sdk: Callable[[str], Any], toy: str) -> None:
    endpoint = sdk(toy)
    endpoint.rp_client.headers["Authorization"] = "Bearer wrong"
    with pytest.raises(RuntimeError, match="401"):
        endpoint.run({"input": {"do": "echo"}})


async def test_progress_shows_while_the_job_runs(toy_client: Client, tmp_path: Path) -> None:
    go = tmp_path / "go"
    job_id = await toy_client.run({"do": "progress", "until": str(go)})

    async def progress() -> bool:
        return (await toy_client.status(job_id)).get("output") == {"pct": 50}

    await eventually(progress, "progress")
    go.touch()
    assert (await toy_client.until(job_id, "COMPLETED"))["output"] == {"pct": 100}


async def test_an_exception_is_failed_with_the_sdks_json(toy_client: Client) -> None:
    view = await toy_client.until(await toy_client.run({"do": "raise"}), "FAILED")
    error = json.loads(view["error"])
    assert error["error_message"] == "on purpose"
    assert error["worker_id"] == "toy-1"


async def test_a_returned_error_is_failed(toy_client: Client) -> None:
    view = await toy_client.until(await toy_client.run({"do": "error"}), "FAILED")
    assert (view["error"], view["output"]) == ("no such prompt", {"details": [1, 2]})


async def test_none_is_completed_without_output(toy_client: Client) -> None:
    view = await toy_client.until(await toy_client.run({"do": "none"}), "COMPLETED")
    assert "output" not in view


async def test_cancel_reaches_an_async_handler_and_nothing_is_posted(toy_client: Client, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    job_id = await toy_client.run({"do": "wait", "trace": str(trace), "until": str(tmp_path / "never")})
    await until_text(trace, "started")
    await toy_client.post(f"cancel/{job_id}")
    await until_text(trace, "cancelled")
    follow = await toy_client.until(await toy_client.run(), "COMPLETED")  # the worker goes on
    assert follow["output"]["worker"] == "toy-1"
    view = await toy_client.status(job_id)
    assert view["status"] == "CANCELLED"
    assert "output" not in view


async def test_execution_timeout_stops_an_async_handler(
    start_gateway: Callable[..., str], connect: Connect, start_worker: StartWorker, tmp_path: Path
) -> None:
    client = connect(start_gateway(execution_timeout_ms=800))
    start_worker(str(client.http.base_url), client.endpoint, "w1")
    trace = tmp_path / "trace"
    job_id = await client.run({"do": "wait", "trace": str(trace), "until": str(tmp_path / "never")})
    await until_text(trace, "cancelled")
    assert (await client.status(job_id))["status"] == "TIMED_OUT"


async def test_a_cancelled_sync_handler_runs_on_and_its_late_result_is_fenced(
    client: Client, gateway_url: str, start_worker: StartWorker, tmp_path: Path
) -> None:
    worker = start_worker(gateway_url, client.endpoint, "w1", TOY_KIND="blocking")
    trace, go = tmp_path / "trace", tmp_path / "go"
    job_id = await client.run({"trace": str(trace), "until": str(go)})
    await until_text(trace, "started")
    await client.post(f"cancel/{job_id}")
    go.touch()

    async def finished() -> bool:
        return "Finished." in worker.log.read_text(encoding="utf-8")

    await eventually(finished, "the sync handler's end")
    assert (await client.status(job_id))["status"] == "CANCELLED"


async def test_trap_15_a_killed_worker_loses_its_job_to_another_and_a_living_one_keeps_it(
    start_gateway: Callable[..., str], connect: Connect, start_worker: StartWorker, tmp_path: Path
) -> None:
    """Four deaths at once, one endpoint each. The lease is 3 s, so the spared job lives longer than one."""
    client = connect(start_gateway())
    url = str(client.http.base_url)
    go = tmp_path / "go"
    guard = {"TOY_DIE_WITH_PARENT": "1"}
    deaths: dict[str, dict[str, str]] = {
        "group": {},
        "main-only-with-pdeathsig": guard,
        "main-only-orphaned-ping": {},
        "spared": {},
    }
    jobs, firsts = {}, {}
    for endpoint, more in deaths.items():
        client.endpoint = endpoint
        jobs[endpoint] = await client.run({"do": "wait", "trace": f"{tmp_path}/{endpoint}", "until": str(go)})
        firsts[endpoint] = start_worker(url, endpoint, f"first-{endpoint}", **more)
    for endpoint in deaths:
        await until_text(tmp_path / endpoint, "started first")
    firsts["group"].kill_group()
    firsts["main-only-with-pdeathsig"].kill_main_only()
    firsts["main-only-orphaned-ping"].kill_main_only()
    for endpoint in set(deaths) - {"spared"}:
        start_worker(url, endpoint, f"second-{endpoint}")
    for endpoint in set(deaths) - {"spared"}:
        await until_text(tmp_path / endpoint, "started second")
    go.touch()
    for endpoint, job_id in jobs.items():
        client.endpoint = endpoint
        view = await client.until(job_id, "COMPLETED")
        winner = f"{'first' if endpoint == 'spared' else 'second'}-{endpoint}"
        assert view["output"] == {"waited": True, "worker": winner}
        assert view.get("retries", 0) == (0 if endpoint == "spared" else 1)


@pytest.mark.parametrize(("kind", "count"), [("drop_result", 1), ("refuse_result", 1), ("refuse_result", 3)])
async def test_a_result_that_got_lost_on_its_way(toy_client: Client, kind: str, count: int) -> None:
    """One refusal is mended by the SDK's own tries; a drop, or three refusals, by a second run."""
    await toy_client.fault(kind, count=count)
    view = await toy_client.until(await toy_client.run(), "COMPLETED", seconds=40)
    assert view["output"]["said"] == "hi"
    assert view.get("retries", 0) == (0 if (kind, count) == ("refuse_result", 1) else 1)


async def test_a_worker_that_asks_for_refresh_is_leaving(
    client: Client, gateway_url: str, start_worker: StartWorker
) -> None:
    start_worker(gateway_url, client.endpoint, "w1")
    view = await client.until(await client.run({"do": "refresh"}), "COMPLETED")
    assert view["output"] == {"done": True}
    assert (await client.workers())["w1"]["leaving"]
    other = await client.run()
    start_worker(gateway_url, client.endpoint, "w2")
    assert (await client.until(other, "COMPLETED"))["workerId"] == "w2"


async def until_text(path: Path, text: str) -> None:
    async def there() -> bool:
        return path.exists() and text in path.read_text(encoding="utf-8")  # noqa: ASYNC240  a tiny local file

    await eventually(there, f"{text!r} in {path.name}")
