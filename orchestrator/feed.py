"""The events of a generation as messages, read and written once for all who follow it on this replica."""

import asyncio
import json
from dataclasses import dataclass

from orchestrator import views
from orchestrator.library import Library
from orchestrator.store import Database, Event, events
from orchestrator.store.notices import Notices
from shared.contracts.artifact import Artifact

PAGE = 100
"""Events that one read brings at most."""


@dataclass(frozen=True)
class Message:
    """One event as followers get it; URLs in it are made anew each time, for they live for an hour."""

    seq: int
    type: str
    text: str


@dataclass(frozen=True)
class Page:
    messages: tuple[Message, ...]
    ended: bool
    """The generation has ended, and no event comes after the last of a page that is not full."""

    @property
    def full(self) -> bool:
        return len(self.messages) == PAGE


class Feed:
    def __init__(self, database: Database, notices: Notices, library: Library) -> None:
        self._database = database
        self._notices = notices
        self._library = library
        self._reading: dict[tuple[str, int, int], asyncio.Task[Page]] = {}

    async def after(self, generation_id: str, seq: int) -> Page:
        """Events after number `seq` of a generation that the caller follows.

        Who asks while another is being answered the same shares the answer, unless there has been news since that one
        asked: it might have been read too soon.
        """
        key = generation_id, seq, self._notices.latest(generation_id)
        reading = self._reading.get(key)
        if reading is None:
            reading = asyncio.create_task(self._read(generation_id, seq))
            self._reading[key] = reading
            reading.add_done_callback(lambda _: self._reading.pop(key))
        return await asyncio.shield(reading)  # who leaves takes it from nobody

    async def _read(self, generation_id: str, seq: int) -> Page:
        async with self._database.statements() as connection:
            ended, found = await events.page(connection, generation_id, seq, limit=PAGE)
        return Page(tuple(self._message(event) for event in found), ended)

    def _message(self, event: Event) -> Message:
        data = dict(event.data)
        if event.type == "early_look":
            data["early_look"] = views.early_look(Artifact.model_validate(data["early_look"]), self._library)
        said = {"seq": event.seq, "at": event.at.isoformat(), "type": event.type, **data}
        return Message(event.seq, event.type, json.dumps(said, separators=(",", ":")))
