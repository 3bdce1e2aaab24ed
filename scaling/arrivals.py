"""When generations are asked for: random times of a rate that may change. Pure."""

from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from shared.contracts.vocabulary import Frozen

Times = list[float]


class Poisson(Frozen):
    """People who know nothing of each other, at one rate."""

    shape: Literal["poisson"] = "poisson"
    per_hour: float = Field(gt=0)
    hours: float = Field(gt=0)

    def times(self, random: np.random.Generator) -> Times:
        return _thinned(random, self.hours, self.per_hour, lambda _: self.per_hour)


class Burst(Frozen):
    """A Poisson stream, and `extra` generations within `seconds` after `at` hours (a mail went out)."""

    shape: Literal["burst"] = "burst"
    per_hour: float = Field(gt=0)
    hours: float = Field(gt=0)
    extra: int = Field(gt=0)
    at: float = Field(ge=0)
    seconds: float = Field(default=60.0, gt=0)

    def times(self, random: np.random.Generator) -> Times:
        steady = Poisson(per_hour=self.per_hour, hours=self.hours).times(random)
        return sorted([*steady, *(self.at * 3600 + random.uniform(0, self.seconds, self.extra)).tolist()])


class Ramp(Frozen):
    """From one rate to another, evenly."""

    shape: Literal["ramp"] = "ramp"
    per_hour: float = Field(gt=0)
    to_per_hour: float = Field(gt=0)
    hours: float = Field(gt=0)

    def times(self, random: np.random.Generator) -> Times:
        more = self.to_per_hour - self.per_hour
        most = max(self.per_hour, self.to_per_hour)
        return _thinned(random, self.hours, most, lambda at: self.per_hour + more * at / self.hours)


class Schedule(Frozen):
    """One rate for each hour, such as those of a day."""

    shape: Literal["schedule"] = "schedule"
    per_hour: tuple[float, ...] = Field(min_length=1)

    def times(self, random: np.random.Generator) -> Times:
        return _thinned(random, len(self.per_hour), max(self.per_hour), lambda at: self.per_hour[int(at)])


Arrivals = Annotated[Poisson | Burst | Ramp | Schedule, Field(discriminator="shape")]


def _thinned(random: np.random.Generator, hours: float, most: float, rate: Callable[[float], float]) -> Times:
    """Seconds, by thinning (Lewis and Shedler 1979): candidates at the highest rate, kept with rate / highest."""
    candidates = np.sort(random.uniform(0, hours, random.poisson(most * hours)))
    kept = random.uniform(0, most, len(candidates))
    return [at * 3600 for at, drawn in zip(candidates.tolist(), kept.tolist(), strict=True) if drawn < rate(at)]
