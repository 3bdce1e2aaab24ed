"""Progress posts of a job, kept away from the job's result.

The SDK posts each update from a thread of its own: posts that are sent shortly before `return` arrive after the
result (facts/runpod.md section 0). So: at most one a second, and none in the last second before the reply.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from shared.contracts.stage import StageProgress

Report = Callable[[dict[str, Any]], None]
INTERVAL = 1.0  # seconds


class Throttle:
    """One per job."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._last = float("-inf")

    def __call__(self, progress: StageProgress) -> None:
        now = time.monotonic()
        if now - self._last >= INTERVAL:
            self._last = now
            self._report(progress.model_dump(mode="json", exclude_none=True))

    async def settle(self) -> None:
        """Waits until the last post is a second old."""
        left = INTERVAL - (time.monotonic() - self._last)
        if left > 0:
            await asyncio.sleep(left)
