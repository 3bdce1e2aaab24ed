"""Is the simulation right? A measured load, simulated again with the service times that it had. Pure."""

from scaling.calibrate import calibrate
from scaling.records import Measured
from scaling.report import Spread, end_to_end, measured_spreads, spread
from scaling.scenario import Endpoint, Faults, replayed
from scaling.service_times import ServiceTimes
from scaling.simulate import simulate
from shared.contracts.vocabulary import Frozen, Stage


class Comparison(Frozen):
    """Seconds on the plan's clock."""

    service: ServiceTimes
    measured: Spread
    simulated: Spread
    queues: dict[Stage, tuple[Spread, Spread]]
    """Waits of each stage's runs, measured and simulated: where the two part."""

    @property
    def error(self) -> float:
        """Of the simulated p95, as a share of the measured one; the issue asks for less than 0.1."""
        return self.simulated.p95 / self.measured.p95 - 1


def replay(measured: Measured, seed: int = 7) -> Comparison:
    """The same arrivals, sizes and workers; noise and faults are drawn anew, at the rates that were seen.

    ValueError: too few runs, or a stage whose number of workers is not known.
    """
    if unknown := {run.stage for run in measured.runs} - measured.workers.keys():
        raise ValueError(f"say how many workers there were of {', '.join(sorted(unknown))}")
    service = calibrate(measured)
    failed = sum(not run.succeeded for run in measured.runs) / len(measured.runs)
    endpoints = {
        stage: Endpoint(workers_min=count, workers_max=count, cold_start=0, restart=0)
        for stage, count in measured.workers.items()
    }
    faults = Faults(rate=failed, codes={"worker_lost": 1.0})
    result = simulate(replayed(measured), endpoints, service, faults, seed)
    whole, queued = measured_spreads(measured)
    return Comparison(
        service=service,
        measured=whole,
        simulated=end_to_end(result.asked),
        queues={stage: (seen, spread(result.fleets[stage].queued)) for stage, seen in queued.items()},
    )
