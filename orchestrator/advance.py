"""One locked step of a generation: load the rows, ask `transitions`, write, defer effects: all one transaction.

API calls, RunPod callbacks, the poller and the tasks all end here, so it does not matter how many of them speak of
the same run, in which order, or on which replica.
"""

import random
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from orchestrator import news, transitions
from orchestrator.history import looking, view_of
from orchestrator.metrics import Metrics
from orchestrator.plan import Plan, make_plan
from orchestrator.progression import overall, worth_telling
from orchestrator.queue import CANCEL, DELIVER, SUBMIT, TELL, Queue
from orchestrator.record import record
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
        first_look: Callable[[], float],
        refuse_preview: bool,
        large_endpoints: Mapping[Stage, str],
        text_encoder: TextEncoder,
        tell_progress: bool,
    ) -> None:
        self._database = database
        self._queue = queue
        self._metrics = metrics
        self._first_look = first_look
        self._refuse_preview = refuse_preview
        self._large_endpoints = large_endpoints
        self._text_encoder = text_encoder
        self._tell_progress = tell_progress

    async def create(self, connection: Connection, wanted: Created) -> tuple[Generation, StageRun]:
        """Insert a generation with its first stage run, in the caller's transaction."""
        generation_id, first = uuid4().hex, StartRun(wanted.plan.order[0], attempt=1)
        queued = {"fraction": 0.0, news.LEFT: wanted.plan.estimated_seconds}
        generation = await generations.insert(
            connection,
            generation_id=generation_id,
            owner=wanted.owner,
            request=wanted.request,
            plan=wanted.plan,
            image=wanted.image,
            control=wanted.control,
            credits_asked=wanted.credits_asked,
            told=[("generation.queued", queued), ("stage.pending", news.pending(wanted.plan, first, wait=0.0))],
        )
        run = await self._pend(connection, generation_id, first, wait=0.0)
        return generation, run

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
        record(self._metrics, generation, run, event, step)

    async def cancel(self, generation_id: str) -> bool:
        """False when the generation has ended already (or never was)."""
        async with self._database.transaction() as connection:
            generation = await generations.lock(connection, generation_id)
            if generation is None or generation.state.final:
                return False
            history = await runs.of_generation(connection, generation_id, lock=True)
            run, event = history[-1], CancelAsked()
            step = transitions.step(view_of(generation, run, history), event)
            await self._write(connection, generation, run, event, step)
            base = looking(generation, history, datetime.now(UTC))
            if base is not None:
                await self._queue.defer(
                    connection, CANCEL, run_id=base.id, stage=base.stage, runpod_id=str(base.runpod_id)
                )
        record(self._metrics, generation, run, event, step)
        return True

    async def show_early_look(self, generation_id: str, look: Artifact) -> None:
        """Tell followers of the early look, once, while it is early."""
        async with self._database.transaction() as connection:
            generation = await generations.lock(connection, generation_id)
            if generation is None or generation.state.final or generation.early_look is not None:
                return
            await generations.set_early_look(connection, generation_id, look)
            told = ("early_look", {"early_look": look.model_dump(mode="json")})
            await events.append(connection, generation_id, told)
            await self._tell(connection, generation, 0.0, 0.0, turn=True)

    async def report(self, seen: StageRun, progress: StageProgress) -> None:
        """Tell followers how far a live run is, when that is news. `seen`: as it was before RunPod was asked."""
        async with self._database.transaction() as connection:
            generation = await generations.lock(connection, seen.generation_id)
            run = await runs.get(connection, seen.id)
            if generation is None or run is None or run.state.final or progress.fraction <= run.progress:
                return
            await runs.set_progress(connection, run.id, progress.fraction)
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
        told: list[events.Told] = []
        if step.run is not run.state:
            told.append(await self._write_run(connection, generation, run, event, step))
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
            known = {name: value for name, value in data.items() if value is not None}
            told.append((f"generation.{step.generation}", known))
        for effect in step.effects:
            told += await self._effect(connection, generation, run, effect)
        if told:
            await events.append(connection, generation.id, *told)
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
    ) -> events.Told:
        data = news.where(generation, run, run.progress)
        match event:
            case Submitted(runpod_id):
                await runs.submitted(
                    connection, run.id, runpod_id, seconds=durations.QUEUE_SECONDS, poll_in=self._first_look()
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
        return f"stage.{step.run}", data

    async def _effect(
        self, connection: Connection, generation: Generation, run: StageRun, effect: transitions.Effect
    ) -> list[events.Told]:
        """What is to be told of it."""
        match effect:
            case StartRun():
                return [await self._start(connection, generation, effect)]
            case CancelRun(runpod_id):
                await self._queue.defer(connection, CANCEL, run_id=run.id, stage=run.stage, runpod_id=runpod_id)
            case Announce():
                if generation.request.webhook_url is not None:
                    delivery_id = f"msg_{uuid4().hex}"
                    await deliveries.insert(connection, delivery_id=delivery_id, generation_id=generation.id)
                    await self._queue.defer(connection, DELIVER, delivery_id=delivery_id)
        return []

    async def _start(self, connection: Connection, generation: Generation, effect: StartRun) -> events.Told:
        if effect.anew:
            plan = make_plan(generation.request, seed=generation.plan.seed, text_encoder=self._text_encoder)
            await generations.set_plan(connection, generation.id, plan)
            generation = generation.model_copy(update={"plan": plan})
        wait = effect.wait * (1 + random.uniform(0, JITTER))
        await self._pend(connection, generation.id, effect, wait=wait)
        return "stage.pending", news.pending(generation.plan, effect, wait=wait)

    async def _pend(self, connection: Connection, generation_id: str, effect: StartRun, *, wait: float) -> StageRun:
        """Insert a run, and have it submitted after `wait` seconds."""
        run_id = uuid4().hex
        inserted = await runs.insert(
            connection,
            run_id=run_id,
            generation_id=generation_id,
            stage=effect.stage,
            attempt=effect.attempt,
            repair=effect.repair,
            endpoint=self._large_endpoints.get(effect.stage) if effect.large else None,
            token=secrets.token_urlsafe(24),
            seconds=wait + PENDING_SECONDS,
        )
        await self._queue.defer(connection, SUBMIT, after=wait, run_id=run_id)
        return inserted
