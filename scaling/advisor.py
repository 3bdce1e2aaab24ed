"""How many workers each stage needs, by formula: an advice in milliseconds, held against the simulation by tests. Pure.

The formulas and their sources stand in `queueing`. A target of the whole way is met by one allowance of waiting, the
same for each stage, so that the answer never falls when the load rises or the target is tightened.
"""

import math

import numpy as np

from scaling import queueing
from scaling.fleet import LOSES_COMFYUI, LOSES_WORKER
from scaling.mix import Kind
from scaling.queueing import Load, Wait
from scaling.scenario import Scenario
from shared import durations
from shared.contracts.vocabulary import Frozen, Stage

SHARE = 0.95
DRAWS = 20_000
"""Generations that are drawn for the end-to-end figure: its p95 is then within about 1 %."""
LEAST_WAIT = 0.5
"""Seconds; a smaller allowance would buy workers for nothing that anybody notices."""


class StageAdvice(Frozen):
    stage: Stage
    workers: int
    busy: float
    """Workers that are busy on the average; this divided by `workers` is the utilisation."""
    wait_chance: float
    wait_p95: float
    """Seconds in the queue."""


class Advice(Frozen):
    stages: tuple[StageAdvice, ...]
    allowance: float
    """Seconds of p95 waiting that each stage was allowed."""
    end_to_end_p95: float
    """Seconds from request to video, predicted."""
    cost_per_hour: float
    """USD of these workers, always on."""

    @property
    def workers(self) -> dict[Stage, int]:
        return {each.stage: each.workers for each in self.stages}


def advise(
    scenario: Scenario,
    per_hour: float,
    *,
    wait_p95: float | None = None,
    end_to_end_p95: float | None = None,
    kinds: tuple[Kind, ...] | None = None,
) -> Advice:
    """Workers of each stage for one of two targets, in seconds. `kinds`: instead of those of the scenario's mix.

    ValueError: not exactly one target, or one that the work alone, without any waiting, takes longer than.
    """
    if (wait_p95 is None) == (end_to_end_p95 is None):
        raise ValueError("name one target: the p95 of each stage's wait, or of the whole way")
    kinds = kinds or scenario.mix.kinds(scenario.gpus)
    ways = _Ways(scenario, kinds)
    allowance = wait_p95 if wait_p95 is not None else ways.allowance(end_to_end_p95 or 0.0)
    loads = _loads(scenario, kinds, per_hour)
    workers = {stage: queueing.workers_for(load, allowance, SHARE) for stage, load in loads.items()}
    return _advice(scenario, ways, loads, workers, allowance)


def foretell(
    scenario: Scenario, per_hour: float, workers: dict[Stage, int], kinds: tuple[Kind, ...] | None = None
) -> Advice:
    """What the same formulas say of workers that are given. A stage with too few waits for ever (infinity).

    KeyError: a stage that is needed has no workers.
    """
    kinds = kinds or scenario.mix.kinds(scenario.gpus)
    return _advice(scenario, _Ways(scenario, kinds), _loads(scenario, kinds, per_hour), workers, math.inf)


def _loads(scenario: Scenario, kinds: tuple[Kind, ...], per_hour: float) -> dict[Stage, Load]:
    asked = [stage for stage in Stage if any(stage in kind.seconds for kind in kinds)]
    return {stage: load_of(scenario, kinds, stage, per_hour) for stage in asked}


def _advice(
    scenario: Scenario, ways: "_Ways", loads: dict[Stage, Load], workers: dict[Stage, int], allowance: float
) -> Advice:
    stages, waits = [], {}
    for stage, load in loads.items():
        waits[stage] = queueing.wait(load, workers[stage])
        stages.append(
            StageAdvice(
                stage=stage,
                workers=workers[stage],
                busy=load.busy,
                wait_chance=waits[stage].chance,
                wait_p95=waits[stage].quantile(SHARE),
            )
        )
    return Advice(
        stages=tuple(stages),
        allowance=allowance,
        end_to_end_p95=ways.p95(waits),
        cost_per_hour=sum(each.workers * scenario.gpus[each.stage].price for each in stages) * 3600,
    )


