"""What a benchmark found, against what it must reach."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import quantiles


@dataclass(frozen=True)
class Row:
    """One line of the table. `must` is the figure that issue 7 set; `reached` says whether it is."""

    what: str
    must: str
    found: str
    reached: bool
    detail: str = ""
    """Markdown that stands below the table."""


def percentile(seconds: Sequence[float], share: int) -> float:
    """The value that `share` per cent of at least two values do not exceed."""
    return quantiles(seconds, n=100, method="inclusive")[share - 1]
