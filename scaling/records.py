"""What was seen of a load: one record for each stage run, measured or simulated. Pure.

The load tests write a `Measured` as JSON, the simulation makes one, and `calibrate` and `report` read either.
"""

from typing import Self

from pydantic import Field, model_validator

from shared.contracts.vocabulary import Frozen, Stage


class StageRun(Frozen):
    """One stage run. Times are seconds of one clock, from any zero."""

    generation: str
    stage: Stage
    attempt: int = Field(default=1, ge=1)
    """Of this stage, from 1."""
    worker: str = ""
    """That served it; empty where nobody knows."""
    arrival: float
    """When it entered the stage's queue (RunPod took the submit)."""
    start: float
    """When a worker took it."""
    end: float
    estimated: float = Field(gt=0)
    """GPU seconds on an H100 that the plan gave (`StagePlan.estimated_seconds`), on the plan's clock: not scaled."""
    succeeded: bool = True

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.arrival <= self.start <= self.end:
            raise ValueError("arrival, start and end are not in this order")
        return self

    @property
    def queued(self) -> float:
        return self.start - self.arrival

    @property
    def ran(self) -> float:
        return self.end - self.start


class Asked(Frozen):
    """One generation that was asked for."""

    generation: str
    arrival: float
    """When the API took it, on the clock of the runs."""
    end: float | None = None
    """When it was final, on the same clock; null: it was not when the record was closed."""
    succeeded: bool = False


class Measured(Frozen):
    """One load: who asked when, what ran when, on how many workers."""

    speed: float = Field(default=1.0, gt=0)
    """Seconds of a plan that pass in one second of these clocks: 20 where service times were scaled 1:20."""
    workers: dict[Stage, int] = Field(default_factory=dict)
    """Workers of each stage throughout; leave a stage out where the number changed."""
    asked: tuple[Asked, ...] = ()
    runs: tuple[StageRun, ...]
