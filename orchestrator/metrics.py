"""Prometheus series of this replica. Each app has its own registry, so tests and replicas do not mix.

`deploy/monitoring` asks for these names; a test holds the two together.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import product
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from orchestrator.runpod_client import OPERATIONS, OUTCOMES
from orchestrator.store.rows import Generation, StageRun
from orchestrator.transitions import Announce, Effect, GenerationState, RunState
from shared.contracts.artifact import Manifest
from shared.contracts.request import GenerationRequest
from shared.contracts.vocabulary import Quality, Resolution, Stage
from shared.errors import ErrorCode

DELIVERIES = ("delivered", "pending", "dead")
"""What a try of a webhook leaves its delivery in; `pending` is tried again."""

SECONDS = (0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120)


class Metrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.queue_seconds = Histogram(
            "ltx2_stage_queue_seconds",
            "From submission to the first sign of a worker",
            ["stage"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.run_seconds = Histogram(
            "ltx2_stage_run_seconds",
            "From the first sign of a worker to the end, by how it ended: the GPU seconds that RunPod bills",
            ["stage", "state"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.runs = Counter(
            "ltx2_stage_runs", "Stage runs that ended, by state", ["stage", "state"], registry=self.registry
        )
        self.reused = Counter(
            "ltx2_stage_reused", "Stage runs that found their work done", ["stage"], registry=self.registry
        )
        self.errors = Counter(
            "ltx2_errors", "Stage runs that failed, by code", ["stage", "code"], registry=self.registry
        )
        self.accepted = Counter(
            "ltx2_accepted", "Generations accepted", ["quality", "resolution"], registry=self.registry
        )
        self.generations = Counter(
            "ltx2_generations", "Generations that ended, by state", ["state"], registry=self.registry
        )
        self.credits = Counter("ltx2_credits", "Credits decided", ["kind"], registry=self.registry)
        self.artifact_bytes = Counter(
            "ltx2_artifact_bytes", "Bytes of artifacts that stages left", ["stage", "role"], registry=self.registry
        )
        self.live_generations = Gauge(
            "ltx2_live_generations", "Generations that have not ended", ["state"], registry=self.registry
        )
        self.live_runs = Gauge(
            "ltx2_live_stage_runs", "Stage runs that have not ended", ["stage", "state"], registry=self.registry
        )
        self.oldest_runs = Gauge(
            "ltx2_oldest_stage_run_seconds",
            "How long the oldest live stage run has been in its state",
            ["stage", "state"],
            registry=self.registry,
        )
        self.poll_late = Gauge(
            "ltx2_poll_late_seconds", "How overdue the next look at a stage run is", registry=self.registry
        )
        self.tasks_late = Gauge(
            "ltx2_task_late_seconds", "How long the oldest due task has waited", ["task"], registry=self.registry
        )
        self.workers = Gauge(
            "ltx2_workers",
            "Workers as RunPod counts them; none where it does not say",
            ["stage", "state"],
            registry=self.registry,
        )
        self.runpod = Counter(
            "ltx2_runpod_requests", "Requests to RunPod", ["operation", "outcome"], registry=self.registry
        )
        self.webhooks = Counter(
            "ltx2_webhooks", "Tries of final webhooks, by what came of them", ["state"], registry=self.registry
        )
        self.followers = Gauge(
            "ltx2_followers", "Open streams of progress: sockets and server-sent events", registry=self.registry
        )
        self.events = Counter("ltx2_events_told", "Events sent to followers", registry=self.registry)
        self.requests = Histogram(
            "ltx2_http_seconds", "HTTP requests", ["method", "route", "status"], registry=self.registry
        )
        self._begin()

    def _begin(self) -> None:
        """Every counter that is alerted on starts at 0: `increase` does not see a series that appears at 1."""
        for stage, state in product(Stage, filter(lambda state: state.final, RunState)):
            self.runs.labels(stage, state)
        for stage, family in product(Stage, get_args(ErrorCode)):
            for code in get_args(family):
                self.errors.labels(stage, code)
        for tier in product(Quality, Resolution):
            self.accepted.labels(*tier)
        for ended in filter(lambda state: state.final, GenerationState):
            self.generations.labels(ended)
        for kind in ("charged", "refunded"):
            self.credits.labels(kind)
        for request in product(OPERATIONS, OUTCOMES):
            self.runpod.labels(*request)
        for delivery in DELIVERIES:
            self.webhooks.labels(delivery)

    def asked(self, operation: str, outcome: str) -> None:
        """One request to RunPod."""
        self.runpod.labels(operation, outcome).inc()

    def taken(self, request: GenerationRequest) -> None:
        """A new generation was accepted."""
        self.accepted.labels(request.quality, request.resolution).inc()

    @contextmanager
    def following(self) -> Iterator[None]:
        """As long as somebody follows a generation."""
        self.followers.inc()
        try:
            yield
        finally:
            self.followers.dec()

    def seen(self, workers: Mapping[Stage, Mapping[str, int]]) -> None:
        """Stage -> state -> count, of what RunPod said; what it does not say is no number."""
        self.workers.clear()
        for stage, counts in workers.items():
            for state, count in counts.items():
                self.workers.labels(stage, state).set(count)

    def live(
        self,
        *,
        generations: dict[str, int],
        runs: Iterable[tuple[str, str, int, float]],
        poll_late: float,
        tasks_late: dict[str, float],
    ) -> None:
        """What the database says of work that has not ended; what it no longer names is gone."""
        self.live_generations.clear()
        for state in filter(lambda state: not state.final, GenerationState):
            self.live_generations.labels(state).set(generations.get(state, 0))
        self.live_runs.clear()
        self.oldest_runs.clear()
        for stage, run_state, count, seconds in runs:
            self.live_runs.labels(stage, run_state).set(count)
            self.oldest_runs.labels(stage, run_state).set(seconds)
        self.poll_late.set(poll_late)
        for task, seconds in tasks_late.items():
            self.tasks_late.labels(task).set(seconds)

    def ended(
        self, run: StageRun, state: RunState, *, code: str | None, manifest: Manifest | None, reused: bool
    ) -> None:
        """A stage run reached a final state."""
        self.runs.labels(run.stage, state).inc()
        if code is not None:
            self.errors.labels(run.stage, code).inc()
        if run.submitted_at and run.started_at:
            self.queue_seconds.labels(run.stage).observe((run.started_at - run.submitted_at).total_seconds())
            self.run_seconds.labels(run.stage, state).observe((datetime.now(UTC) - run.started_at).total_seconds())
        if reused:
            self.reused.labels(run.stage).inc()
        elif manifest is not None:
            for role, artifact in manifest.artifacts.items():
                self.artifact_bytes.labels(run.stage, role).inc(artifact.bytes)

    def decided(self, generation: Generation, state: GenerationState, *, effects: tuple[Effect, ...]) -> None:
        """A generation reached a final state, and its credits are settled."""
        self.generations.labels(state).inc()
        kind = "refunded" if Announce(refund=True) in effects else "charged"
        self.credits.labels(kind).inc(generation.credits)
