"""Is the simulation right? A measured load, simulated again with the service times of this or another one. Pure."""

import statistics
from collections.abc import Sequence

import numpy as np

from scaling.calibrate import calibrate
from scaling.records import Measured
from scaling.report import Spread, end_to_end, measured_spreads, spread
from scaling.scenario import Endpoint, Faults, replayed
from scaling.service_times import ServiceTimes
from scaling.simulate import Result, simulate
from shared.contracts.vocabulary import Frozen, Stage

SEEDS = 40
"""Simulations of one load: their mean p95 is then known to about a sixth of what one differs from the next."""


class Versus(Frozen):
    """One quantity, as it was measured and as each simulation had it."""

    measured: Spread
    simulated: tuple[Spread, ...]

    @property
    def mean(self) -> Spread:
        """Of all simulations."""
        return Spread(**{name: statistics.fmean(getattr(each, name) for each in self.simulated) for name in _NAMES})

    @property
    def error(self) -> float:
        """Of the simulated p95, as a share of the measured one; the issue asks for less than 0.1."""
        return self.mean.p95 / self.measured.p95 - 1 if self.measured.p95 else 0.0

    @property
    def range(self) -> tuple[float, float]:
        """Within which the error of 19 of 20 simulations lies: one load more, by chance alone, may differ so much."""
        errors = [each.p95 / self.measured.p95 - 1 if self.measured.p95 else 0.0 for each in self.simulated]
        low, high = np.percentile(errors, [2.5, 97.5]).tolist()
        return low, high


_NAMES = ("mean", "p50", "p95", "p99")


class Comparison(Frozen):
    """Seconds on the plan's clock."""

    service: ServiceTimes
    """As at speed 1."""
    whole: Versus
    """End to end."""
    queues: dict[Stage, Versus]
    """Waits of each stage's runs: where the two part."""
    exact: Versus | None
    """End to end, once, with the seconds that each run really took: what is wrong with the queues, the workers and the
    ways between, whatever chance did in this load. None where a run failed."""


def replay(measured: Measured, service: ServiceTimes | None = None, seeds: Sequence[int] = range(SEEDS)) -> Comparison:
    """The same arrivals, sizes and workers; noise and faults are drawn anew for each seed, at the rates that were seen.

    `service`: as at speed 1; those of the load itself when it is left out. ValueError: too few runs, or a stage whose
    number of workers is not known.
    """
    if unknown := {run.stage for run in measured.runs} - measured.workers.keys():
        raise ValueError(f"say how many workers there were of {', '.join(sorted(unknown))}")
    service = service or calibrate(measured)
    failed = sum(not run.succeeded for run in measured.runs) / len(measured.runs)
    endpoints = {
        stage: Endpoint(workers_min=count, workers_max=count, cold_start=0, restart=0)
        for stage, count in measured.workers.items()
    }
    faults = Faults(rate=failed, codes={"worker_lost": 1.0})
    here, left = service.sped(measured.speed), {asked.generation for asked in measured.asked if not asked.succeeded}

    def way(result: Result) -> Spread:
        return end_to_end([asked for asked in result.asked if asked.generation not in left])

    demands, exactly = replayed(measured), replayed(measured, exactly=True)
    results = [simulate(demands, endpoints, here, faults, seed) for seed in seeds]
    whole, queued = measured_spreads(measured)
    once = (way(simulate(exactly, endpoints, here, faults, seeds[0])),)
    return Comparison(
        service=service,
        whole=Versus(measured=whole, simulated=tuple(way(result) for result in results)),
        queues={
            stage: Versus(measured=seen, simulated=tuple(spread(each.fleets[stage].queued) for each in results))
            for stage, seen in queued.items()
        },
        exact=None if failed else Versus(measured=whole, simulated=once),
    )
