"""Wakes held polls inside this process the moment something happens that they wait for.

Postgres holds the truth; a bell only says "look again". A poll also looks again by itself now and then, so a
bell that rings in another process costs a second, never a hang.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


def queue_bell(endpoint: str) -> str:
    return f"queue {endpoint}"


def job_bell(job_id: str) -> str:
    return f"job {job_id}"


def stop_bell(endpoint: str, worker: str) -> str:
    return f"stop {endpoint} {worker}"


WEBHOOK_BELL = "webhooks"


class Bells:
    def __init__(self) -> None:
        self._listeners: dict[str, set[asyncio.Event]] = defaultdict(set)
        self.closing = False

    def ring(self, name: str) -> None:
        for event in self._listeners.get(name, ()):
            event.set()

    def close(self) -> None:
        """The gateway is about to stop: every held poll looks up, sees `closing` and answers."""
        self.closing = True
        for events in self._listeners.values():
            for event in events:
                event.set()

    @contextmanager
    def listen(self, name: str) -> Iterator[asyncio.Event]:
        """An event that is set at every ring; clear it BEFORE looking, so that no ring falls in between."""
        event = asyncio.Event()
        self._listeners[name].add(event)
        try:
            yield event
        finally:
            self._listeners[name].discard(event)
            if not self._listeners[name]:
                del self._listeners[name]
