"""One locked step of a generation: load the rows, ask `transitions`, write, defer effects: all one transaction.

API calls, RunPod callbacks, the poller and the tasks all end here, so it does not matter how many of them speak of
the same run, in which order, or on which replica.
"""

import random
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import structlog

from orchestrator import news, transitions
from orchestrator.history import looking, view_of
from orchestrator.metrics import Metrics
from orchestrator.plan import Plan, make_plan
from orchestrator.progression import overall, worth_telling
from orchestrator.queue import CANCEL, DELIVER, SUBMIT, TELL, Queue
from orchestrator.store import Connection, Database, Generation, StageRun, deliveries, events, generations, runs
from orchestrator.transitions import (
    JITTER,
    Announce,
    CancelAsked,
    CancelRun,
    Failed,
    Finished,
    RunState,
    Started,
    StartRun,
    Submitted,
)
from orchestrator.verdict import flaw_of
from shared import durations
from shared.contracts.artifact import Artifact
from shared.contracts.request import GenerationRequest
from shared.contracts.stage import StageProgress
from shared.contracts.vocabulary import Stage, TextEncoder

log = structlog.get_logger()

PENDING_SECONDS = 900
"""How long a run may wait for its submit task; only a lost task or a long outage takes so long."""
DEADLINE_GRACE_SECONDS = 60
"""RunPod's own executionTimeout acts at the deadline; ours is for when RunPod says nothing."""


@dataclass(frozen=True)
class Created:
    """What is known of a generation before its first row."""

    owner: str
    request: GenerationRequest
    plan: Plan
    image: Artifact | None
    control: Artifact | None
    """What the request's control follows."""
    credits_asked: int


