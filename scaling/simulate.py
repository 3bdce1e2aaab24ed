"""The discrete-event simulation (simpy): three stages, each with its own endpoint, and the design without stages.

The retries are the orchestrator's own (`orchestrator.transitions`). Every chance is drawn beforehand by `Fate`, so
both designs get the same arrivals, the same noise and the same faults from one seed.
"""

from collections import defaultdict
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

import simpy

from orchestrator.transitions import JITTER, Failed, GenerationState, RunState, StartRun, View, step
from scaling.fate import Fate
from scaling.fleet import Fleet, Job, Ledger, Process
from scaling.records import Asked, StageRun
from scaling.scenario import Demand, Endpoint, Faults
from scaling.service_times import ServiceTimes
from shared import durations
from shared.contracts.vocabulary import Stage
from shared.errors import ErrorBody, UpstreamError, family_of

WHOLE = "one worker"
"""The endpoint of the design that has no stages."""


@dataclass
class Result:
    """Of one simulated load. Seconds."""

    fleets: dict[str, Ledger]
    prices: dict[str, float]
    """USD a second."""
    asked: list[Asked] = field(default_factory=list)
    runs: list[StageRun] = field(default_factory=list)
    useful: float = 0.0
    """GPU seconds of the runs of which videos were made."""
    seconds: float = 0.0
    """Until the last generation was final."""


@dataclass
class _Track:
    """What is known of one generation, as the rows of the orchestrator's database would have it."""

    attempts: dict[Stage, int] = field(default_factory=lambda: defaultdict(int))
    codes: dict[Stage, list[str]] = field(default_factory=lambda: defaultdict(list))
    repaired: set[Stage] = field(default_factory=set)
    useful: dict[Stage, float] = field(default_factory=dict)
    """GPU seconds of the last run of each stage that succeeded."""

    def after(self, order: tuple[Stage, ...], stage: Stage, code: str) -> StartRun | None:
        """What the retry table makes of a failure; None: given up."""
        view = View(
            generation=GenerationState.RUNNING,
            order=order,
            stage=stage,
            run=RunState.RUNNING,
            runpod_id=None,
            attempts=dict(self.attempts),
            codes=tuple(self.codes[stage]),
            repaired=stage in self.repaired,
        )
        state = RunState.TIMED_OUT if code == "execution_timeout" else RunState.FAILED
        body = ErrorBody.model_validate({"code": code, "message": "drawn", "retryable": True})
        again = next((e for e in step(view, Failed(body, state)).effects if isinstance(e, StartRun)), None)
        self.codes[stage].append(code)
        if again and again.repair:
            self.repaired.add(stage)
        return again


Life = Callable[[int, Demand], Generator[simpy.Event, object, bool]]
"""(index, demand) -> the process of one generation; it ends with whether there is a video."""


class _Load:
    """One simulation under way."""

    def __init__(self, endpoints: dict[str, Endpoint], fate: Fate, service: ServiceTimes) -> None:
        self.env = simpy.Environment()
        self.fate = fate
        self.hop = service.hop
        self.fleets = {name: Fleet(self.env, each, fate.colds, service) for name, each in endpoints.items()}
        self.result = Result(
            fleets={name: fleet.ledger for name, fleet in self.fleets.items()},
            prices={name: each.gpu.price for name, each in endpoints.items()},
        )

    def play(self, demands: list[Demand], life: Life) -> Result:
        if demands:
            final = self.env.event()
            self.env.process(self._arrive(demands, life, final))
            self.env.run(final)
        for fleet in self.fleets.values():
            fleet.close()
        self.result.seconds = self.env.now
        return self.result

    def _arrive(self, demands: list[Demand], life: Life, final: simpy.Event) -> Process:
        for index, demand in enumerate(demands):
            yield self.env.timeout(demand.arrival - self.env.now)
            self.env.process(self._live(index, demand, life, final, len(demands)))

    def _live(self, index: int, demand: Demand, life: Life, final: simpy.Event, count: int) -> Process:
        made = yield from life(index, demand)
        self.result.asked.append(
            Asked(generation=demand.name, arrival=demand.arrival, end=self.env.now, succeeded=made)
        )
        if len(self.result.asked) == count:
            final.succeed()

    def staged(self, index: int, demand: Demand) -> Generator[simpy.Event, object, bool]:
        """A generation through the stages, each run on that stage's endpoint, each retried by itself."""
        order, track, wait = tuple(demand.seconds), _Track(), 0.0
        stage = order[0]
        while True:
            yield self.env.timeout(self.hop + wait)
            track.attempts[stage] += 1
            run = track.attempts[stage]
            job = self.fleets[stage].submit(*self.fate.run(index, demand, stage, run))
            yield job.done
            self._note(demand, stage, run, job)
            if job.code is None:
                track.useful[stage], wait = job.seconds, 0.0
                if stage is order[-1]:
                    yield self.env.timeout(self.hop)
                    self.result.useful += sum(track.useful.values())
                    return True
                stage = order[order.index(stage) + 1]
                continue
            again = track.after(order, stage, job.code)
            if again is None:
                return False
            wait = again.wait * (1 + JITTER * self.fate.jitter(index, stage, run))
            stage = again.stage

    def whole(self, index: int, demand: Demand) -> Generator[simpy.Event, object, bool]:
        """A generation on one worker that does all stages and starts from nothing after a failure.

        It has the same retry table, as if all were one stage. Where the staged design would lose an artifact between
        two stages, this one, which has none, is taken to lose its connection.
        """
        order, track, wait = tuple(demand.seconds), _Track(), 0.0
        while True:
            yield self.env.timeout(self.hop + wait)
            track.attempts[order[0]] += 1
            run = track.attempts[order[0]]
            seconds, code = 0.0, None
            for stage in order:
                more, code = self.fate.run(index, demand, stage, run)
                seconds += more
                if code:
                    break
            if code == "execution_timeout":  # hangs until the deadline of the whole, by the same rule
                seconds = float(durations.deadline(sum(demand.seconds.values())))
            if code and issubclass(family_of(code), UpstreamError):
                code = "connection_lost"
            job = self.fleets[WHOLE].submit(seconds, code)
            yield job.done
            if code is None:
                yield self.env.timeout(self.hop)
                self.result.useful += seconds
                return True
            again = track.after(order[:1], order[0], code)
            if again is None:
                return False
            wait = again.wait * (1 + JITTER * self.fate.jitter(index, order[0], run))

    def _note(self, demand: Demand, stage: Stage, run: int, job: Job) -> None:
        self.result.runs.append(
            StageRun(
                generation=demand.name,
                stage=stage,
                attempt=run,
                worker=f"{stage}-{job.worker}",
                arrival=job.arrival,
                start=job.start,
                end=job.end,
                estimated=demand.seconds[stage],
                succeeded=job.code is None,
            )
        )


def simulate(
    demands: list[Demand], endpoints: dict[Stage, Endpoint], service: ServiceTimes, faults: Faults, seed: int
) -> Result:
    """This project's design. KeyError: a demand for a stage that has no endpoint."""
    fate = Fate(len(demands), service, faults, seed)
    load = _Load({stage.value: each for stage, each in endpoints.items()}, fate, service)
    return load.play(demands, load.staged)


def simulate_whole(
    demands: list[Demand], endpoint: Endpoint, service: ServiceTimes, faults: Faults, seed: int
) -> Result:
    """What a team would otherwise run, with the same arrivals and faults for the same seed."""
    load = _Load({WHOLE: endpoint}, Fate(len(demands), service, faults, seed), service)
    return load.play(demands, load.whole)
