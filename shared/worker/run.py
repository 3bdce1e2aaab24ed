"""run_stage: the life of one job.

parse -> done before? -> able? -> fetch -> execute -> check -> upload -> manifest -> reply.

A base run that is asked for an early look makes it between manifest and reply: the reply ends the job, and a worker
without one may be taken away.
"""

import asyncio
import errno
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import structlog

from shared import durations
from shared.comfy import sections
from shared.comfy.progress import Progress
from shared.contracts import keys
from shared.contracts.artifact import Artifact, Manifest, manifest_key
from shared.contracts.stage import MANIFEST_ONLY, BaseGenInput, ReplyArtifact, StageInput, StageProgress, StageReply
from shared.errors import CapacityError, MivoError, to_wire
from shared.stage import Names
from shared.worker import early_look, execute, leftovers, outputs
from shared.worker.abilities import require_able
from shared.worker.parse import parse
from shared.worker.progress import Report, Throttle, rounds_of, weights_of
from shared.worker.worker import Worker

log = structlog.get_logger(__name__)

NO_SPACE = {errno.ENOSPC, errno.EDQUOT}

URL_SECONDS = 24 * 3600
"""How long the URL in a reply works; the orchestrator makes its own for users."""

Phase = Literal["fetching", "executing", "delivering", "uploading", "looking"]
EXECUTED = 0.95
"""Fraction of a run that ends in a video when ComfyUI has done its part; the rest is to look at it and listen."""


