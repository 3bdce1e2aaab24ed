"""The questions that docs/scaling.md answers, each a table of strings. Pure; a second or so for each 10,000 videos."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from scaling.advisor import advise
from scaling.arrivals import Burst, Poisson
from scaling.report import Figures, figures
from scaling.scenario import Endpoint, Faults, QueueDelay, RequestCount, Scaler, Scenario
from scaling.service_times import ServiceTimes, StageTimes
from scaling.simulate import simulate, simulate_whole
from shared.contracts.vocabulary import Stage

HOURS = {10: 200.0, 100: 24.0, 1000: 6.0, 10_000: 2.0}
"""Generations an hour -> hours that are simulated: 2,000 to 20,000 generations."""
PATIENCE = 60.0
"""Seconds of waiting at p95 for which workers are kept."""


@dataclass(frozen=True)
class Table:
    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def steady(per_hour: int, **changes: object) -> Scenario:
    """Poisson arrivals at one of the rates of `HOURS`."""
    return Scenario(arrivals=Poisson(per_hour=per_hour, hours=HOURS[per_hour])).model_copy(update=changes)


def with_endpoints(scenario: Scenario, **changes: object) -> Scenario:
    """The same change to every endpoint."""
    endpoints = {stage: each.model_copy(update=changes) for stage, each in scenario.endpoints.items()}
    return scenario.model_copy(update={"endpoints": endpoints})


def kept(scenario: Scenario, per_hour: float, *, most: bool) -> Scenario:
    """With the advised workers always on; `most`: and no more than those."""
    workers = advise(scenario, per_hour, wait_p95=PATIENCE).workers
    endpoints = {
        stage: each.model_copy(
            update={"workers_min": workers.get(stage, 0)}
            | ({"workers_max": max(1, workers.get(stage, 0))} if most else {})
        )
        for stage, each in scenario.endpoints.items()
    }
    return scenario.model_copy(update={"endpoints": endpoints})


def run(scenario: Scenario) -> Figures:
    """This project's design."""
    return figures(simulate(scenario.demands(), scenario.endpoints, scenario.service, scenario.faults, scenario.seed))


def run_whole(scenario: Scenario) -> Figures:
    """One worker for all three stages, on an H100 that scales as the base stage's endpoint does."""
    endpoint = scenario.endpoints[Stage.BASE_GEN]
    alike = scenario.model_copy(update={"endpoints": dict.fromkeys(Stage, endpoint)})
    return figures(simulate_whole(alike.demands(), endpoint, alike.service, alike.faults, alike.seed))


def slower(scenario: Scenario, factor: float) -> Scenario:
    """All stages take `factor` times what the plan says."""
    service = ServiceTimes(stages=dict.fromkeys(Stage, StageTimes(factor=factor)))
    return scenario.model_copy(update={"service": service})


HEAD = (
    "workers on average (most)",
    "USD per video",
    "GPU s worked / paid",
    "p50 / p95 / p99 s",
    "p95 wait per stage, s",
    "busy",
    "cold starts per video",
    "runs / videos failed",
)


def row(name: str, it: Figures) -> tuple[str, ...]:
    fleets, way = it.fleets, it.end_to_end
    return (
        name,
        " + ".join(f"{fleet.workers:.1f} ({fleet.most_workers})" for fleet in fleets),
        f"{it.cost:.3f}",
        f"{it.gpu_seconds:.0f} / {it.paid_seconds:.0f}",
        f"{way.p50:.0f} / {way.p95:.0f} / {way.p99:.0f}",
        " / ".join(f"{fleet.queued.p95:.0f}" for fleet in fleets),
        " / ".join(f"{fleet.utilisation:.0%}" for fleet in fleets),
        f"{it.cold_starts:.2f}",
        f"{sum(fleet.failures for fleet in fleets)} / {it.failed} of {it.generations}",
    )


def volume_rows(per_hour: int) -> Iterator[tuple[str, ...]]:
    plain = steady(per_hour)
    yield row(f"{per_hour:,}, from nothing", run(plain))
    yield row(f"{per_hour:,}, advised always on, more on demand", run(kept(plain, per_hour, most=False)))
    yield row(f"{per_hour:,}, advised and no more", run(kept(plain, per_hour, most=True)))


def volumes() -> Table:
    rows = tuple(line for per_hour in HOURS for line in volume_rows(per_hour))
    return Table("volumes", ("generations an hour", *HEAD), rows)


def advice() -> Table:
    targets = ({"wait_p95": 10.0}, {"wait_p95": PATIENCE}, {"end_to_end_p95": 300.0}, {"end_to_end_p95": 600.0})
    head = ("generations an hour", "wait 10 s", f"wait {PATIENCE:.0f} s", "whole way 300 s", "whole way 600 s")

    def cell(per_hour: int, target: dict[str, float]) -> str:
        it = advise(
            steady(per_hour), per_hour, wait_p95=target.get("wait_p95"), end_to_end_p95=target.get("end_to_end_p95")
        )
        return f"{' + '.join(str(each.workers) for each in it.stages)}; {it.cost_per_hour / per_hour:.3f} USD"

    rows = tuple((f"{per_hour:,}", *(cell(per_hour, target) for target in targets)) for per_hour in HOURS)
    return Table("advice", head, rows)


