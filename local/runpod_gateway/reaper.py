"""The periodic look at the clock: leases, execution timeouts, ttl and retention."""

import asyncio

import psycopg
import structlog

from local.runpod_gateway.store import JobStore

log = structlog.get_logger("gateway.reaper")


async def reap_forever(jobs: JobStore, every_seconds: float) -> None:
    """Sweep again and again. At the start, and after the database was away, every lease begins anew: the workers
    could not renew theirs, and their work is not to be done twice for that.
    """
    renew = True
    while True:
        try:
            if renew:
                await jobs.renew_all()
                renew = False
            while await jobs.sweep():  # a full batch may have left some
                pass
        except (psycopg.OperationalError, OSError) as error:
            renew = True
            log.warning("the reaper waits for the database", error=type(error).__name__)
        await asyncio.sleep(every_seconds)
