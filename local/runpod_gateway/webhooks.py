"""Outgoing webhooks: the content of /status, up to three tries, any answer but 200 counts as a miss.

RunPod documents 1 + 2 tries, 10 s apart, and no signature (facts/runpod.md, section A).
"""

import asyncio
from contextlib import suppress
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import psycopg
import structlog
from psycopg.rows import DictRow

from local.runpod_gateway.bells import WEBHOOK_BELL, Bells
from local.runpod_gateway.database import Database

log = structlog.get_logger("gateway.webhooks")

MAX_TRIES = 3
AT_ONCE = 20
_CLAIM = """UPDATE runpod_gateway.webhooks SET tries = tries + 1, next_at = now() + %s
            WHERE id IN (SELECT id FROM runpod_gateway.webhooks WHERE next_at <= now() ORDER BY next_at
                         LIMIT %s FOR UPDATE SKIP LOCKED) RETURNING *"""
_FORGET = "DELETE FROM runpod_gateway.webhooks WHERE id = %s"
_FORGET_SPENT = "DELETE FROM runpod_gateway.webhooks WHERE tries >= %s AND next_at <= now()"


class WebhookSender:
    """Claims due webhooks and posts them. A try counts when it is claimed, so a crash cannot repeat it for ever."""

    def __init__(self, database: Database, bells: Bells, gap_seconds: float, timeout_seconds: float) -> None:
        self._database = database
        self._bells = bells
        # The next try may not start while this one runs.
        self._gap = timedelta(seconds=gap_seconds + timeout_seconds)
        self._wait = timedelta(seconds=gap_seconds)
        self._timeout = timeout_seconds

    async def run(self) -> None:
        async with httpx.AsyncClient(timeout=self._timeout) as client:
            with self._bells.listen(WEBHOOK_BELL) as bell:
                while True:
                    bell.clear()
                    try:
                        await self._round(client)
                    except* (psycopg.OperationalError, OSError) as errors:  # alone, or out of the task group
                        log.warning("webhooks wait for the database", errors=len(errors.exceptions))
                    with suppress(TimeoutError):
                        await asyncio.wait_for(bell.wait(), 1.0)

    async def _round(self, client: httpx.AsyncClient) -> None:
        async with self._database.transaction() as tx:
            await tx.connection.execute(_FORGET_SPENT, [MAX_TRIES])
            rows = await (await tx.connection.execute(_CLAIM, [self._gap, AT_ONCE])).fetchall()
        async with asyncio.TaskGroup() as group:
            for row in rows:
                group.create_task(self._deliver(client, row))

    async def _deliver(self, client: httpx.AsyncClient, row: DictRow) -> None:
        try:
            answer = await client.post(row["url"], json=row["body"])
            outcome: int | str = answer.status_code
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            outcome = type(error).__name__
        delivered = outcome == httpx.codes.OK
        spent = delivered or row["tries"] >= MAX_TRIES
        async with self._database.transaction() as tx:
            if spent:
                await tx.connection.execute(_FORGET, [row["id"]])
            else:
                query = "UPDATE runpod_gateway.webhooks SET next_at = now() + %s WHERE id = %s"
                await tx.connection.execute(query, [self._wait, row["id"]])
        level = log.info if delivered else log.warning
        host = urlsplit(row["url"]).netloc  # no more of the URL: it holds the receiver's token
        level(
            "webhook",
            id=row["job_id"],
            host=host,
            outcome=outcome,
            tries=row["tries"],
            given_up=spent and not delivered,
        )
