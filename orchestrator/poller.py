"""Asks RunPod about stage runs that are due. RunPod's webhooks are hints; what is learned here is the truth.

Claims are rows with a time, taken under SKIP LOCKED, so any number of replicas share the work.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from pydantic import ValidationError

from orchestrator.advance import Advance
from orchestrator.history import EARLY_LOOK_SECONDS
from orchestrator.library import Library
from orchestrator.pace import Pace
from orchestrator.progression import renders
from orchestrator.runpod_client import Job, JobState, RunPodClient
from orchestrator.settings import Settings
from orchestrator.store import Database, StageRun, generations, runs
from orchestrator.transitions import Event, Failed, Finished, RunState, Started
from shared.contracts.stage import StageProgress, StageReply
from shared.contracts.vocabulary import CONTRACT_VERSION, Stage
from shared.errors import ErrorCode, MivoError, TransientError, family_of, from_wire, to_wire

log = structlog.get_logger()

AT_ONCE = 50
"""Looks under way; RunPod allows 400 at once on /status (facts/runpod.md section A)."""
APART_SECONDS = 0.005
"""Between the beginnings of two looks of one claim, about what one takes of the CPU: users' requests come in between,
instead of after all fifty.
"""
LOOK_SECONDS = 20.0
"""Most that one look may take, RunPod's retries included."""
ASK_SECONDS = 8.0
"""Most that RunPod, or the storage, is waited for within a look."""
LEASE_SECONDS = 30.0
"""Longer than a look; the runs of a replica that was killed wait this long."""
COUNT_SECONDS = 1.0
"""Between two counts of all that is under way, which say how often each is looked at."""


@dataclass(frozen=True)
class _Looked:
    """A claim to be given back."""

    run_id: str
    claimed_until: datetime
    due: float
    """When the run is to be looked at again, by the clock of the loop."""


