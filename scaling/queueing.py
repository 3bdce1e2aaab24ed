"""Waiting in a queue with several workers, by formula. Pure. Rates are per second, times in seconds.

- Erlang C, the chance that all workers are busy in M/M/c (Erlang 1917); in M/G/c it is nearly as good, as the chance
  to wait hardly depends on more than the mean of the service (Tijms, Stochastic Models, 1994, chapter 4).
- Allen and Cunneen's mean wait (Allen, Probability, Statistics and Queueing Theory, 1990, section 5.3): that of M/M/c
  times the mean of the squared coefficients of variation (SCV) of arrivals, which is 1 here, and of service. For one
  worker it is Pollaczek and Khinchine's and exact.
- The wait of those who wait is taken as exponential, exact in M/M/c and in heavy traffic for all (Kingman 1961;
  Koellerstroem 1974).

Arrivals are taken as Poisson at every stage: what leaves a stage with several workers nearly is (Whitt, The Queueing
Network Analyzer, Bell System Technical Journal 62, 1983, section IV), and counting smoother streams as smoother could
let the answer fall when the load rises.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Wait:
    """Of one queue, in the long run."""

    chance: float
    """That one waits at all."""
    mean: float
    """Seconds of those who wait."""

    def quantile(self, share: float) -> float:
        """Seconds that `share` of all stay below; 0 where as many do not wait at all."""
        beyond = 1 - share
        return self.mean * math.log(self.chance / beyond) if self.chance > beyond else 0.0


@dataclass(frozen=True)
class Load:
    """What arrives at a stage."""

    rate: float
    """Runs a second."""
    mean: float
    """Seconds that a run keeps its worker."""
    service_scv: float

    @property
    def busy(self) -> float:
        """Workers that are busy on the average (Little 1961); one more than that is the least that is stable."""
        return self.rate * self.mean


def erlang_c(workers: int, busy: float) -> float:
    """The chance that all are busy, by the recursion of Erlang B. 1 where the queue only grows."""
    if busy >= workers:
        return 1.0
    blocked = 1.0
    for count in range(1, workers + 1):
        blocked = busy * blocked / (count + busy * blocked)
    return workers * blocked / (workers - busy * (1 - blocked))


def wait(load: Load, workers: int) -> Wait:
    """Of M/G/c. A mean of infinity where the queue only grows."""
    if load.busy >= workers:
        return Wait(1.0, math.inf)
    variability = (1 + load.service_scv) / 2
    return Wait(erlang_c(workers, load.busy), variability * load.mean / (workers - load.busy))


def workers_for(load: Load, seconds: float, share: float = 0.95) -> int:
    """The fewest workers with which `share` of the runs wait no longer than `seconds`."""
    workers = max(1, math.floor(load.busy) + 1)
    while wait(load, workers).quantile(share) > seconds:
        workers += 1
    return workers
