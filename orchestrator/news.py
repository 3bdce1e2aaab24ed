"""What followers of a generation are told about its progress."""

from datetime import UTC, datetime
from typing import Any

from orchestrator.plan import Plan
from orchestrator.progression import overall, remaining
from orchestrator.store import Connection, Generation, StageRun, events
from orchestrator.transitions import StartRun
from shared.contracts.stage import StageProgress
from shared.errors import ErrorBody

LEFT = "remaining_seconds"
"""Until the video, when nothing has to wait for a worker."""


def where(generation: Generation, run: StageRun, fraction: float) -> dict[str, Any]:
    """The stage run, and how far it and the generation are."""
    return {
        "stage": run.stage,
        "attempt": run.attempt,
        "stage_fraction": round(fraction, 4),
        "fraction": overall(generation.plan, run.stage, fraction),
    }


def pending(plan: Plan, start: StartRun, *, wait: float) -> dict[str, Any]:
    """A stage run waits for `wait` seconds, and then to be submitted."""
    return {
        "stage": start.stage,
        "attempt": start.attempt,
        "fraction": overall(plan, start.stage, 0.0),
        "wait": round(wait, 3),
    }


def shown(error: ErrorBody | None) -> dict[str, Any] | None:
    return None if error is None else error.model_dump(mode="json", exclude_none=True)


async def progress(connection: Connection, generation: Generation, run: StageRun, said: StageProgress) -> None:
    """Tell what a worker says. The caller holds the lock of the generation."""
    told = await events.last_number(connection, generation.id, LEFT)
    left = remaining(
        generation.plan,
        run.stage,
        said.fraction,
        running=(datetime.now(UTC) - run.started_at).total_seconds() if run.started_at else 0.0,
        due=told[0] - told[1] if told else None,
    )
    steps = said.model_dump(mode="json", exclude={"attempt_id", "fraction"}, exclude_none=True)
    data = where(generation, run, said.fraction) | steps | {LEFT: left}
    await events.append(connection, generation.id, ("progress", data))
