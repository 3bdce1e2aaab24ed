"""The events of a generation, live, from any replica: what sockets and server-sent events both tell."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated, Any

from fastapi import Query

from orchestrator import views
from orchestrator.api.services import Services
from orchestrator.store import Event, events, generations
from shared.contracts.artifact import Artifact

PAGE = 100
MAX_SEQ = 2**63 - 1  # bigint of Postgres
Seq = Annotated[int, Query(ge=0, le=MAX_SEQ)]
SEND_SECONDS = 10.0
"""Whoever takes longer to accept one message is dropped; it may come back and miss nothing."""


class LivedLongEnough(Exception):  # noqa: N818  no error: the client comes again
    """The stream has lived for `socket_seconds`, and the generation goes on."""


async def follow(services: Services, generation_id: str, seq: int) -> AsyncGenerator[Event | None, None]:
    """Events after number `seq`; None where a sign of life is due.

    Ends after the last event of a generation that has ended. LivedLongEnough: come again for the rest.
    """
    settings = services.settings
    loop = asyncio.get_running_loop()
    end = loop.time() + settings.socket_seconds
    with services.metrics.following(), services.notices.follow(generation_id) as news:
        while True:
            news.clear()
            async with services.database.transaction() as connection:
                # in this order: an end that is seen has its event in the page
                generation = await generations.get(connection, generation_id)
                page = await events.after(connection, generation_id, seq, limit=PAGE)
            for event in page:
                yield event
                seq = event.seq
                services.metrics.events.inc()
            if len(page) == PAGE:
                continue
            if generation is None or generation.state.final:
                return
            left = end - loop.time()
            if left <= 0:
                raise LivedLongEnough
            try:
                await asyncio.wait_for(news.wait(), min(left, settings.heartbeat_seconds))
            except TimeoutError:
                yield None


def shown(event: Event, services: Services) -> dict[str, Any]:
    """The message about an event; URLs in it are made anew each time, for they live for an hour."""
    data = dict(event.data)
    if event.type == "early_look":
        data["early_look"] = views.early_look(Artifact.model_validate(data["early_look"]), services.library)
    return {"seq": event.seq, "at": event.at.isoformat(), "type": event.type, **data}