class Advance:
    def __init__(
        self,
        database: Database,
        queue: Queue,
        metrics: Metrics,
        *,
        poll_seconds: float,
        refuse_preview: bool,
        large_endpoints: Mapping[Stage, str],
        text_encoder: TextEncoder,
        tell_progress: bool,
    ) -> None:
        self._database = database
        self._queue = queue
        self._metrics = metrics
        self._poll_seconds = poll_seconds
        self._refuse_preview = refuse_preview
        self._large_endpoints = large_endpoints
        self._text_encoder = text_encoder
        self._tell_progress = tell_progress

    async def create(self, connection: Connection, wanted: Created) -> Generation:
        """Insert a generation with its first stage run, in the caller's transaction."""
        generation = await generations.insert(
            connection,
            generation_id=uuid4().hex,
            owner=wanted.owner,
            request=wanted.request,
            plan=wanted.plan,
            image=wanted.image,
            control=wanted.control,
            credits_asked=wanted.credits_asked,
        )
        queued = {"fraction": 0.0, news.LEFT: wanted.plan.estimated_seconds}
        await events.append(connection, generation.id, "generation.queued", queued)
        await self._start(connection, generation, StartRun(wanted.plan.order[0], attempt=1))
        return generation

    async def on_run(self, run_id: str, event: transitions.Event) -> None:
        """Apply an event about a stage run; nothing happens when the run has ended, or never was."""
        async with self._database.transaction() as connection:
            generation = await generations.lock_by_run(connection, run_id)
            if generation is None:
                return
            history = await runs.of_generation(connection, generation.id, lock=True)
            run = next(row for row in history if row.id == run_id)
            if isinstance(event, Finished):
                event = self._judged(generation, run, event)
            step = transitions.step(view_of(generation, run, history), event)
            await self._write(connection, generation, run, event, step)
        self._count(generation, run, event, step)

    async def cancel(self, generation_id: str) -> bool:
        """False when the generation has ended already (or never was)."""
        async with self._database.transaction() as connection:
            generation = await generations.lock(connection, generation_id)
            if generation is None or generation.state.final:
                return False
            history = await runs.of_generation(connection, generation.id, lock=True)
            run, event = history[-1], CancelAsked()
            step = transitions.step(view_of(generation, run, history), event)
            await self._write(connection, generation, run, event, step)
            base = looking(generation, history, datetime.now(UTC))
            if base is not None:
                await self._queue.defer(
                    connection, CANCEL, run_id=base.id, stage=base.stage, runpod_id=str(base.runpod_id)
                )
        self._count(generation, run, event, step)
        return True

    async def show_early_look(self, generation_id: str, look: Artifact) -> None:
        """Tell followers of the early look, once, while it is early."""
        async with self._database.transaction() as connection:
            generation = await generations.lock(connection, generation_id)
            if generation is None or generation.state.final or generation.early_look is not None:
                return
            await generations.set_early_look(connection, generation_id, look)
            await events.append(connection, generation_id, "early_look", {"early_look": look.model_dump(mode="json")})
            await self._tell(connection, generation, 0.0, 0.0, turn=True)

    async def report(self, run_id: str, progress: StageProgress) -> None:
        """Tell followers how far a live run is, when that is news."""
        async with self._database.transaction() as connection:
            generation = await generations.lock_by_run(connection, run_id)
            run = await runs.get(connection, run_id)
            if generation is None or run is None or run.state.final or progress.fraction <= run.progress:
                return
            await runs.set_progress(connection, run_id, progress.fraction)
            await news.progress(connection, generation, run, progress)
            before, now = (overall(generation.plan, run.stage, done) for done in (run.progress, progress.fraction))
            await self._tell(connection, generation, before, now, turn=False)

    async def _tell(
        self, connection: Connection, generation: Generation, before: float, now: float, *, turn: bool
    ) -> None:
        """Have the backend told how far a generation is, where it wants to know and this is worth a webhook."""
        wanted = self._tell_progress and generation.request.webhook_url is not None
        if not wanted or not worth_telling(generation.progress_told, before, now, turn=turn):
            return
        if await self._queue.defer_once(connection, TELL, f"progress of {generation.id}", generation_id=generation.id):
            await generations.count_told(connection, generation.id)

    def _judged(self, generation: Generation, run: StageRun, event: Finished) -> transitions.Event:
        flaw = flaw_of(event.manifest, generation.plan, run.stage, refuse_preview=self._refuse_preview)
        return event if flaw is None else Failed(flaw)

    async def _write(
        self,
        connection: Connection,
        generation: Generation,
        run: StageRun,
        event: transitions.Event,
        step: transitions.Step,
    ) -> None:
        if step.run is not run.state:
            await self._write_run(connection, generation, run, event, step)
        if step.generation is not generation.state:
            refund = None
            if step.generation.final:
                refund = sum(generation.credits for effect in step.effects if effect == Announce(refund=True))
            await generations.set_state(connection, generation.id, step.generation, error=step.error, refund=refund)
            data = news.where(generation, run, run.progress) | {
                "error": news.shown(step.error),
                "credits_refund": refund,
            }
            if step.generation is transitions.GenerationState.SUCCEEDED:
                data["fraction"] = 1.0
            await events.append(
                connection,
                generation.id,
                f"generation.{step.generation}",
                {name: value for name, value in data.items() if value is not None},
            )
        for effect in step.effects:
            await self._effect(connection, generation, run, effect)
        turned = step.run is not run.state and step.run in {RunState.RUNNING, RunState.SUCCEEDED}
        if turned and not step.generation.final:
            await self._tell(connection, generation, 0.0, 0.0, turn=True)

    async def _write_run(
        self,
        connection: Connection,
        generation: Generation,
        run: StageRun,
        event: transitions.Event,
        step: transitions.Step,
    ) -> None:
        data = news.where(generation, run, run.progress)
        match event:
            case Submitted(runpod_id):
                await runs.submitted(
                    connection, run.id, runpod_id, seconds=durations.QUEUE_SECONDS, poll_in=self._poll_seconds
                )
            case Started(ago):
                seconds = generation.plan.of(run.stage).deadline_seconds + DEADLINE_GRACE_SECONDS
                await runs.started(connection, run.id, ago=ago, seconds=seconds)
            case Finished(manifest):
                reused = manifest.attempt_id != run.id
                await runs.finished(connection, run.id, manifest, reused=reused)
                data |= news.where(generation, run, 1.0) | {"reused": reused}
            case Failed(error):
                await runs.failed(connection, run.id, error)
                again = any(isinstance(effect, StartRun) for effect in step.effects)
                data |= {"error": news.shown(error), "again": again}
            case _:
                pass  # the state says it all
        await runs.set_state(connection, run.id, step.run)
        await events.append(connection, generation.id, f"stage.{step.run}", data)

    async def _effect(
        self, connection: Connection, generation: Generation, run: StageRun, effect: transitions.Effect
    ) -> None:
        match effect:
            case StartRun():
                await self._start(connection, generation, effect)
            case CancelRun(runpod_id):
                await self._queue.defer(connection, CANCEL, run_id=run.id, stage=run.stage, runpod_id=runpod_id)
            case Announce():
                if generation.request.webhook_url is not None:
                    delivery_id = f"msg_{uuid4().hex}"
                    await deliveries.insert(connection, delivery_id=delivery_id, generation_id=generation.id)
                    await self._queue.defer(connection, DELIVER, delivery_id=delivery_id)

    async def _start(self, connection: Connection, generation: Generation, effect: StartRun) -> None:
        if effect.anew:
            plan = make_plan(generation.request, seed=generation.plan.seed, text_encoder=self._text_encoder)
            await generations.set_plan(connection, generation.id, plan)
            generation = generation.model_copy(update={"plan": plan})
        wait = effect.wait * (1 + random.uniform(0, JITTER))
        run_id = uuid4().hex
        await runs.insert(
            connection,
            run_id=run_id,
            generation_id=generation.id,
            stage=effect.stage,
            attempt=effect.attempt,
            repair=effect.repair,
            endpoint=self._large_endpoints.get(effect.stage) if effect.large else None,
            token=secrets.token_urlsafe(24),
            seconds=wait + PENDING_SECONDS,
        )
        data = {
            "stage": effect.stage,
            "attempt": effect.attempt,
            "fraction": overall(generation.plan, effect.stage, 0.0),
            "wait": round(wait, 3),
        }
        await events.append(connection, generation.id, "stage.pending", data)
        await self._queue.defer(connection, SUBMIT, after=wait, run_id=run_id)

    def _count(
        self,
        generation: Generation,
        run: StageRun,
        event: transitions.Event,
        step: transitions.Step,
    ) -> None:
        """After the commit: series and the canonical line of a stage run."""
        if step.run is not run.state and step.run.final:
            code = event.error.code if isinstance(event, Failed) else None
            manifest = event.manifest if isinstance(event, Finished) else None
            reused = manifest is not None and manifest.attempt_id != run.id
            self._metrics.ended(run, step.run, code=code, manifest=manifest, reused=reused)
            log.info(
                "stage run",
                generation_id=generation.id,
                stage=run.stage,
                attempt=run.attempt,
                runpod_id=run.runpod_id,
                state=step.run,
                code=code,
                reused=reused,
            )
        if step.generation is not generation.state and step.generation.final:
            self._metrics.decided(generation, step.generation, effects=step.effects)
            log.info("generation", generation_id=generation.id, state=step.generation, credits=generation.credits)
