"""Several transfers between this disk and S3 at once, of which none outlives the call."""

import asyncio
from collections.abc import Callable, Iterable
from typing import TypeVar

from shared.artifacts import ArtifactStore

Made = TypeVar("Made")

CANCEL_SECONDS = 30.0
"""How long ended transfers may take to let go: each takes its parts back first, with requests of its own."""


async def together(store: ArtifactStore, transfers: Iterable[Callable[[], Made]]) -> list[Made]:
    """What each returned, in order. Each runs in a thread, which no cancel of ours would stop.

    So when one fails, or the job is cancelled, the others are ended and waited for: an upload that went on would
    leave parts in the bucket, a download would write into a folder that is being removed.
    """
    running = [asyncio.create_task(asyncio.to_thread(transfer)) for transfer in transfers]
    try:
        return await asyncio.gather(*map(asyncio.shield, running))
    finally:
        async with asyncio.timeout(CANCEL_SECONDS):
            while unfinished := {task for task in running if not task.done()}:
                store.cancel_transfers()  # again and again: one may not have come to its transfer yet
                await asyncio.wait(unfinished, timeout=0.1)
