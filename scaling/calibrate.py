"""Records of a load -> the service times that it had. Pure."""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from scaling.records import Measured, StageRun
from scaling.service_times import ServiceTimes, StageTimes
from shared.contracts.vocabulary import Stage

FEWEST = 30
"""Successful runs of a stage below which it is left as the plan says: sigma would be off by more than 13 %."""


def calibrate(measured: Measured) -> ServiceTimes:
    """Fits factor, fixed seconds and noise of each stage, and the seconds in between, as they are at speed 1.

    Only runs that succeeded count: of the others the end says nothing about the work. A stage with fewer than
    `FEWEST` of them keeps the default. The factor and the fixed seconds are least squares, each run weighed by 1 /
    estimate: with these weights the seconds of all runs sum up to those that were seen, and how long a queue gets
    hangs on that sum. Where all estimates are alike, or the line would start below zero, all is factor. ValueError:
    no stage had enough runs.
    """
    good: dict[Stage, list[StageRun]] = defaultdict(list)
    for run in measured.runs:
        if run.succeeded:
            good[run.stage].append(run)
    fitted = {stage: _fit(runs, measured.speed) for stage, runs in good.items() if len(runs) >= FEWEST}
    if not fitted:
        raise ValueError(f"no stage has {FEWEST} runs that succeeded; measure for longer")
    plain = ServiceTimes()
    hops = list(_hops(measured))
    hop = max(0.0, statistics.fmean(hops)) if hops else plain.hop
    return ServiceTimes(stages=plain.stages | fitted, hop=hop, dispatch=_dispatch(measured))


def _fit(runs: Sequence[StageRun], speed: float) -> StageTimes:
    pairs = [(run.estimated / speed, run.ran) for run in runs]
    factor, fixed = _line(pairs)
    # of a lognormal, variance = mean squared x (exp(sigma squared) - 1); by the sums, as logarithms of what is left of
    # a short run beside its fixed seconds would be wild
    left = sum((seconds - fixed - factor * about) ** 2 for about, seconds in pairs)
    expected = sum((factor * about) ** 2 for about, _ in pairs)
    return StageTimes(factor=factor, fixed=fixed, sigma=math.sqrt(math.log1p(left / expected)))


def _line(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """(factor, fixed) of the line whose seconds sum up to those that were seen."""
    about, seconds = (np.array(each) for each in zip(*pairs, strict=True))
    through_zero = float(seconds.sum() / about.sum()), 0.0
    if about.max() < 1.05 * about.min():
        return through_zero
    factor, fixed = np.polyfit(about, seconds, 1, w=1 / np.sqrt(about)).tolist()
    return (factor, fixed) if fixed > 0 and factor > 0 else through_zero


def _dispatch(measured: Measured) -> float:
    """Mean seconds that a run waits for a worker that asks already, as it has been free for longer than `polling`.

    The default where that hardly occurs. `polling` itself is no matter of measuring: it stands in the SDK.
    """
    plain = ServiceTimes()
    of: dict[str, list[StageRun]] = defaultdict(list)
    for run in sorted(measured.runs, key=lambda run: run.start):
        if run.worker:
            of[run.worker].append(run)
    pairs = [pair for mine in of.values() for pair in pairwise(mine)]
    rested = [after.queued for before, after in pairs if after.arrival > before.end + plain.polling]
    return statistics.fmean(rested) if len(rested) >= FEWEST else plain.dispatch


def _hops(measured: Measured) -> Iterator[float]:
    """Seconds from the request to the first queue, from each success to the next stage's queue, from the last to final.

    After a failure comes the wait of the retry table, which is no hop.
    """
    order = list(Stage)
    of: dict[str, list[StageRun]] = defaultdict(list)
    for run in sorted(measured.runs, key=lambda run: run.arrival):
        of[run.generation].append(run)
    for asked in measured.asked:
        if mine := of.get(asked.generation):
            yield mine[0].arrival - asked.arrival
            if asked.succeeded and asked.end is not None:
                yield asked.end - mine[-1].end
    for mine in of.values():
        for before, after in pairwise(mine):
            if before.succeeded and order.index(after.stage) > order.index(before.stage):
                yield after.arrival - before.end
