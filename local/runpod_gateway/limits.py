"""Request limits of the client API, per endpoint and operation; over them a request is answered 429.

Numbers: facts/runpod.md, section A (requests per 10 s / concurrent). They count in this process only: it is
one gateway on one machine.
"""

import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import HTTPException

WINDOW_SECONDS = 10.0
LIMITS: dict[str, tuple[int, int | None]] = {
    "run": (1000, 200),
    "runsync": (2000, 400),
    "status": (2000, 400),
    "stream": (2000, 400),
    "cancel": (100, 20),
    "purge-queue": (2, None),
    "requests": (10, 2),
}

MEGABYTE = 1_000_000  # the stricter reading of the documented "MB"
RUN_BYTES = 10 * MEGABYTE
RUNSYNC_BYTES = 20 * MEGABYTE
CHUNK_BYTES = 1 * MEGABYTE


class Limiter:
    def __init__(self) -> None:
        self._times: dict[tuple[str, str], deque[float]] = defaultdict(deque)
        self._running: dict[tuple[str, str], int] = defaultdict(int)

    @contextmanager
    def admit(self, endpoint: str, operation: str) -> Iterator[None]:
        """Counts one request while the block runs. Raises HTTPException 429 when it is one too many."""
        per_window, concurrent = LIMITS[operation]
        key = (endpoint, operation)
        now = time.monotonic()
        times = self._times[key]
        while times and times[0] <= now - WINDOW_SECONDS:
            times.popleft()
        if len(times) >= per_window or (concurrent is not None and self._running[key] >= concurrent):
            raise HTTPException(429, f"too many {operation} requests for this endpoint")
        times.append(now)
        self._running[key] += 1
        try:
            yield
        finally:
            self._running[key] -= 1
