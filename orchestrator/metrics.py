"""Prometheus series of this replica. Each app has its own registry, so tests and replicas do not mix."""

from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from orchestrator.store.rows import Generation, StageRun
from orchestrator.transitions import Announce, Effect, GenerationState, RunState
from shared.contracts.artifact import Manifest

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
            "From the first sign of a worker to the end",
            ["stage"],
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
        self.requests = Histogram(
            "ltx2_http_seconds", "HTTP requests", ["method", "route", "status"], registry=self.registry
        )

    def ended(
        self, run: StageRun, state: RunState, *, code: str | None, manifest: Manifest | None, reused: bool
    ) -> None:
        """A stage run reached a final state."""
        self.runs.labels(run.stage, state).inc()
        if code is not None:
            self.errors.labels(run.stage, code).inc()
        if run.submitted_at and run.started_at:
            self.queue_seconds.labels(run.stage).observe((run.started_at - run.submitted_at).total_seconds())
            self.run_seconds.labels(run.stage).observe((datetime.now(UTC) - run.started_at).total_seconds())
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
