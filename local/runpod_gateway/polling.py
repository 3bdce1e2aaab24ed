"""Held requests: they wait for a bell, the client's hanging up, the gateway's closing, or the end of the hold."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import Request

from local.runpod_gateway.bells import Bells

LOOK_AGAIN_SECONDS = 1.0  # for what no bell announces: jobs whose `not_before` comes, other processes


class Held:
    """One held request: `async for _ in held.looks()` runs its body each time there may be something new."""

    def __init__(self, gone: asyncio.Task[None], bell: asyncio.Event, bells: Bells, hold_seconds: float) -> None:
        self._gone = gone
        self._bell = bell
        self._bells = bells
        self._until = time.monotonic() + hold_seconds

    @property
    def hung_up(self) -> bool:
        return self._gone.done()

    async def looks(self) -> AsyncIterator[None]:
        """Yields once at the start, then at each bell; ends when time is up or either side is closing."""
        while not self.hung_up and not self._bells.closing:
            self._bell.clear()
            yield
            left = self._until - time.monotonic()
            if left <= 0:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._bell.wait(), min(left, LOOK_AGAIN_SECONDS))


@asynccontextmanager
async def hold(request: Request, bells: Bells, bell_name: str, hold_seconds: float) -> AsyncIterator[Held]:
    """Watch the client's socket and a bell while a request is held. The body has to be read before."""
    with bells.listen(bell_name) as bell:
        gone = asyncio.create_task(_wait_until_gone(request))
        gone.add_done_callback(lambda _: bell.set())
        try:
            yield Held(gone, bell, bells, hold_seconds)
        finally:
            gone.cancel()
            with suppress(asyncio.CancelledError):
                await gone


async def _wait_until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
