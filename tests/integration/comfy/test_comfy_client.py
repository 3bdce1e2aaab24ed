import asyncio
import time
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from shared.comfy.client import ComfyClient
from shared.comfy.events import FileRef, Run
from shared.comfy.progress import Progress
from shared.errors import CapacityError, FatalError, TransientError
from tests.integration.comfy.scripted_comfy import Job, ScriptedComfy

GRAPH = {
    "1": {"class_type": "UNETLoader", "inputs": {}, "_meta": {"title": "Load"}},
    "2": {"class_type": "SamplerCustomAdvanced", "inputs": {"model": ["1", 0]}, "_meta": {"title": "Sample"}},
    "3": {"class_type": "SaveLatent", "inputs": {"samples": ["2", 0]}, "_meta": {"title": "Save"}},
}
SAVED = {"3": {"latents": [{"filename": "a_00001_.latent", "subfolder": "job", "type": "output"}]}}


async def run(client: ComfyClient, *, patience: dict[str, Any] | None = None, **options: Any) -> Run:
    client.patience = replace(client.patience, **patience or {})
    options = {"deadline_seconds": 15.0, "prompt_id": str(uuid4()), **options}
    return await client.run(GRAPH, **options)


async def whole(job: Job) -> None:
    await job.start()
    await job.sample("2", 1, 2, 3, 4, of=4)
    await job.succeed(SAVED)


