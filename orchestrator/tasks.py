"""The short tasks that `advance` defers by name: submit, cancel, deliver. Each may run twice and does no harm."""

import asyncio
import json
import random
from collections import Counter
from datetime import UTC, datetime
from uuid import uuid4

import structlog
from procrastinate import BaseRetryStrategy, JobContext, RetryDecision
from procrastinate.jobs import Job
from pydantic import AnyHttpUrl

from orchestrator.advance import Advance
from orchestrator.history import upstream_of
from orchestrator.library import Library
from orchestrator.metrics import Metrics
from orchestrator.news import LEFT
from orchestrator.plan import stage_input
from orchestrator.queue import CANCEL, DELIVER, PRUNE, PRUNE_CRON, SUBMIT, TELL, Queue
from orchestrator.runpod_client import Policy, RunPodClient
from orchestrator.settings import Settings
from orchestrator.store import Database, Generation, StageRun, deliveries, events, generations, retention, runs
from orchestrator.transitions import Failed, Finished, RunState, Submitted
from orchestrator.verdict import flaw_of
from orchestrator.views import final_message, progress_message, runpod_message
from orchestrator.webhooks import Sender, signed_headers
from shared import durations
from shared.contracts import keys
from shared.contracts.artifact import Manifest
from shared.contracts.stage import StageInput
from shared.contracts.vocabulary import CONTRACT_VERSION, Stage
from shared.errors import FatalError, MivoError, TransientError, from_wire, to_wire

log = structlog.get_logger()

NEWER_SECONDS = 5
"""Between two tries of a task that is for a newer replica."""
TELL_SECONDS = 3.0
"""Most that a progress webhook may take; the next one tells more anyway."""
TELLING_AT_ONCE = 2
"""Of the tasks that a replica works on: receivers that are slow with progress hold up neither submits nor ends."""


class Backoff(BaseRetryStrategy):
    """Doubling waits with full jitter above half, a fixed number of tries. A bug is tried again too: it may be a
    deploy that is being mended, and giving up is the task's own last word.
    """

    def __init__(self, *, tries: int, first: float, longest: float) -> None:
        self.tries = tries
        self._first = first
        self._longest = longest

    def last(self, job: Job) -> bool:
        return job.attempts + 1 >= self.tries

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if isinstance(exception, asyncio.CancelledError):
            return RetryDecision(retry_in={"milliseconds": 0})  # we are being stopped: others go on at once
        if isinstance(exception, LeftToNewerError):
            return RetryDecision(retry_in={"seconds": NEWER_SECONDS})  # until the run's deadline at the latest
        if self.last(job):
            return None
        wait = min(self._first * 2**job.attempts, self._longest) * random.uniform(0.5, 1)
        return RetryDecision(retry_in={"milliseconds": round(wait * 1000)})


class LeftToNewerError(Exception):
    """The generation was planned under a newer contract: a replica of that release has to go on with it."""


