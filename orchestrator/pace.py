"""How often live stage runs are looked at: rarer the more of them there are, so that RunPod's limit is never met."""

from datetime import UTC, datetime

from orchestrator.progression import next_look
from orchestrator.store import StageRun

LOOKS_PER_SECOND = 100
"""By all replicas together, of runs that stay as they are; each newly submitted one adds a look. RunPod takes 200
requests for a status, and 100 new jobs, per second and endpoint (facts/runpod.md section A), so the sum of both stays
within its limit even where all is submitted to one endpoint as fast as that takes it.
"""


class Pace:
    """Of one replica; `live` is what all of them have under way, as far as this one knows."""

    def __init__(self, *, quickest: float, slowest: float) -> None:
        self.live = 0
        self._quickest = quickest
        self._slowest = slowest

    @property
    def turn(self) -> float:
        """Seconds between two looks at a run, at the least, so that all have their turn."""
        return self.live / LOOKS_PER_SECOND

    @property
    def first(self) -> float:
        """Seconds from the submission of a run to the first look at it."""
        return max(self._quickest, self.turn)

    def following(self, run: StageRun, done: float) -> float:
        """Seconds until the next look at a run that is done to `done`."""
        since = run.started_at or run.submitted_at or run.created_at
        return self.after(age=(datetime.now(UTC) - since).total_seconds(), done=done)

    def after(self, *, age: float, done: float) -> float:
        return max(next_look(age, done, quickest=self._quickest, slowest=self._slowest), self.turn)
