"""The history of a run that has succeeded: when it is asked for, and what its absence means."""

from uuid import uuid4

import pytest

from shared.comfy import follow
from shared.comfy.client import ComfyClient
from shared.comfy.events import FileRef, Run
from shared.errors import TransientError
from tests.integration.comfy.scripted_comfy import Job, ScriptedComfy

GRAPH = {"3": {"class_type": "SaveLatent", "inputs": {}, "_meta": {"title": "Save"}}}
SAVED = {"3": {"latents": [{"filename": "a_00001_.latent", "subfolder": "job", "type": "output"}]}}


async def run(client: ComfyClient) -> Run:
    return await client.run(GRAPH, prompt_id=str(uuid4()), deadline_seconds=15.0)


async def whole(job: Job) -> None:
    await job.start()
    await job.succeed(SAVED)


async def test_the_history_is_asked_when_it_is_written(
    comfy: ScriptedComfy, client: ComfyClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(job: Job) -> None:
        await job.start()
        await job.emit("execution_success")
        with pytest.raises(AssertionError):
            await comfy.until(lambda: "history" in comfy.calls, seconds=0.3)
        job.record(SAVED)
        await job.emit("executing", node=None)

    monkeypatch.setattr(follow, "AFTER_CLOSE", 10.0)
    comfy.script = slow
    assert (await run(client)).files("Save") == (FileRef("a_00001_.latent", "job", "output"),)
    assert comfy.calls.count("history") == 1


async def test_history_may_lag_behind_the_success(comfy: ScriptedComfy, client: ComfyClient) -> None:
    comfy.script, comfy.history_hidden = whole, 4
    assert (await run(client)).files("Save")
    assert comfy.calls.count("history") == 5


async def test_a_success_without_any_history_is_lost(comfy: ScriptedComfy, client: ComfyClient) -> None:
    comfy.script, comfy.history_hidden = whole, 1_000_000
    with pytest.raises(TransientError, match="connection_lost"):
        await run(client)
