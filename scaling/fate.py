"""What chance does to each run, drawn before anything runs, so that two designs meet the same fate. Pure."""

import numpy as np

from scaling.scenario import Demand, Faults
from scaling.service_times import ServiceTimes
from shared import durations
from shared.contracts.vocabulary import Stage
from shared.errors import UpstreamError, family_of

RUNS = 8
"""Runs of one stage of one generation that have draws of their own; attempts and repairs are fewer."""
STAGES = list(Stage)


class Fate:
    """(generation, stage, n-th run of it) -> seconds, and the code that it dies of. Alike for every design."""

    def __init__(self, count: int, service: ServiceTimes, faults: Faults, seed: int) -> None:
        random = np.random.default_rng([seed, 1])
        shape = (count, len(STAGES), RUNS)
        self._noise = random.standard_normal(shape)
        self._dies = random.random(shape) < faults.rate
        self._point = random.random(shape)
        self._codes = list(faults.codes)
        weights = np.array(list(faults.codes.values()))
        self._code = random.choice(len(self._codes), size=shape, p=weights / weights.sum())
        self._jitter = random.random(shape)
        self._service = service
        self.colds: list[float] = random.standard_normal(1000).tolist()

    def jitter(self, index: int, stage: Stage, run: int) -> float:
        """0 to 1."""
        return float(self._jitter[self._at(index, stage, run)])

    def run(self, index: int, demand: Demand, stage: Stage, run: int) -> tuple[float, str | None]:
        """Seconds on a worker, and the code if it dies. A run that hangs takes until its deadline."""
        if stage in demand.ran:
            return demand.ran[stage], None
        at = self._at(index, stage, run)
        estimated = demand.seconds[stage]
        seconds = self._service.stages[stage].seconds(estimated, float(self._noise[at]))
        if not self._dies[at]:
            return seconds, None
        code = self._codes[self._code[at]]
        first = stage is next(iter(demand.seconds))
        if first and issubclass(family_of(code), UpstreamError):
            code = "connection_lost"  # nothing lies upstream of the first stage
        if code == "execution_timeout":
            return float(durations.deadline(estimated)), code
        return seconds * float(self._point[at]), code

    @staticmethod
    def _at(index: int, stage: Stage, run: int) -> tuple[int, int, int]:
        return index, STAGES.index(stage), min(run, RUNS) - 1
