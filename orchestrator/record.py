"""What stays of a step after its commit: series, and the canonical lines of a stage run and of a generation."""

import structlog

from orchestrator import transitions
from orchestrator.metrics import Metrics
from orchestrator.store import Generation, StageRun
from orchestrator.transitions import Failed, Finished

log = structlog.get_logger()


def record(
    metrics: Metrics,
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
        metrics.ended(run, step.run, code=code, manifest=manifest, reused=reused)
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
        metrics.decided(generation, step.generation, effects=step.effects)
        log.info("generation", generation_id=generation.id, state=step.generation, credits=generation.credits)
