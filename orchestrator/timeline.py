"""Where the time of a generation went: its stage runs as spans without a gap or an overlap. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pydantic import ConfigDict

from shared.contracts.vocabulary import Frozen


class Told(Frozen):
    """A part of what operators are told; what stands below a field is its description in the API's document."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Passing(StrEnum):
    BETWEEN = "between"
    """No stage run was live: we had to go on, and had not yet."""
    WAITING = "waiting"
    """For us to hand the run to RunPod, and for the pause before another attempt."""
    QUEUED = "queued"
    """At RunPod, for a worker."""
    RUNNING = "running"


class Passage(Protocol):
    """The times of one stage run, as far as it got."""

    @property
    def created_at(self) -> datetime: ...
    @property
    def submitted_at(self) -> datetime | None: ...
    @property
    def started_at(self) -> datetime | None: ...
    @property
    def finished_at(self) -> datetime | None: ...


class Span(Told):
    passing: Passing
    run: int | None
    """Which of the stage runs, from 0; null between two of them."""
    begins: datetime
    ends: datetime

    @property
    def seconds(self) -> float:
        return (self.ends - self.begins).total_seconds()


class Sums(Told):
    """Seconds of a generation, by what they went into; together they are all of it."""

    between: float
    waiting: float
    queued: float
    running: float


def spans_of(begins: datetime, runs: Sequence[Passage], ends: datetime) -> tuple[Span, ...]:
    """From the request to its end (or now), in order: each span begins where the one before it ended.

    Rows of one transaction have times that lie milliseconds across each other (`now()` of the insert is that of the
    transaction's begin), so a time that falls back counts as the one before it. Spans of no length are left out.
    """
    found, reached = [], begins
    for passing, run, until in _marks(runs, ends):
        to = min(max(until, reached), ends)
        if to > reached:
            found.append(Span(passing=passing, run=run, begins=reached, ends=to))
            reached = to
    return tuple(found)


def _marks(runs: Sequence[Passage], ends: datetime) -> Iterator[tuple[Passing, int | None, datetime]]:
    """What goes on until when, one after the other."""
    for number, run in enumerate(runs):
        over = run.finished_at or ends
        yield Passing.BETWEEN, None, run.created_at
        yield Passing.WAITING, number, run.submitted_at or run.started_at or over
        yield Passing.QUEUED, number, run.started_at or over
        yield Passing.RUNNING, number, over
    yield Passing.BETWEEN, None, ends


def sums_of(spans: Sequence[Span]) -> Sums:
    """Seconds, to the millisecond."""
    found = dict.fromkeys(Passing, 0.0)
    for span in spans:
        found[span.passing] += span.seconds
    return Sums(**{passing: round(seconds, 3) for passing, seconds in found.items()})
