"""LISTEN on one connection: wakes whoever waits for news of a generation, on any replica."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import psycopg
import structlog
from psycopg import sql

from orchestrator.store.database import BoundedConnection
from orchestrator.store.events import CHANNEL

log = structlog.get_logger()

RECONNECT_SECONDS = 1.0
CHECK_SECONDS = 10.0
"""A connection without news is asked for a sign of life this often."""


class Notices:
    def __init__(self, url: str) -> None:
        self._url = url
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._latest: dict[str, int] = {}
        self._numbers = count()

    @contextmanager
    def follow(self, generation_id: str) -> Iterator[asyncio.Event]:
        """An event that is set at each piece of news. Read the rows after you begin to follow, and after each wake;
        a lost connection wakes everybody, as news may have been missed.
        """
        news = asyncio.Event()
        if generation_id not in self._waiting:
            self._latest[generation_id] = next(self._numbers)  # what was read before may lack what nobody heard of
        self._waiting[generation_id].add(news)
        try:
            yield news
        finally:
            self._waiting[generation_id].discard(news)
            if not self._waiting[generation_id]:
                del self._waiting[generation_id], self._latest[generation_id]

    def latest(self, generation_id: str) -> int:
        """The number of the latest news of a generation that is being followed. What is read from now on holds it."""
        return self._latest[generation_id]

    async def listen(self) -> None:
        """Pass news on until cancelled."""
        while True:
            try:
                await self._listen_once()
            except psycopg.OperationalError as error:
                log.warning("lost the listening connection", reason=type(error).__name__)
            self._wake_all()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen_once(self) -> None:
        async with await BoundedConnection.connect(
            self._url, autocommit=True, connect_timeout=5, application_name="orchestrator-listen"
        ) as connection:
            await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
            self._wake_all()
            while True:
                async for notice in connection.notifies(timeout=CHECK_SECONDS):
                    self._wake(notice.payload)
                await connection.execute("SELECT 1")

    def _wake_all(self) -> None:
        for generation_id in self._waiting:
            self._wake(generation_id)

    def _wake(self, generation_id: str) -> None:
        if generation_id not in self._waiting:
            return
        self._latest[generation_id] = next(self._numbers)
        for news in self._waiting[generation_id]:
            news.set()
