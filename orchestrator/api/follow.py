"""The events of a generation, live, from any replica: what sockets and server-sent events both tell."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import Query

from orchestrator.api.services import Services
from orchestrator.feed import Message

MAX_SEQ = 2**63 - 1  # bigint of Postgres
Seq = Annotated[int, Query(ge=0, le=MAX_SEQ)]
SEND_SECONDS = 10.0
"""Whoever takes longer to accept one message is dropped; it may come back and miss nothing."""


class LivedLongEnough(Exception):  # noqa: N818  no error: the client comes again
    """The stream has lived for `socket_seconds`, and the generation goes on."""


async def follow(services: Services, generation_id: str, seq: int) -> AsyncGenerator[Message | None, None]:
    """Events after number `seq`; None where a sign of life is due.

    Ends after the last event of a generation that has ended. LivedLongEnough: come again for the rest.
    """
    settings = services.settings
    loop = asyncio.get_running_loop()
    end = loop.time() + settings.socket_seconds
    with services.metrics.following(), services.notices.follow(generation_id) as news:
        while True:
            news.clear()
            page = await services.feed.after(generation_id, seq)
            for message in page.messages:
                yield message
                seq = message.seq
                services.metrics.events.inc()
            if page.full:
                continue
            if page.ended:
                return
            left = end - loop.time()
            if left <= 0:
                raise LivedLongEnough
            try:
                await asyncio.wait_for(news.wait(), min(left, settings.heartbeat_seconds))
            except TimeoutError:
                yield None
