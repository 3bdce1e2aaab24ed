"""Records and ledgers of a load -> its figures. Pure."""

from collections.abc import Sequence

import numpy as np

from scaling.records import Asked, Measured, StageRun
from scaling.simulate import Result
from shared.contracts.vocabulary import Frozen, Stage


class Spread(Frozen):
    """Seconds."""

    mean: float = 0.0
    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0


class FleetFigures(Frozen):
    """Of one endpoint."""

    name: str
    runs: int
    failures: int
    queued: Spread
    ran: Spread
    utilisation: float
    """Share of the paid seconds in which a run was under way."""
    workers: float
    """On the average."""
    most_workers: int
    cold_starts: int


class Figures(Frozen):
    """Of one load. Per video: divided by the generations that succeeded."""

    generations: int
    failed: int
    end_to_end: Spread
    """Of those that succeeded."""
    fleets: tuple[FleetFigures, ...]
    gpu_seconds: float
    """Per video, of stage runs, the failed ones included."""
    wasted_seconds: float
    """Per video, of stage runs of which no video was made."""
    paid_seconds: float
    """Per video, cold starts and idle workers included."""
    cost: float
    """USD per video."""

    @property
    def bottleneck(self) -> str:
        """The endpoint in whose queue a run waits longest on the average."""
        return max(self.fleets, key=lambda fleet: fleet.queued.mean).name

    @property
    def cold_starts(self) -> float:
        """Per video."""
        return sum(fleet.cold_starts for fleet in self.fleets) / max(1, self.generations - self.failed)


def spread(seconds: Sequence[float]) -> Spread:
    """Nothing at all is all zeros."""
    if not seconds:
        return Spread()
    p50, p95, p99 = np.percentile(seconds, [50, 95, 99]).tolist()
    return Spread(mean=float(np.mean(seconds)), p50=p50, p95=p95, p99=p99)


def end_to_end(asked: Sequence[Asked]) -> Spread:
    """From the request to the video."""
    return spread([each.end - each.arrival for each in asked if each.succeeded and each.end is not None])


def figures(result: Result) -> Figures:
    made = sum(each.succeeded for each in result.asked)
    ran = sum(sum(ledger.ran) for ledger in result.fleets.values())
    per = max(1, made)
    fleets = tuple(
        FleetFigures(
            name=name,
            runs=len(ledger.ran),
            failures=ledger.failures,
            queued=spread(ledger.queued),
            ran=spread(ledger.ran),
            utilisation=sum(ledger.ran) / ledger.billed if ledger.billed else 0.0,
            workers=ledger.billed / result.seconds if result.seconds else 0.0,
            most_workers=ledger.most,
            cold_starts=ledger.cold_starts,
        )
        for name, ledger in result.fleets.items()
    )
    return Figures(
        generations=len(result.asked),
        failed=len(result.asked) - made,
        end_to_end=end_to_end(result.asked),
        fleets=fleets,
        gpu_seconds=ran / per,
        wasted_seconds=(ran - result.useful) / per,
        paid_seconds=sum(ledger.billed for ledger in result.fleets.values()) / per,
        cost=sum(ledger.billed * result.prices[name] for name, ledger in result.fleets.items()) / per,
    )


def measured_spreads(measured: Measured) -> tuple[Spread, dict[Stage, Spread]]:
    """(end to end, queue seconds of each stage) of a measured load, on the plan's clock.

    Without `asked`, the way begins at the first queue and ends with the last run.
    """
    ways = list(measured.asked) or _ways(measured.runs)
    speed = measured.speed
    whole = spread([(w.end - w.arrival) * speed for w in ways if w.succeeded and w.end is not None])
    queued = {
        stage: spread([run.queued * speed for run in measured.runs if run.stage is stage])
        for stage in Stage
        if any(run.stage is stage for run in measured.runs)
    }
    return whole, queued


def _ways(runs: Sequence[StageRun]) -> list[Asked]:
    of: dict[str, list[StageRun]] = {}
    for run in sorted(runs, key=lambda run: run.end):
        of.setdefault(run.generation, []).append(run)
    return [
        Asked(
            generation=name,
            arrival=min(run.arrival for run in mine),
            end=mine[-1].end,
            succeeded=mine[-1].succeeded,
        )
        for name, mine in of.items()
    ]
