"""LISTEN on one connection: wakes whoever waits for news of a generation, on any replica."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

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

    @contextmanager
    def follow(self, generation_id: str) -> Iterator[asyncio.Event]:
        """An event that is set at each piece of news. Read the rows after you begin to follow, and after each wake;
        a lost connection wakes everybody, as news may have been missed.
        """
        news = asyncio.Event()
        self._waiting[generation_id].add(news)
        try:
            yield news
        finally:
            self._waiting[generation_id].discard(news)
            if not self._waiting[generation_id]:
                del self._waiting[generation_id]

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
                    for news in self._waiting.get(notice.payload, ()):
                        news.set()
                await connection.execute("SELECT 1")

    def _wake_all(self) -> None:
        for group in self._waiting.values():
            for news in group:
                news.set()
