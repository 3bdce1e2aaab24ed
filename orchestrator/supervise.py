"""Background loops that outlive their failures: each is started again, after a growing, jittered wait."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger()

FIRST_SECONDS, LONGEST_SECONDS = 0.5, 10.0
HEALTHY_SECONDS = 60.0
"""A loop that ran this long starts again with the first wait."""


async def forever(name: str, loop: Callable[[], Awaitable[object]]) -> None:
    """Run `loop` until cancelled, again whenever it ends or fails."""
    clock = asyncio.get_running_loop()
    wait = FIRST_SECONDS
    while True:
        began = clock.time()
        try:
            await loop()
            log.warning("a background loop ended", loop=name)
        except Exception:
            log.exception("a background loop failed", loop=name)
        wait = FIRST_SECONDS if clock.time() - began > HEALTHY_SECONDS else min(wait * 2, LONGEST_SECONDS)
        await asyncio.sleep(wait * random.uniform(0.5, 1))


async def every(seconds: float, duty: Callable[[], Awaitable[object]]) -> None:
    """Run `duty` again and again, with a pause between."""
    while True:
        await duty()
        await asyncio.sleep(seconds)