@dataclass
class Timings:
    """Seconds by phase."""

    seconds: dict[str, float] = field(default_factory=dict)
    moments: dict[str, float] = field(default_factory=dict)
    """Seconds from the job's beginning until ComfyUI had `accepted` the graph, and until its end was known (`ended`).
    Not in the reply, which has to be small."""
    began: float = field(default_factory=time.monotonic)

    def so_far(self) -> float:
        """Seconds since the job began."""
        return round(time.monotonic() - self.began, 3)

    def mark(self, moment: str) -> None:
        self.moments[moment] = self.so_far()

    @contextmanager
    def of(self, phase: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[phase] = round(time.monotonic() - started, 3)


async def run_stage(worker: Worker, job: dict[str, Any], report: Report) -> dict[str, Any]:
    """The reply to a job, or `{"error": <wire form>}`: nothing but a cancel escapes."""
    stage = worker.definition.stage
    throttle = Throttle(report)
    try:
        async with worker.departure.job():
            reply = await _run(worker, job, throttle)
        answer = reply.model_dump(mode="json", exclude_none=True)
    except asyncio.CancelledError:
        log.info("stage_run", stage=stage, runpod_id=job.get("id"), outcome="canceled")
        raise
    except Exception as error:  # noqa: BLE001  the one border where everything becomes a typed reply
        answer = _failed(worker, job, error)
        await throttle.settle()  # not after a cancel: nothing is replied then
    return answer


def _failed(worker: Worker, job: dict[str, Any], error: Exception) -> dict[str, Any]:
    """The typed reply. Only what is not ours is logged with its trace."""
    stage = worker.definition.stage
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        error = CapacityError("disk_full", "the disk of this worker is full")
    typed = isinstance(error, MivoError)
    log.warning(
        "stage_run",
        stage=stage,
        runpod_id=job.get("id"),
        outcome="failed",
        error=str(error) if typed else type(error).__name__,
        exc_info=None if typed else error,
    )
    answer: dict[str, Any] = {"error": to_wire(error, stage=stage)}
    if isinstance(error, CapacityError) and error.code == "disk_full":
        leftovers.sweep(worker.engine.base_dir)  # the job's own files are gone already
    if isinstance(error, CapacityError) or worker.engine.spent:
        answer["refresh_worker"] = True
        worker.departure.after_this_job()  # RunPod's SDK passes the wish on, but lives on itself
    return answer


async def _run(worker: Worker, job: dict[str, Any], report: Throttle) -> StageReply:
    stage, store = worker.definition.stage, worker.store
    timings = Timings()
    with timings.of("total"):
        work = await asyncio.to_thread(parse, stage, job.get("input"), store)
        stage_key = keys.stage_key(work)
        manifest = await asyncio.to_thread(store.read_manifest, stage, stage_key)
        reused = manifest is not None
        if manifest is None:
            require_able(work, worker.settings)
            log.info(
                "render_begins",
                stage=stage,
                runpod_id=job.get("id"),
                attempt_id=work.attempt_id,
                stage_key=stage_key,
                after=timings.so_far(),
            )
            manifest = await _render(worker, work, stage_key, report, timings)
        await report.settle()
    log.info(
        "stage_run",
        stage=stage,
        runpod_id=job.get("id"),
        generation_id=work.generation_id,
        attempt_id=work.attempt_id,
        stage_key=stage_key,
        outcome="reused" if reused else "rendered",
        **timings.seconds,
        **timings.moments,
    )
    shown = manifest.artifacts.get("video") or manifest.artifacts["video_latent"]
    return StageReply(
        stage=stage,
        stage_key=stage_key,
        manifest=manifest_key(stage, stage_key),
        reused=reused,
        artifacts={
            role: ReplyArtifact(key=made.key, bytes=made.bytes)
            for role, made in manifest.artifacts.items()
            if role not in MANIFEST_ONLY
        },
        timings=timings.seconds,
        url=store.presign_get(shown.key, seconds=URL_SECONDS),
    )


async def _render(worker: Worker, work: StageInput, stage_key: str, report: Throttle, timings: Timings) -> Manifest:
    names = Names(work.attempt_id)
    graph = worker.definition.graph(work, names)

    def tell(phase: Phase, progress: Progress | None = None) -> None:
        report(_progress(work, phase, progress))

    with tempfile.TemporaryDirectory(prefix=leftovers.SCRATCH) as temporary:
        folder = Path(temporary)
        hidden = (work.prompt,) if isinstance(work, BaseGenInput) else ()
        async with worker.engine.session(names, hidden=hidden) as comfy:
            tell("fetching")
            with timings.of("fetch"):
                inputs = await execute.fetch_inputs(work, folder, worker.store)
                await execute.hand_over(comfy, inputs, names)
            with timings.of("execute"):
                seconds = execute.deadline(work)
                run = await execute.execute(
                    comfy,
                    graph,
                    seconds=seconds,
                    weights=weights_of(graph, durations.of(work)),
                    rounds=rounds_of(graph, outputs.sampled(work)[1]),
                    on_progress=lambda progress: tell("executing", progress),
                    on_accepted=lambda: timings.mark("accepted"),
                )
                timings.mark("ended")
                made = await execute.collect(comfy, graph, run, names, folder)
        with timings.of("deliver"):
            files = await asyncio.to_thread(outputs.check_latents, work, made, names.execution)
            if "video" in made:
                tell("delivering")
                files += await outputs.check_video(work, made["video"], folder, names.execution)
        with timings.of("upload"):
            artifacts = await outputs.upload(worker.store, files)
        manifest = await asyncio.to_thread(_conclude, worker, work, stage_key, artifacts, timings)
        if isinstance(work, BaseGenInput) and work.early_look and manifest.attempt_id == work.attempt_id:
            tell("looking")
            with timings.of("early_look"):
                await early_look.make(worker, work, made, folder)
    return manifest


def _progress(work: StageInput, phase: Phase, progress: Progress | None) -> StageProgress:
    executed = EXECUTED if work.ending == "video" else 1.0
    done = {"fetching": 0.0, "executing": executed * (progress.fraction if progress else 0.0)}
    # tiles of the decoder are no steps
    counts = progress is not None and progress.maximum > 1 and progress.title != sections.SAVE_VIDEO
    return StageProgress(
        attempt_id=work.attempt_id,
        fraction=round(done.get(phase, executed), 3),
        phase=phase,
        step=int(progress.value) if progress and counts else None,
        steps=int(progress.maximum) if progress and counts else None,
    )


def _conclude(
    worker: Worker, work: StageInput, stage_key: str, artifacts: dict[str, Artifact], timings: Timings
) -> Manifest:
    """Writes the manifest, last of all. Whoever wrote it first has done the work; a later one is dropped."""
    carried = keys.inputs_of(work)
    if "image" in carried:  # the next stage needs it again
        artifacts = {**artifacts, "image": carried["image"]}
    manifest = Manifest(
        stage=worker.definition.stage,
        stage_key=stage_key,
        attempt_id=work.attempt_id,
        created_at=datetime.now(UTC),
        artifacts=artifacts,
        params=keys.params_of(work),
        recipe=keys.recipe_of(work).model_dump(mode="json"),
        models=keys.models_of(work),
        timings={**timings.seconds, **timings.moments},
        versions={"engine": worker.engine.name},
    )
    half_way = keys.latents_only(work)
    if half_way is not None:
        handed_on = {role: made for role, made in artifacts.items() if role not in {"video", "poster"}}
        worker.store.write_manifest(
            manifest.model_copy(
                update={
                    "stage_key": keys.stage_key(half_way),
                    "artifacts": handed_on,
                    "params": keys.params_of(half_way),
                }
            )
        )
    return worker.store.write_manifest(manifest)