async def test_a_run_returns_its_files_and_tells_its_progress(comfy: ScriptedComfy, client: ComfyClient) -> None:
    comfy.script = whole
    told: list[Progress] = []
    done = await run(client, on_progress=told.append)
    assert done.files("Save") == (FileRef("a_00001_.latent", "job", "output"),)
    fractions = [progress.fraction for progress in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert [p.value for p in told if p.title == "Sample"] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert comfy.opened == 1


async def test_everything_cached_is_a_success(comfy: ScriptedComfy, client: ComfyClient) -> None:
    async def cached(job: Job) -> None:
        await job.start(cached=["1", "2", "3"])
        await job.succeed(SAVED)

    comfy.script = cached
    assert (await run(client)).cached == {"1", "2", "3"}


async def test_the_run_goes_on_after_a_dropped_socket(comfy: ScriptedComfy, client: ComfyClient) -> None:
    told: list[Progress] = []

    async def dropping(job: Job) -> None:
        await job.start()
        await job.sample("2", 1, of=4)
        await comfy.drop_sockets()
        await comfy.until(lambda: bool(comfy.sockets))
        await job.sample("2", 3, of=4)
        await comfy.until(lambda: 3.0 in [progress.value for progress in told])  # else its history may be quicker
        await job.sample("2", 4, of=4)
        await job.succeed(SAVED)

    comfy.script = dropping
    assert (await run(client, on_progress=told.append)).files("Save")
    assert 3.0 in [progress.value for progress in told]
    assert comfy.opened == 2


async def test_an_end_that_was_missed_while_disconnected_does_not_hang(
    comfy: ScriptedComfy, client: ComfyClient
) -> None:
    async def hiding(job: Job) -> None:
        await job.start()
        sockets, comfy.sockets = dict(comfy.sockets), {}
        await job.succeed(SAVED)  # nobody hears it
        for socket in sockets.values():
            await socket.close()

    comfy.script = hiding
    assert (await run(client)).files("Save")


async def test_a_failure_that_was_missed_is_told_by_the_history(comfy: ScriptedComfy, client: ComfyClient) -> None:
    async def hiding(job: Job) -> None:
        comfy.sockets.clear()
        await job.fail("torch.OutOfMemoryError", "CUDA out of memory")

    comfy.script = hiding
    with pytest.raises(CapacityError, match="out_of_memory"):
        await run(client)


async def test_a_socket_that_is_dead_on_the_other_side_does_not_hang(comfy: ScriptedComfy, client: ComfyClient) -> None:
    comfy.deaf_sockets = True

    async def unheard(job: Job) -> None:
        await comfy.until(lambda: comfy.opened >= 2)  # replaced in the middle of the silence
        await job.succeed(SAVED)

    comfy.script = unheard
    assert (await run(client, patience={"quiet": 2.0})).files("Save")


async def test_a_stream_that_always_breaks_is_given_up(comfy: ScriptedComfy, client: ComfyClient) -> None:
    async def breaking(job: Job) -> None:
        while not job.stop_asked.is_set():
            await comfy.drop_sockets()
            await asyncio.sleep(0.01)
        job.record(status="error")

    comfy.script = breaking
    with pytest.raises(TransientError, match="connection_lost"):
        await run(client)
    assert comfy.opened == 4
    assert not comfy.running


async def test_a_node_error_is_typed_and_ends_the_run(comfy: ScriptedComfy, client: ComfyClient) -> None:
    comfy.script = lambda job: job.fail("ValueError", "boom")
    with pytest.raises(FatalError, match=r"internal: 'Load' \(UNETLoader\) failed with ValueError: boom"):
        await run(client)
    assert "cancel" not in comfy.calls


async def test_events_of_another_prompt_mean_nothing(comfy: ScriptedComfy, client: ComfyClient) -> None:
    async def noisy(job: Job) -> None:
        other = {"prompt_id": str(uuid4()), "node": None, "value": 1, "max": 2}
        for kind in ("execution_start", "progress", "execution_error", "execution_success", "executing"):
            await comfy.send(job.client_id, kind, other)
        await whole(job)

    comfy.script = noisy
    assert (await run(client)).files("Save")


async def test_silence_in_the_middle_of_steps_is_a_timeout(comfy: ScriptedComfy, client: ComfyClient) -> None:
    async def stalling(job: Job) -> None:
        await job.start()
        await job.sample("2", 1, of=4)
        await job.until_stopped()

    comfy.script = stalling
    with pytest.raises(TransientError, match=r"execution_timeout.*no sign of life for 0.6 s in 'Sample'"):
        await run(client, patience={"silence": 0.6})
    assert "cancel" in comfy.calls
    assert not comfy.running
    assert not client.stuck


async def test_a_quiet_node_may_take_longer_than_a_step(comfy: ScriptedComfy, client: ComfyClient) -> None:
    async def loading(job: Job) -> None:
        await job.start()
        await job.emit("executing", node="1")
        entered = time.monotonic()
        await comfy.until(lambda: time.monotonic() > entered + 1.2)
        await job.succeed(SAVED)

    comfy.script = loading
    assert (await run(client, patience={"silence": 0.3, "quiet": 10.0})).files("Save")


async def test_waiting_for_its_turn_is_not_silence_but_has_the_deadline(
    comfy: ScriptedComfy, client: ComfyClient
) -> None:
    async def waiting(job: Job) -> None:
        comfy.pending.append(job.prompt_id)
        await job.until_stopped()

    comfy.script, comfy.cancel_status = waiting, 404
    with pytest.raises(TransientError, match=r"execution_timeout: the run took longer than 2 s"):
        await run(client, patience={"quiet": 0.5}, deadline_seconds=2.0)
    assert comfy.calls[-3:] == ["cancel", "delete", "interrupt"]
    assert not comfy.pending


async def test_a_forgotten_run_is_a_crash(comfy: ScriptedComfy, client: ComfyClient) -> None:
    async def forgetting(_: Job) -> None:
        comfy.running.clear()

    comfy.script = forgetting
    with pytest.raises(TransientError, match="comfy_crashed: ComfyUI forgot the run"):
        await run(client)


async def test_a_server_that_stops_answering_is_unreachable(comfy: ScriptedComfy) -> None:
    async with ComfyClient(
        comfy.url, request_seconds=0.1, poll_seconds=0.05, cancel_seconds=0.5, reconnects=2
    ) as client:

        async def silent(job: Job) -> None:
            comfy.slow.set()
            await job.until_stopped()

        comfy.script = silent
        with pytest.raises(TransientError, match="comfy_unreachable"):
            await run(client)
        assert client.stuck  # the queue never said that the run is over


async def test_a_server_that_is_not_there_is_unreachable(comfy: ScriptedComfy, client: ComfyClient) -> None:
    comfy.end()
    with pytest.raises(TransientError, match="comfy_unreachable"):
        await run(client)
    with pytest.raises(TransientError, match="comfy_unreachable"):
        await client.wait_ready(0.5)


@pytest.mark.parametrize("fallback", [False, True])
async def test_cancelling_stops_the_run_on_the_server(
    comfy: ScriptedComfy, client: ComfyClient, *, fallback: bool
) -> None:
    sampling = asyncio.Event()
    comfy.cancel_status = 404 if fallback else 200

    async def sample(job: Job) -> None:
        await job.start()
        await job.sample("2", 1, of=4)
        await job.until_stopped()

    comfy.script = sample
    task = asyncio.create_task(run(client, on_progress=lambda now: sampling.set() if now.value else None))
    await asyncio.wait_for(sampling.wait(), 10.0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not comfy.running
    assert not client.stuck
    assert ("interrupt" in comfy.calls) is fallback


async def test_a_run_that_will_not_stop_leaves_the_client_stuck(comfy: ScriptedComfy, client: ComfyClient) -> None:
    started = asyncio.Event()

    async def stubborn(job: Job) -> None:
        await job.start()

    comfy.script = stubborn
    task = asyncio.create_task(run(client, on_progress=lambda _: started.set()))
    await asyncio.wait_for(started.wait(), 10.0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert client.stuck


async def test_a_refused_graph_is_fatal(comfy: ScriptedComfy, client: ComfyClient) -> None:
    comfy.refusal = (400, {"error": {"type": "prompt_no_outputs", "message": "Prompt has no outputs"}})
    with pytest.raises(FatalError, match=r"graph_rejected: .*Prompt has no outputs"):
        await run(client)
    assert comfy.calls == ["prompt"]  # nothing is queued, so nothing is cancelled
    comfy.refusal = (500, "500 Internal Server Error")
    with pytest.raises(TransientError, match="comfy_unreachable: ComfyUI answered 500"):
        await run(client)


async def test_a_half_refused_graph_is_fatal_and_its_other_half_cancelled(
    comfy: ScriptedComfy, client: ComfyClient
) -> None:
    info = {"input_name": "unet_name", "received_value": "x", "input_config": [["a", "b", "c", "d"], {}]}
    wrong = {"type": "value_not_in_list", "message": "Value not in list", "extra_info": info}
    errors = {"1": {"errors": [wrong], "class_type": "UNETLoader", "dependent_outputs": ["3"]}}
    comfy.refusal = (200, {"prompt_id": "x", "number": 1, "node_errors": errors})
    with pytest.raises(FatalError, match=r"model_missing: .*'Load'.*first of 4 legal values: a, b, c"):
        await run(client)
    assert "cancel" in comfy.calls
    assert not comfy.running


async def test_a_prompt_id_that_comfyui_would_refuse_is_not_sent(comfy: ScriptedComfy, client: ComfyClient) -> None:
    for wrong in (str(uuid4()).upper(), uuid4().hex, "job-1"):
        with pytest.raises(FatalError, match="lowercase UUID"):
            await run(client, prompt_id=wrong)
    assert comfy.calls == []
