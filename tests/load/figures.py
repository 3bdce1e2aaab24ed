"""Evidence -> figures: throughput, queues, utilisation, percentiles, and the record for the simulation. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import ceil
from typing import Any

from pydantic import BaseModel, ConfigDict

from scaling.records import Asked, Measured, StageRun
from shared.contracts.vocabulary import Stage
from tests.load.evidence import Evidence, Run

Change = tuple[float, Mapping[Stage, int]]
"""(seconds since the start, workers of each stage from then on)."""


class Spread(BaseModel):
    """Seconds."""

    model_config = ConfigDict(frozen=True)

    count: int
    mean: float
    p50: float
    p95: float
    p99: float


class StageFigures(BaseModel):
    """Of the jobs of one stage that completed."""

    model_config = ConfigDict(frozen=True)

    queued: Spread
    ran: Spread
    busy_seconds: float
    """Of workers, all jobs together."""
    engine_seconds: float
    """Of them on the engine."""
    worker_seconds: float
    """That there were, from the first arrival to the last end."""

    @property
    def utilisation(self) -> float:
        return self.busy_seconds / self.worker_seconds if self.worker_seconds else 0.0


class Figures(BaseModel):
    model_config = ConfigDict(frozen=True)

    wishes: int
    succeeded: int
    failed: int
    canceled: int
    limited: int
    """Answers of 429."""
    seconds: float
    """From the first arrival to the last end."""
    per_minute: float
    """Generations that succeeded."""
    late: Spread
    """After its time that a wish was asked: the users' own delay."""
    accepted: Spread
    """From asking to the answer of 201."""
    end_to_end: Spread
    """From asking to the video in the user's hands."""
    end_to_end_of: dict[str, Spread]
    """By owner."""
    stages: dict[Stage, StageFigures]
    bottleneck: Stage | None
    """The stage whose workers were busiest."""
    worker_seconds_per_video: float
    gpu_seconds_per_video: float
    """On the engine, with the scale taken out: what an H100 is estimated to take."""
    gpu_seconds_of: dict[Stage, float]
    """The same, of each stage."""


def spread(values: Sequence[float]) -> Spread:
    """By nearest rank; zeros of nothing."""
    ordered = sorted(values)
    if not ordered:
        return Spread(count=0, mean=0.0, p50=0.0, p95=0.0, p99=0.0)

    def at(share: float) -> float:
        return round(ordered[max(0, ceil(share * len(ordered)) - 1)], 3)

    mean = round(sum(ordered) / len(ordered), 3)
    return Spread(count=len(ordered), mean=mean, p50=at(0.50), p95=at(0.95), p99=at(0.99))


def worker_seconds(changes: Sequence[Change], stage: Stage, end: float) -> float:
    """Of a stage from the first change to `end`."""
    total = 0.0
    for (at, workers), following in zip(changes, [*(at for at, _ in changes[1:]), end], strict=True):
        total += max(0.0, min(following, end) - min(at, end)) * workers[stage]
    return total


def figures(found: Evidence, changes: Sequence[Change], *, began: datetime, scale: float) -> Figures:
    """`changes` begins with the workers at the start, at 0 seconds since `began`; `scale`: see `local.up`."""
    states = [generation.state for generation in found.generations]
    done = [run for run in found.runs if _whole(run) and run.job_state == "COMPLETED"]
    ends = [_since(began, run.finished_at) for run in done]
    end = max(ends, default=0.0)
    stages = {}
    for stage in Stage:
        mine = [run for run in done if run.stage == stage]
        ran = [_since(began, run.finished_at) - _since(began, run.started_at) for run in mine]
        stages[stage] = StageFigures(
            queued=spread([_since(began, run.started_at) - _since(began, run.queued_at) for run in mine]),
            ran=spread(ran),
            busy_seconds=round(sum(ran), 3),
            engine_seconds=round(sum(run.executed for run in mine), 3),
            worker_seconds=round(worker_seconds(changes, stage, end), 3),
        )
    succeeded = states.count("succeeded")
    gpu = {stage: round(one.engine_seconds / scale / max(1, succeeded), 2) for stage, one in stages.items()}
    wholes = [told for told in found.told if "fetched_at" in told]
    owners = {wish.number: wish.owner for wish in found.wishes}
    return Figures(
        wishes=len(found.wishes),
        succeeded=succeeded,
        failed=states.count("failed"),
        canceled=states.count("canceled"),
        limited=sum(told.get("limited", 0) for told in found.told),
        seconds=round(end, 1),
        per_minute=round(60 * succeeded / end, 2) if end else 0.0,
        late=spread([told["late"] for told in found.told]),
        accepted=spread([told["taken_at"] - told["asked_at"] for told in found.told if "taken_at" in told]),
        end_to_end=spread(waits(found)),
        end_to_end_of={
            owner: spread([_waited(told) for told in wholes if owners[told["number"]] == owner])
            for owner in sorted({wish.owner for wish in found.wishes})
        },
        stages=stages,
        bottleneck=max(stages, key=lambda stage: stages[stage].utilisation) if done else None,
        worker_seconds_per_video=round(sum(one.busy_seconds for one in stages.values()) / max(1, succeeded), 2),
        gpu_seconds_per_video=round(sum(gpu.values()), 2),
        gpu_seconds_of=gpu,
    )


def waits(found: Evidence) -> tuple[float, ...]:
    """From asking to the video in the user's hands, of each that was made."""
    return tuple(_waited(told) for told in found.told if "fetched_at" in told)


def measured(found: Evidence, changes: Sequence[Change], *, began: datetime, scale: float) -> Measured:
    """The record that the simulation is calibrated against."""
    estimated = {
        (generation.id, stage): seconds
        for generation in found.generations
        for stage, seconds in zip(generation.planned, generation.estimated, strict=True)
    }
    runs = tuple(
        StageRun(
            generation=run.generation,
            stage=Stage(run.stage),
            attempt=run.attempt,
            worker=run.worker,
            arrival=_since(began, run.queued_at),
            start=_since(began, run.started_at),
            end=_since(began, run.finished_at),
            estimated=estimated[run.generation, run.stage],
            succeeded=run.job_state == "COMPLETED",
        )
        for run in found.runs
        if _whole(run) and run.job_state != "CANCELLED"
    )
    asked = tuple(
        Asked(
            generation=generation.id,
            arrival=_since(began, generation.created_at),
            end=None if generation.finished_at is None else _since(began, generation.finished_at),
            succeeded=generation.state == "succeeded",
        )
        for generation in found.generations
    )
    constant = {stage: count for stage, count in changes[0][1].items() if {now[stage] for _, now in changes} == {count}}
    return Measured(speed=1 / scale, workers=constant, asked=asked, runs=runs)


def _waited(told: Mapping[str, Any]) -> float:
    return float(told["fetched_at"] - told["asked_at"])


def _whole(run: Run) -> bool:
    return None not in {run.queued_at, run.started_at, run.finished_at}


def _since(began: datetime, at: datetime | None) -> float:
    return (at - began).total_seconds() if at is not None else 0.0
