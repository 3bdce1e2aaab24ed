"""The figures behind the plots: counts and shares over time, from the record of a load. Pure.

Times are seconds since its start.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from scaling.records import Measured, StageRun
from shared.contracts.vocabulary import Stage
from tests.load.figures import Change, worker_seconds

WINDOWS = 60
"""Of a whole load, in which the share of busy workers is counted; none is shorter than …"""
SHORTEST = 2.0
"""… so many seconds."""

NUMBER = re.compile(r"-\d+$")
"""Of a worker or an orchestrator, at the end of its name."""


@dataclass(frozen=True)
class Steps:
    """A value that changes at moments: `values[i]` holds from `times[i]` on."""

    times: tuple[float, ...]
    values: tuple[float, ...]

    def at(self, time: float) -> float:
        return next((value for at, value in zip(self.times[::-1], self.values[::-1], strict=True) if at <= time), 0.0)


@dataclass(frozen=True)
class Window:
    """A time in which a stage had the same number of workers."""

    stage: Stage
    start: float
    end: float
    workers: int
    per_minute: float
    """Runs that succeeded."""
    busy: float
    """Share of its workers' seconds."""


def counted(moments: Iterable[tuple[float, int]], end: float) -> Steps:
    """The sum of what each moment adds, from 0 at the start to the end."""
    total, times, values = 0.0, [0.0], [0.0]
    for at, step in sorted(moments):
        total += step
        if at == times[-1]:
            values[-1] = total
        else:
            times.append(at)
            values.append(total)
    return Steps((*times, max(end, times[-1])), (*values, total))


def length(measured: Measured) -> float:
    """Until the last end of a run or a generation."""
    ends = [run.end for run in measured.runs] + [asked.end for asked in measured.asked if asked.end is not None]
    return max(ends, default=0.0)


def asked(measured: Measured) -> Steps:
    return counted(((each.arrival, 1) for each in measured.asked), length(measured))


def succeeded(measured: Measured) -> Steps:
    made = ((each.end, 1) for each in measured.asked if each.succeeded and each.end is not None)
    return counted(made, length(measured))


def waiting(measured: Measured, stage: Stage) -> Steps:
    """Runs in the queue of a stage."""
    mine = [run for run in measured.runs if run.stage is stage]
    return counted([(run.arrival, 1) for run in mine] + [(run.start, -1) for run in mine], length(measured))


def workers(changes: Sequence[Change], stage: Stage, end: float) -> Steps:
    times = tuple(at for at, _ in changes)
    counts = tuple(float(now[stage]) for _, now in changes)
    return Steps((*times, max(end, times[-1])), (*counts, counts[-1]))


def busy(measured: Measured, changes: Sequence[Change], stage: Stage) -> Steps:
    """Share of a stage's workers that had a job, by windows of the same length."""
    end = length(measured)
    width = max(SHORTEST, end / WINDOWS)
    starts = [width * number for number in range(max(1, round(end / width)))]
    mine = [run for run in measured.runs if run.stage is stage]
    shares = tuple(_share(mine, changes, stage, start, start + width) for start in starts)
    return Steps((*starts, starts[-1] + width), (*shares, shares[-1]))


def windows(measured: Measured, changes: Sequence[Change]) -> list[Window]:
    """Of the stages whose number of workers changed, between the changes, until the last wish was asked for."""
    last = max((each.arrival for each in measured.asked), default=0.0)
    found = []
    for stage in Stage:
        own = _own(changes, stage)
        mine = [run for run in measured.runs if run.stage is stage]
        for (start, count), (end, _) in pairwise([*own, (max(last, own[-1][0]), 0)]):
            if len(own) > 1 and end > start:
                ended = sum(run.succeeded and start <= run.end < end for run in mine)
                share = _share(mine, changes, stage, start, end)
                found.append(Window(stage, start, end, count, 60 * ended / (end - start), share))
    return found


def _own(changes: Sequence[Change], stage: Stage) -> list[tuple[float, int]]:
    """(time, workers of the stage), only where they changed."""
    own = [(at, now[stage]) for at, now in changes]
    return own[:1] + [after for before, after in pairwise(own) if after[1] != before[1]]


def _share(mine: Sequence[StageRun], changes: Sequence[Change], stage: Stage, start: float, end: float) -> float:
    there = worker_seconds(changes, stage, end) - worker_seconds(changes, stage, start)
    worked = sum(max(0.0, min(run.end, end) - max(run.start, start)) for run in mine)
    return min(1.0, worked / there) if there else 0.0


def below(values: Sequence[float]) -> tuple[list[float], list[float]]:
    """(value, share of all that are no larger): an empirical distribution."""
    ordered = sorted(values)
    return ordered, [(rank + 1) / len(ordered) for rank in range(len(ordered))]


def by_kind(looks: Sequence[tuple[float, Mapping[str, float]]]) -> dict[str, Steps]:
    """Mean MB of the processes of a kind over time: a name without its number."""
    found: dict[str, tuple[list[float], list[float]]] = {}
    for at, seen in looks:
        kinds: dict[str, list[float]] = {}
        for name, megabytes in seen.items():
            kinds.setdefault(NUMBER.sub("", name), []).append(megabytes)
        for kind, each in kinds.items():
            times, values = found.setdefault(kind, ([], []))
            times.append(at)
            values.append(sum(each) / len(each))
    return {kind: Steps(tuple(times), tuple(values)) for kind, (times, values) in found.items()}