class Tasks:
    def __init__(
        self,
        *,
        database: Database,
        advance: Advance,
        runpod: RunPodClient,
        library: Library,
        sender: Sender,
        settings: Settings,
        metrics: Metrics,
    ) -> None:
        self._database = database
        self._advance = advance
        self._runpod = runpod
        self._library = library
        self._sender = sender
        self._settings = settings
        self._metrics = metrics
        self._telling = 0
        first, longest = settings.retry_seconds, settings.retry_seconds_max
        self._submits = Backoff(tries=settings.submit_tries, first=first, longest=longest)
        self._cancels = Backoff(tries=settings.submit_tries, first=first, longest=longest)
        self._deliveries = Backoff(tries=settings.delivery_tries, first=first, longest=longest)

    def register(self, queue: Queue) -> None:
        queue.app.task(name=SUBMIT, retry=self._submits, pass_context=True)(self.submit)
        queue.app.task(name=CANCEL, retry=self._cancels)(self.cancel)
        queue.app.task(name=DELIVER, retry=self._deliveries, pass_context=True)(self.deliver)
        queue.app.task(name=TELL)(self.tell)
        prune = queue.app.task(name=PRUNE, queueing_lock=PRUNE, pass_context=True)(self.prune)
        queue.app.periodic(cron=PRUNE_CRON)(prune)

    async def submit(self, context: JobContext, run_id: str) -> None:
        """Find the work done, or hand it to RunPod.

        Transient trouble is tried again and is not an attempt; when all tries are used up, the run fails with it.
        """
        try:
            await self._submit(run_id)
        except LeftToNewerError:
            raise
        except Exception as error:
            final = isinstance(error, MivoError) and not isinstance(error, TransientError)
            if not final and not self._submits.last(context.job):
                raise
            log.exception("submit failed", run_id=run_id)
            await self._advance.on_run(run_id, Failed(from_wire(to_wire(error))))

    async def _submit(self, run_id: str) -> None:
        async with self._database.statements() as connection:
            history = await runs.beside(connection, run_id)
            generation = await generations.get(connection, history[0].generation_id) if history else None
        run = next((row for row in history if row.id == run_id), None)
        if generation is None or run is None or run.state is not RunState.PENDING:
            return
        contract = generation.plan.contract
        if contract > CONTRACT_VERSION:
            raise LeftToNewerError
        if contract < CONTRACT_VERSION:
            said = f"the generation was planned under contract version {contract}, now it is {CONTRACT_VERSION}"
            raise FatalError("contract_mismatch", said, stage=run.stage)
        work = _work(generation, run, history)
        stage_key = keys.stage_key(work)
        endpoint = self._settings.endpoint(run.stage, run.endpoint)
        async with self._database.statements() as connection:
            await runs.submitting(connection, run_id, stage_key=stage_key, endpoint=endpoint)
        damaged = upstream_of(history, run.stage) if run.repair else None
        if damaged is not None and damaged.manifest is not None:
            await self._library.discard(run.stage, stage_key, attempt_id=damaged.manifest.attempt_id)
        manifest = await self._library.manifest(run.stage, stage_key)
        if manifest is not None and manifest.attempt_id != run_id and self._flawed(generation, run, manifest):
            # somebody's bad output must not fail all who ask for the same
            await self._library.discard(run.stage, stage_key, attempt_id=manifest.attempt_id)
            manifest = None
        if manifest is not None:
            await self._advance.on_run(run_id, Finished(manifest))
            return
        limit = generation.plan.of(run.stage).deadline_seconds
        runpod_id = await self._runpod.run(
            endpoint,
            work.model_dump(mode="json"),
            policy=Policy(execution=limit, ttl=limit + durations.QUEUE_SECONDS),
            webhook=callback_url(self._settings.public_url, run),
        )
        await self._advance.on_run(run_id, Submitted(runpod_id))

    def _flawed(self, generation: Generation, run: StageRun, manifest: Manifest) -> bool:
        flaw = flaw_of(manifest, generation.plan, run.stage, refuse_preview=self._settings.refuse_preview)
        return flaw is not None

    async def cancel(self, run_id: str, stage: str, runpod_id: str) -> None:
        """Tell RunPod to stop; when it cannot be told, executionTimeout and ttl end the run."""
        async with self._database.statements() as connection:
            run = await runs.get(connection, run_id)
        endpoint = self._settings.endpoint(Stage(stage), run.endpoint if run else None)
        await self._runpod.cancel(endpoint, runpod_id)
        log.info("run canceled at RunPod", run_id=run_id, stage=stage, runpod_id=runpod_id)

    async def deliver(self, context: JobContext, delivery_id: str) -> None:
        """Tell Mivo how a generation ended. At least once: the receiver knows a repetition by its webhook-id."""
        async with self._database.statements() as connection:
            delivery = await deliveries.get(connection, delivery_id)
            if delivery is None or delivery.state != "pending":
                return
            generation = await generations.get(connection, delivery.generation_id)
            history = await runs.of_generation(connection, delivery.generation_id)
        if generation is None or generation.request.webhook_url is None:
            return
        message = runpod_message if self._settings.webhook_shape == "runpod" else final_message
        body = json.dumps(message(generation, history, self._library)).encode()
        headers = signed_headers(self._settings.webhook_secrets, delivery.id, datetime.now(UTC), body)
        try:
            status = await self._sender.post(str(generation.request.webhook_url), body=body, headers=headers)
            answer, good = f"HTTP {status}", 200 <= status < 300
        except MivoError as error:
            answer, good = str(error), False
        except Exception as error:  # a bug of ours must end as a dead letter too, not as one that is pending for ever
            log.exception("webhook", generation_id=generation.id, delivery_id=delivery_id)
            answer, good = f"internal: {type(error).__name__}", False
        state = "delivered" if good else "dead" if self._deliveries.last(context.job) else "pending"
        async with self._database.statements() as connection:
            await deliveries.answered(connection, delivery_id, state=state, answer=answer)
        self._metrics.webhooks.labels(state).inc()
        log.info("webhook", generation_id=generation.id, delivery_id=delivery_id, state=state, answer=answer)
        if state == "pending":
            raise TransientError("connection_lost", f"the webhook was not taken: {answer}")

    async def tell(self, generation_id: str) -> None:
        """Tell Mivo how far a generation is by now: once, soon, or not at all. What counts is the end."""
        if self._telling >= TELLING_AT_ONCE:
            log.info("progress webhook dropped", generation_id=generation_id)
            return
        self._telling += 1
        try:
            answer = await self._told(generation_id)
        except (MivoError, TimeoutError) as error:
            answer = str(error) or f"no answer in {TELL_SECONDS:g} s"
        finally:
            self._telling -= 1
        log.info("progress webhook", generation_id=generation_id, answer=answer)

    async def _told(self, generation_id: str) -> str:
        async with self._database.statements() as connection:
            generation = await generations.get(connection, generation_id)
            history = await runs.of_generation(connection, generation_id)
            left = await events.last_number(connection, generation_id, LEFT)
        if generation is None or generation.state.final or generation.request.webhook_url is None:
            return "not sent: it has ended"
        now = datetime.now(UTC)
        seconds = round(max(left[0] - left[1], 0.0), 1) if left else None
        body = json.dumps(progress_message(generation, history[-1], seconds, now, self._library)).encode()
        headers = signed_headers(self._settings.webhook_secrets, f"msg_{uuid4().hex}", now, body)
        async with asyncio.timeout(TELL_SECONDS):
            status = await self._sender.post(str(generation.request.webhook_url), body=body, headers=headers)
        return f"HTTP {status}"

    async def prune(self, context: JobContext, timestamp: int) -> None:
        """Delete what ended more than `keep_days` ago. The next hour goes on where one stops."""
        days = self._settings.keep_days
        counts = Counter[str]()
        for delete in (retention.delete_generations, retention.delete_uploads):
            gone = retention.BATCH
            while gone == retention.BATCH:
                async with self._database.transaction() as connection:
                    gone = await delete(connection, days=days)
                counts[delete.__name__] += gone
        await context.app.job_manager.delete_old_jobs(
            nb_hours=24 * days, include_failed=True, include_cancelled=True, include_aborted=True
        )
        log.info("pruned", due=timestamp, **counts)


def _work(generation: Generation, run: StageRun, history: list[StageRun]) -> StageInput:
    upstream = upstream_of(history, generation.plan.before(run.stage))
    return stage_input(
        generation.plan.of(run.stage),
        attempt_id=run.id,
        generation_id=generation.id,
        image=generation.image,
        control_source=generation.control,
        early_look=generation.request.early_look,
        upstream=upstream.manifest if upstream else None,
    )


def callback_url(public_url: AnyHttpUrl | None, run: StageRun) -> str | None:
    if public_url is None:
        return None
    return f"{str(public_url).rstrip('/')}/api/callbacks/runpod/{run.id}/{run.token}"
