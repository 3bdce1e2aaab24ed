"""What the stage runs of a generation, taken together, say. Pure, over rows."""

from collections import Counter

from orchestrator.store import Generation, StageRun
from orchestrator.transitions import View
from shared.contracts.vocabulary import CONTRACT_VERSION, Stage
from shared.errors import CapacityError


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


def upstream_of(history: list[StageRun], stage: Stage | None) -> StageRun | None:
    """The run whose manifest a later stage goes on from: the newest success."""
    done = [row for row in history if row.stage is stage and row.manifest is not None]
    return done[-1] if done else None
