"""The early look: a clip of half size, made while the next stage is under way already.

It begins when the manifest stands, so the orchestrator may go on with it (its poller looks for the manifest while the
job is in progress). Nothing that goes wrong here reaches the job: no error, and no more time than its deadline.
"""

import asyncio
from pathlib import Path

import structlog

from shared import delivery, durations
from shared.contracts import keys
from shared.contracts.artifact import Artifact, early_look_key
from shared.contracts.stage import BaseGenInput
from shared.errors import MivoError
from shared.stage import Names
from shared.worker import execute, outputs
from shared.worker.worker import Worker

log = structlog.get_logger(__name__)

ROLE = "early_look"
READ = ("video_latent", "audio_latent")


async def make(worker: Worker, work: BaseGenInput, latents: dict[str, Path], folder: Path) -> None:
    """The clip and its record in S3; without them when that fails, or takes too long. Only a cancel gets through.

    `latents`: what the base has just left, by role, on this disk.
    """
    seconds = durations.early_look(work)
    try:
        async with asyncio.timeout(seconds):
            made = await _make(worker, work, latents, folder, seconds)
    except Exception as error:  # noqa: BLE001  whatever it is, the stage is done
        why = str(error) if isinstance(error, MivoError) else type(error).__name__  # foreign texts may hold URLs
        log.warning("early_look_dropped", attempt_id=work.attempt_id, why=why)
        return
    log.info("early_look", attempt_id=work.attempt_id, key=made.key, bytes=made.bytes)


async def _make(worker: Worker, work: BaseGenInput, latents: dict[str, Path], folder: Path, seconds: float) -> Artifact:
    store, stage_key = worker.store, keys.stage_key(work)
    known = await asyncio.to_thread(store.looks.read, stage_key)
    if known is not None:
        return known
    names = Names(work.attempt_id)
    if worker.definition.look is None:
        raise TypeError(f"{worker.definition.stage} has no early look")
    graph = worker.definition.look(work, names)
    async with worker.engine.session(names) as comfy:
        await execute.hand_over(comfy, {role: latents[role] for role in READ}, names)
        run = await execute.execute(comfy, graph, seconds=seconds, on_progress=lambda _: None, idle=True)
        found = await execute.collect(comfy, graph, run, names, folder)
    facts = await outputs.facts_of(found["video"], delivery.early_look(work))
    local = outputs.Local(ROLE, found["video"], early_look_key(stage_key, names.execution), "video/mp4", facts)
    made = (await outputs.upload(store, [local]))[ROLE]
    await asyncio.to_thread(store.looks.write, stage_key, made)
    return made
