"""Nothing grows for ever, and nothing that lives is touched."""

import asyncio

from orchestrator.library import Library
from orchestrator.metrics import Metrics
from orchestrator.outside import Outside
from orchestrator.queue import PRUNE
from orchestrator.runpod_client import RunPodClient
from orchestrator.store import retention
from orchestrator.tasks import Tasks
from tests.integration.orchestrator.cloud import Cloud, Replica, replica
from tests.integration.orchestrator.test_orchestrator_faults import hold
from tests.waiting import eventually

HANGING_ON = ("stage_runs", "events", "deliveries", "idempotency_keys")


async def prune(cloud: Cloud) -> None:
    """As the periodic task does it: deferred once, run by a worker of the replica."""
    async with replica(cloud.database_url) as other, other.database.transaction() as connection:
        await other.queue.defer(connection, PRUNE, timestamp=0)

    async def done() -> bool:
        return await cloud.rows("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'prune'") == [(0,)]

    await eventually(done)


async def test_what_ended_long_ago_goes_with_all_that_hangs_on_it(cloud: Cloud) -> None:
    hook = {"webhook_url": f"{cloud.url}/healthz"}  # answers 405: the delivery stays a dead letter
    old, young = [
        (await cloud.ended((await cloud.create({"Idempotency-Key": name}, **hook))["id"]))["id"]
        for name in ("old", "young")
    ]
    living, _ = await hold(cloud)
    await cloud.http.post("/api/uploads", json={"media_type": "image/png", "bytes": 10})
    await cloud.rows("UPDATE uploads SET created_at = now() - interval '31 days'")
    await cloud.rows("UPDATE generations SET finished_at = now() - interval '31 days' WHERE id = %s", old)
    await cloud.rows("UPDATE generations SET finished_at = now() - interval '29 days' WHERE id = %s", young)
    await cloud.rows("UPDATE generations SET created_at = now() - interval '99 days'")
    await prune(cloud)
    left = {row[0] for row in await cloud.rows("SELECT id FROM generations")}
    assert left == {young, living}
    for table in HANGING_ON:
        rows = await cloud.rows(f"SELECT DISTINCT generation_id FROM {table}")  # noqa: S608  names of ours
        assert (old,) not in rows, table
        assert (young,) in rows, table
    assert await cloud.rows("SELECT count(*) FROM uploads") == [(0,)]
    assert (await cloud.http.get(f"/api/generations/{old}")).status_code == 404
    assert (await cloud.get(living))["state"] == "running"


async def test_jobs_of_the_queue_that_failed_long_ago_go(cloud: Cloud) -> None:
    await cloud.rows(
        "INSERT INTO procrastinate_jobs (queue_name, task_name, status)"
        " VALUES ('default', 'old', 'failed'), ('default', 'young', 'failed'), ('default', 'waiting', 'todo')"
    )
    await cloud.rows(
        "INSERT INTO procrastinate_events (job_id, type, at) SELECT id, 'failed', now() -"
        " CASE task_name WHEN 'old' THEN interval '31 days' ELSE interval '1 day' END FROM procrastinate_jobs"
        " WHERE status = 'failed'"
    )
    await cloud.rows("UPDATE procrastinate_events SET at = now() - interval '32 days' WHERE type <> 'failed'")
    await cloud.rows("UPDATE procrastinate_jobs SET scheduled_at = now() + interval '1 h' WHERE status = 'todo'")
    await prune(cloud)
    names = await cloud.rows("SELECT task_name FROM procrastinate_jobs ORDER BY task_name")
    assert names == [("waiting",), ("young",)]


async def test_many_replicas_may_prune_at_once(cloud: Cloud) -> None:
    made = [(await cloud.ended((await cloud.create())["id"]))["id"] for _ in range(4)]
    await cloud.rows("UPDATE generations SET finished_at = now() - interval '31 days'")

    async def delete(over: Replica) -> int:
        async with over.database.transaction() as connection:
            return await retention.delete_generations(connection, days=30)

    async with replica(cloud.database_url) as one, replica(cloud.database_url) as two:
        gone = await asyncio.gather(*(delete(over) for over in [one, two] * 3))
    assert sum(gone) == len(made)
    assert await cloud.rows("SELECT count(*) FROM generations") == [(0,)]


async def test_it_is_asked_for_every_hour(cloud: Cloud) -> None:
    metrics = Metrics()
    async with replica(cloud.database_url) as over:
        runpod = RunPodClient("http://127.0.0.1:1", "key", count=metrics.asked)
        Tasks(
            database=over.database,
            advance=over.advance,
            runpod=runpod,
            library=Library(cloud.store, presign_seconds=60),
            sender=Outside(cloud.settings.fetching),
            settings=cloud.settings,
            metrics=metrics,
        ).register(over.queue)
        await runpod.close()
        periodic = over.queue.app.periodic_registry.periodic_tasks.values()
    assert [(each.task.name, each.cron) for each in periodic] == [(PRUNE, "17 * * * *")]