def load_of(scenario: Scenario, kinds: tuple[Kind, ...], stage: Stage, per_hour: float) -> Load:
    """Of a stage, its failures included: a run that dies comes again, and some take ComfyUI or the worker with them."""
    faults, endpoint, times = scenario.faults, scenario.endpoints[stage], scenario.service.stages[stage]
    mine = [(kind.weight, kind.seconds[stage]) for kind in kinds if stage in kind.seconds]
    visits = sum(weight for weight, _ in mine)
    mean = sum(weight * times.mean(about) for weight, about in mine) / visits
    second = sum(weight * times.second_moment(about) for weight, about in mine) / visits
    deadline = sum(weight * durations.deadline(about) for weight, about in mine) / visits
    total = sum(faults.codes.values())
    hangs = faults.codes.get("execution_timeout", 0.0) / total
    lost = sum(weight for code, weight in faults.codes.items() if code in LOSES_WORKER) / total
    restarts = sum(weight for code, weight in faults.codes.items() if code in LOSES_COMFYUI) / total
    after = lost * endpoint.cold_start + restarts * endpoint.restart
    # a run dies anywhere: E[U] = 1/2, E[U squared] = 1/3
    died = hangs * deadline + (1 - hangs) * mean / 2 + after
    died_second = hangs * deadline**2 + (1 - hangs) * second / 3
    ran = (1 - faults.rate) * mean + faults.rate * died
    ran_second = (1 - faults.rate) * second + faults.rate * died_second
    # it asks at a whole number of seconds, so half of one after the end on the average
    turn = scenario.service.polling / 2 + scenario.service.dispatch
    held, held_second = ran + turn, ran_second + 2 * turn * ran + turn**2
    runs = per_hour / 3600 * visits / (1 - faults.rate)
    return Load(rate=runs, mean=held, service_scv=max(0.0, held_second / held**2 - 1))


class _Ways:
    """Many generations, drawn once: their seconds of work, and the chance that decides how long each waits."""

    def __init__(self, scenario: Scenario, kinds: tuple[Kind, ...]) -> None:
        random = np.random.default_rng(scenario.seed)
        service, rate = scenario.service, scenario.faults.rate
        weights = np.array([kind.weight for kind in kinds])
        chosen = random.choice(len(kinds), size=DRAWS, p=weights / weights.sum())
        self._work = np.full(DRAWS, service.hop)  # until it is known to be final
        self._uniform: dict[Stage, np.ndarray] = {}
        self._runs: dict[Stage, np.ndarray] = {}
        for stage in Stage:
            estimated = np.array([kind.seconds.get(stage, 0.0) for kind in kinds])[chosen]
            times = service.stages[stage]
            noise = np.exp(times.sigma * random.standard_normal(DRAWS) - times.sigma**2 / 2)
            visits = estimated > 0
            again = random.random(DRAWS) < rate
            seconds = times.fixed + times.factor * estimated * noise
            self._work += visits * (
                seconds * (1 + again * random.random(DRAWS)) + (service.hop + service.dispatch) * (1 + again)
            )
            self._runs[stage] = visits * (1 + again)
            self._uniform[stage] = 1 - random.random(DRAWS)

    def p95(self, waits: dict[Stage, Wait]) -> float:
        """Seconds from request to video. A second run of a stage is taken to wait as long as the first."""
        total = self._work.copy()
        for stage, wait in waits.items():
            with np.errstate(divide="ignore"):  # a chance of 0: never
                drawn = wait.mean * np.log(wait.chance / self._uniform[stage])
            total += self._runs[stage] * np.maximum(drawn, 0.0)
        return float(np.quantile(total, SHARE))

    def allowance(self, target: float) -> float:
        """The longest p95 wait of each stage with which the p95 of the whole way meets the target."""

        def reached(allowed: float) -> float:
            return self.p95(dict.fromkeys(Stage, Wait(1.0, allowed / math.log(1 / (1 - SHARE)))))

        if reached(LEAST_WAIT) > target:
            raise ValueError(f"{target:.0f} s cannot be met: the work alone takes {self.p95({}):.0f} s at p95")
        # steps of 1 % that are the same for all targets: else a tighter target could get the longer allowance
        low, high = 0, math.ceil(math.log(target / LEAST_WAIT) / math.log(1.01))
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if reached(LEAST_WAIT * 1.01**middle) <= target else (low, middle)
        return LEAST_WAIT * 1.01**low
