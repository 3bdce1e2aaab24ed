"""The advisor held against a load that was measured: what it would take, and what it foretells. Pure."""

from scaling.advisor import Advice, advise, foretell
from scaling.arrivals import Poisson
from scaling.calibrate import FEWEST, calibrate
from scaling.mix import Kind
from scaling.records import Measured
from scaling.report import Spread, measured_spreads
from scaling.scenario import Endpoint, Faults, Scenario, replayed
from scaling.service_times import ServiceTimes
from shared.contracts.vocabulary import Frozen, Stage


class Checked(Frozen):
    """Seconds and rates on the plan's clock."""

    per_hour: float
    """Generations, over the time in which they were asked for."""
    measured: Spread
    """End to end."""
    queues: dict[Stage, Spread]
    foretold: Advice
    """By formula, for the workers that there were."""
    advised: Advice
    """For the p95 that was measured."""


def check(measured: Measured, service: ServiceTimes | None = None) -> Checked:
    """`service`: as at speed 1; those of the load itself when it is left out.

    ValueError: too few runs, a stage whose number of workers changed, or a p95 that no number of workers gives.
    """
    whole, queues = measured_spreads(measured)
    if unknown := queues.keys() - measured.workers.keys():
        raise ValueError(f"the workers changed of {', '.join(sorted(unknown))}")
    demands = replayed(measured)
    if len(demands) < FEWEST:
        raise ValueError(f"{len(demands)} generations say nothing about a rate; measure for longer")
    per_hour = 3600 * (len(demands) - 1) / (demands[-1].arrival - demands[0].arrival)
    failed = sum(not run.succeeded for run in measured.runs) / len(measured.runs)
    scenario = Scenario(
        arrivals=Poisson(per_hour=per_hour, hours=1.0),
        endpoints=dict.fromkeys(Stage, Endpoint(cold_start=0, restart=0)),
        service=(service or calibrate(measured)).sped(measured.speed),
        faults=Faults(rate=failed, codes={"worker_lost": 1.0}),
    )
    kinds = tuple(Kind(weight=1 / len(demands), seconds=demand.seconds) for demand in demands)
    return Checked(
        per_hour=per_hour,
        measured=whole,
        queues=queues,
        foretold=foretell(scenario, per_hour, measured.workers, kinds),
        advised=advise(scenario, per_hour, end_to_end_p95=whole.p95, kinds=kinds),
    )
