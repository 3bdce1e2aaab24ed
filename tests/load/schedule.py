"""When a stage gets how many workers, as it is given by hand: `0:spatial=2,60:spatial=8,180:temporal=1`. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

from local.control import MOST_WORKERS
from local.scale import FLAGS
from shared.contracts.vocabulary import Stage
from tests.load.scenarios import Scenario


@dataclass(frozen=True)
class Step:
    """From `at` seconds after the start on."""

    at: float
    workers: Mapping[Stage, int]


def of_scenario(scenario: Scenario, seconds: float) -> tuple[Step, ...]:
    return _steps([(share * seconds, Stage(stage), count) for share, stage, count in scenario.scale])


def parse(text: str, seconds: float) -> tuple[Step, ...]:
    """ValueError says what is wrong with it: a stage nobody knows, a number of workers that cannot be, a time that is
    not within the load's `seconds`, or a stage that is left without workers, which would never finish."""
    found = [_entry(entry.strip(), seconds) for entry in text.split(",")]
    for stage in Stage:
        if [count for _, named, count in sorted(found, key=lambda entry: entry[0]) if named is stage][-1:] == [0]:
            raise ValueError(f"{stage} would be left without workers, and its generations would never end")
    return _steps(found)


def _entry(entry: str, seconds: float) -> tuple[float, Stage, int]:
    try:
        at, _, rest = entry.partition(":")
        name, _, count = rest.partition("=")
        found = float(at), FLAGS[name.strip().replace("-", "_")], int(count)
    except (KeyError, ValueError) as error:
        names = ", ".join(FLAGS)
        raise ValueError(f"{entry!r} is not SECONDS:STAGE=WORKERS with a stage of {names}") from error
    if not 0 <= found[0] <= seconds:
        raise ValueError(f"{entry!r} is not within the {seconds:g} s of the load")
    if not 0 <= found[2] <= MOST_WORKERS:
        raise ValueError(f"{entry!r}: there may be 0 to {MOST_WORKERS} workers of a stage")
    return found


def _steps(found: list[tuple[float, Stage, int]]) -> tuple[Step, ...]:
    """By time; what is asked for one moment is one order, of which the last word on a stage counts."""
    timed = groupby(sorted(found, key=lambda entry: entry[0]), key=lambda entry: entry[0])
    return tuple(Step(at, {stage: count for _, stage, count in group}) for at, group in timed)