def sensitivity() -> Table:
    def line(name: str, scenario: Scenario) -> tuple[str, ...]:
        return row(name, run(kept(scenario, 1000, most=False)))

    plain = steady(1000)
    cold = {stage: each.model_copy(update={"cold_start": 2 * each.cold_start}) for stage, each in _of(plain)}
    rows = (
        *(line(f"service times x{factor:g}", slower(plain, factor)) for factor in (0.4, 0.7, 1.0, 1.5, 2.0)),
        line("cold starts x2", plain.model_copy(update={"endpoints": cold})),
        line("no stage run fails", plain.model_copy(update={"faults": Faults(rate=0)})),
        line("10 % of stage runs fail", plain.model_copy(update={"faults": Faults(rate=0.1)})),
        line("all ask for 1080p", plain.model_copy(update={"mix": plain.mix.model_copy(update={"full_hd": 1.0})})),
    )
    return Table("sensitivity", ("1,000 an hour, advised always on", *HEAD), rows)


def _of(scenario: Scenario) -> list[tuple[Stage, Endpoint]]:
    return list(scenario.endpoints.items())


def scalers() -> Table:
    def line(name: str, scaler: Scaler, idle: float) -> tuple[str, ...]:
        return row(name, run(with_endpoints(steady(100), scaler=scaler, idle_timeout=idle)))

    rows = (
        *(line(f"queue delay {s:.0f} s, idle 60 s", QueueDelay(seconds=s), 60) for s in (4.0, 10.0, 60.0)),
        *(line(f"queue delay 4 s, idle {idle} s", QueueDelay(), idle) for idle in (5, 300)),
        *(line(f"request count {n}, idle 60 s", RequestCount(per_worker=n), 60) for n in (1, 2)),
    )
    return Table("scalers", ("100 an hour, from nothing", *HEAD), rows)


def bursts() -> Table:
    arrivals = Burst(per_hour=100, hours=6, extra=200, at=3)
    plain = Scenario(arrivals=arrivals)
    rows = (
        row("from nothing", run(plain)),
        row("advised for 100 an hour always on, more on demand", run(kept(plain, 100, most=False))),
        row("advised and no more", run(kept(plain, 100, most=True))),
    )
    return Table("bursts", ("100 an hour for 6 hours, and 200 within a minute", *HEAD), rows)


def design_rows(per_hour: int, rate: float) -> Iterator[tuple[str, ...]]:
    """Stages against one worker, on demand, with the same arrivals, noise and faults."""
    plain = steady(per_hour).model_copy(update={"faults": Faults(rate=rate)})
    smooth = plain.model_copy(update={"mix": plain.mix.model_copy(update={"temporal_upscale": 1.0})})
    for asks, scenario in (("the mix", plain), ("all of 48 fps", smooth)):
        yield from design_pair(f"{per_hour:,}, {asks}, {rate:.0%} die", run(scenario), run_whole(scenario))


def design_pair(name: str, staged: Figures, whole: Figures) -> Iterator[tuple[str, ...]]:
    ratio = f"{staged.wasted_seconds / whole.wasted_seconds:.2f}" if whole.wasted_seconds else "-"
    for design, it, wasted in (("stages", staged, ratio), ("one worker", whole, "1")):
        yield (
            name,
            design,
            f"{it.wasted_seconds:.1f}",
            wasted,
            f"{it.gpu_seconds:.0f} / {it.paid_seconds:.0f}",
            f"{it.cost:.3f}",
            f"{it.end_to_end.p50:.0f} / {it.end_to_end.p95:.0f}",
            f"{it.failed} of {it.generations}",
        )


def even(rate: float) -> tuple[Figures, Figures]:
    """Stages and one worker with one size only, 20 + 45 + 18 s, workers always on, and runs that die without a trace.

    1,000 generations an hour. Same arrivals, noise and faults.
    """
    times = {Stage.BASE_GEN: 20.0, Stage.SPATIAL_UPSCALE: 45.0, Stage.TEMPORAL_UPSCALE: 18.0}
    scenario = steady(1000).model_copy(update={"faults": Faults(rate=rate, codes={"connection_lost": 1.0})})
    demands = [replace(demand, seconds=times) for demand in scenario.demands()]
    # as many H100 in both: 10 + 19 + 9 are as busy as each other
    workers = {Stage.BASE_GEN: 10, Stage.SPATIAL_UPSCALE: 19, Stage.TEMPORAL_UPSCALE: 9}
    rest = (scenario.service, scenario.faults, scenario.seed)
    staged = figures(simulate(demands, {stage: Endpoint(workers_min=count) for stage, count in workers.items()}, *rest))
    whole = figures(simulate_whole(demands, Endpoint(workers_min=sum(workers.values())), *rest))
    return staged, whole


def even_rows(rate: float) -> Iterator[tuple[str, ...]]:
    yield from design_pair(f"1,000, 20 + 45 + 18 s each, always on, {rate:.0%} die", *even(rate))


def designs() -> Table:
    head = (
        "generations an hour",
        "design",
        "GPU s wasted per video",
        "ratio",
        "GPU s worked / paid",
        "USD per video",
        "p50 / p95 s",
        "videos failed",
    )
    asked = ((100, 0.02), (100, 0.1), (1000, 0.02), (1000, 0.1), (10_000, 0.02))
    rows = [line for each in asked for line in design_rows(*each)]
    return Table("designs", head, (*rows, *even_rows(0.1)))


TABLES = (volumes, advice, sensitivity, scalers, bursts, designs)
