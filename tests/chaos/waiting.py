"""Waiting for a condition, with a deadline."""

import asyncio
import time
from collections.abc import Callable
from typing import Any


async def wait_until(true: Callable[[], Any], *, seconds: float, every: float = 0.1) -> float | None:
    """Seconds until `true()` is, awaited where it has to be; None when it was not in time."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        found = true()
        if await found if asyncio.iscoroutine(found) else found:
            return time.monotonic() - began
        await asyncio.sleep(every)
    return None