class Poller:
    def __init__(
        self,
        *,
        database: Database,
        advance: Advance,
        runpod: RunPodClient,
        library: Library,
        settings: Settings,
        pace: Pace,
    ) -> None:
        self._database = database
        self._advance = advance
        self._runpod = runpod
        self._library = library
        self._settings = settings
        self._pace = pace
        self._counted = -COUNT_SECONDS
        self._looking = 0
        self._looked_at: list[_Looked] = []
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """A run has become due before its time: look now, not at the next tick."""
        self._woken.set()

    async def run(self) -> None:
        """Look at due runs until cancelled; a slow answer about one holds up no other."""
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    self._woken.clear()
                    for number, claim in enumerate(await self._claim()):
                        self._looking += 1
                        group.create_task(self._look_safely(claim, after=number * APART_SECONDS))
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._settings.poll_seconds_min / 2):
                            await self._woken.wait()
        finally:
            await self._give_back()

    async def _claim(self) -> list[runs.Claim]:
        """What is due now, after what was looked at has its next time."""
        await self._give_back()
        clock = asyncio.get_running_loop().time()
        async with self._database.statements() as connection:
            if clock - self._counted >= COUNT_SECONDS:
                self._pace.live = await runs.count_all_live(connection)
                self._counted = clock
            limit = AT_ONCE - self._looking
            return await runs.claim_due(connection, limit=limit, lease=LEASE_SECONDS, contract=CONTRACT_VERSION)

    async def _give_back(self) -> None:
        """One statement for all looks since the last time. Claims that it could not give back end by themselves."""
        looked, self._looked_at = self._looked_at, []
        if not looked:
            return
        clock = asyncio.get_running_loop().time()
        again = [(each.run_id, each.claimed_until, max(0.0, each.due - clock)) for each in looked]
        async with self._database.statements() as connection:
            await runs.poll_again(connection, again)

    async def _look_safely(self, claim: runs.Claim, *, after: float) -> None:
        pause = 0.0  # when we are stopped in the middle, others go on at once
        try:
            await asyncio.sleep(after)
            pause = await self._looked(claim)
        except Exception:
            log.exception("poll failed", run_id=claim.run_id)  # one bad run never stops the others
            pause = self._settings.poll_seconds_max
        finally:
            self._looking -= 1
            due = asyncio.get_running_loop().time() + pause
            self._looked_at.append(_Looked(claim.run_id, claim.until, due))
            if pause < self._settings.poll_seconds_min:  # else the next tick is soon enough
                asyncio.get_running_loop().call_later(pause, self.wake)

    async def _looked(self, claim: runs.Claim) -> float:
        """Look at one run; the seconds until the next look at it."""
        run = claim.run()
        done = run.progress
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                done = await self.look(run)
        except (TransientError, TimeoutError) as error:
            bound = {"generation_id": run.generation_id, "stage": run.stage, "attempt": run.attempt}
            log.warning("poll postponed", **bound, reason=str(error))
        except MivoError as error:
            await self._advance.on_run(run.id, Failed(error.body()))
        except Exception as error:
            if not _overdue(run):
                raise
            log.exception("a look failed at the run's deadline", run_id=run.id)
            await self._advance.on_run(run.id, Failed(from_wire(to_wire(error, stage=run.stage))))
        return self._pace.following(run, done)

    async def look(self, run: StageRun) -> float:
        """Ask about one run, and apply what is learned; how far it is."""
        event: Event | None = None
        job: Job | None = None
        try:
            if run.runpod_id is not None:
                async with asyncio.timeout(ASK_SECONDS):
                    job = await self._runpod.status(self._settings.endpoint(run.stage, run.endpoint), run.runpod_id)
                    event = await self._meaning(run, job)
        except (TransientError, TimeoutError):
            if not _overdue(run):
                raise  # else our own clock goes on, whoever is silent
        if event is None and _overdue(run):
            event = await self._ended_by_us(run)
        if event is not None:
            ended = isinstance(event, Finished | Failed) and run.started_at is None
            if ended and job is not None and job.execution_ms is not None:  # it came and went between two looks
                await self._advance.on_run(run.id, Started(ago=job.execution_ms / 1000))
            await self._advance.on_run(run.id, event)
        progress = _progress(run, job) if job is not None else None
        if progress is not None:
            await self._advance.report(run, progress)
        if run.stage is not Stage.BASE_GEN:
            await self._seek_early_look(run)
        return max(run.progress, progress.fraction if progress else 0.0)

    async def _seek_early_look(self, run: StageRun) -> None:
        """The base may still be making it while a later stage is under way. It is a courtesy: trouble is not told."""
        async with self._database.statements() as connection:
            stage_key = await generations.awaited_look(connection, run.generation_id, seconds=EARLY_LOOK_SECONDS)
        if stage_key is None:
            return
        try:
            async with asyncio.timeout(ASK_SECONDS):
                look = await self._library.early_look(stage_key)
        except (MivoError, TimeoutError) as error:
            log.warning("early look not read", generation_id=run.generation_id, reason=type(error).__name__)
            return
        if look is not None:
            await self._advance.show_early_look(run.generation_id, look)

    async def _meaning(self, run: StageRun, job: Job | None) -> Event | None:
        """RunPod's answer as an event; None when there is no news."""
        if job is None:
            return await self._lost(run)
        match job.status:
            case JobState.IN_QUEUE:
                return None
            case JobState.IN_PROGRESS | JobState.UNKNOWN:
                return Started() if run.state is RunState.SUBMITTED else await self._quietly_finished(run, job)
            case JobState.COMPLETED:
                return await self._completed(run, job)
            case _:
                return await self._ended_without_result(run, job)

    async def _ended_without_result(self, run: StageRun, job: Job) -> Event:
        finished = await self._finished(run)  # a result may get lost after the manifest was written
        if finished is not None:
            return finished
        if job.status is JobState.FAILED:
            return Failed(from_wire(job.error, stage=run.stage))
        if job.status is JobState.CANCELLED:
            # a user's cancel has made the run final already, so this one comes from elsewhere
            return _failed(run, "worker_lost", "RunPod canceled a run that nobody canceled", RunState.LOST)
        return _failed(run, "execution_timeout", "RunPod stopped the run at its time limit", RunState.TIMED_OUT)

    async def _completed(self, run: StageRun, job: Job) -> Event:
        finished = await self._finished(run)
        if finished is not None:
            return finished
        try:
            reply = StageReply.model_validate(job.output)
        except ValidationError:
            return _failed(run, "bad_output", "the worker completed without a manifest")
        if reply.stage_key != run.stage_key:
            said = "the worker counts this work under another stage_key; deploy workers and orchestrator together"
            return _failed(run, "contract_mismatch", said)
        return _failed(run, "bad_output", "the worker names a manifest that is not there")

    async def _lost(self, run: StageRun) -> Event:
        return await self._finished(run) or _failed(run, "worker_lost", "RunPod no longer knows the run", RunState.LOST)

    async def _ended_by_us(self, run: StageRun) -> Event:
        """What becomes of a run whose deadline has passed: this always ends it."""
        if run.state is RunState.PENDING:  # its submit looks for the manifest itself, and may have to remove it first
            return _failed(run, "runpod_unavailable", "the run could not be submitted in time")
        try:
            async with asyncio.timeout(ASK_SECONDS):
                finished = await self._finished(run)
        except (TransientError, TimeoutError):  # the next run's submit looks for the manifest again
            said = "the run's limit has passed, and storage does not answer"
            return _failed(run, "storage_unavailable", said, RunState.TIMED_OUT)
        if finished is not None:
            return finished
        if run.state is RunState.RUNNING:
            return _failed(run, "execution_timeout", "the run took longer than its limit", RunState.TIMED_OUT)
        return _failed(run, "runpod_unavailable", "no worker took the run in time", RunState.TIMED_OUT)

    async def _quietly_finished(self, run: StageRun, job: Job) -> Finished | None:
        """The manifest may stand while the job goes on: the worker makes the early look, or its result got stuck on
        its way (the SDK waits 10 minutes for an answer to it), and tells no more.
        """
        return None if renders(run.progress, _progress(run, job)) else await self._finished(run)

    async def _finished(self, run: StageRun) -> Finished | None:
        if run.stage_key is None:
            return None
        manifest = await self._library.manifest(run.stage, run.stage_key)
        return None if manifest is None else Finished(manifest)


def _progress(run: StageRun, job: Job) -> StageProgress | None:
    """What a running job last told of this run, if that is what it tells."""
    if job.status not in {JobState.IN_PROGRESS, JobState.UNKNOWN} or job.output is None:
        return None
    try:
        progress = StageProgress.model_validate(job.output)
    except ValidationError:
        return None  # not ours: RunPod shows whatever a worker last said
    return progress if progress.attempt_id == run.id else None


def _overdue(run: StageRun) -> bool:
    return run.deadline_at <= datetime.now(UTC)


def _failed(run: StageRun, code: ErrorCode, message: str, state: RunState = RunState.FAILED) -> Failed:
    return Failed(family_of(code)(code, message, stage=run.stage).body(), state)
