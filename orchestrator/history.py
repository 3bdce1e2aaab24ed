"""What the stage runs of a generation, taken together, say. Pure, over rows."""

from collections import Counter
from datetime import datetime

from orchestrator.store import Generation, StageRun
from orchestrator.transitions import View
from shared.contracts.vocabulary import CONTRACT_VERSION, Stage
from shared.errors import CapacityError

EARLY_LOOK_SECONDS = 300.0
"""After the end of the base: no early look takes longer (`shared.durations.early_look`), nor is one waited for."""


def view_of(generation: Generation, run: StageRun, history: list[StageRun]) -> View:
    """What `transitions` has to know of this run and those before it."""
    before = generation.plan.before(run.stage)
    return View(
        generation=generation.state,
        order=generation.plan.order,
        stage=run.stage,
        run=run.state,
        runpod_id=run.runpod_id,
        attempts=dict(Counter(row.stage for row in history)),
        codes=tuple(
            row.error.code for row in history if row.stage is run.stage and row.number < run.number and row.error
        ),
        repair=run.repair,
        outdated=generation.plan.contract < CONTRACT_VERSION,
        repaired=any(row.repair and row.stage is before for row in history),
        outgrown=frozenset(row.stage for row in history if row.error and row.error.code in CapacityError.codes),
    )


def looking(generation: Generation, history: list[StageRun], now: datetime) -> StageRun | None:
    """The base run whose job may still be making the early look, while a later stage is under way."""
    if not generation.request.early_look or generation.early_look is not None:
        return None
    base = upstream_of(history, Stage.BASE_GEN)
    if base is None or base is history[-1] or base.runpod_id is None or base.reused or base.finished_at is None:
        return None
    return base if (now - base.finished_at).total_seconds() < EARLY_LOOK_SECONDS else None


def upstream_of(history: list[StageRun], stage: Stage | None) -> StageRun | None:
    """The run whose manifest a later stage goes on from: the newest success."""
    done = [row for row in history if row.stage is stage and row.manifest is not None]
    return done[-1] if done else None
