import asyncio
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from orchestrator.queue import CANCEL, DELIVER, NAMES, PRUNE, SUBMIT
from shared.contracts.vocabulary import Stage
from tests.integration.orchestrator.cloud import Cloud, replica
from tests.integration.orchestrator.conftest import StartCloud
from tests.integration.orchestrator.test_orchestrator_faults import script
from tests.waiting import eventually


async def ready(cloud: Cloud) -> tuple[int, dict[str, Any]]:
    answer = await cloud.http.get("/readyz", timeout=30, headers={"Authorization": ""})
    return answer.status_code, answer.json()["checks"]


async def test_a_working_replica_is_alive_and_ready(cloud: Cloud) -> None:
    assert (await cloud.http.get("/healthz", headers={"Authorization": ""})).json() == {"status": "alive"}
    status, checks = await ready(cloud)
    assert status == 200
    assert set(checks) == {"database", "storage", *(f"endpoint_{stage}" for stage in Stage)}


async def test_without_storage_it_is_alive_but_not_ready(start_cloud: StartCloud, s3_settings: Any) -> None:
    nowhere = s3_settings.model_copy(update={"endpoint_url": "http://127.0.0.1:9"})
    async with start_cloud(s3=nowhere) as cloud:
        status, checks = await ready(cloud)
        assert status == 503
        assert checks["storage"].startswith("storage_unavailable")
        assert checks["database"] == "ok"
        assert (await cloud.http.get("/healthz")).status_code == 200


async def test_without_runpod_it_is_not_ready(cloud: Cloud) -> None:
    cloud.runpod.healthy = False
    status, checks = await ready(cloud)
    assert status == 503
    assert checks["endpoint_base_gen"].startswith("runpod_unavailable")


async def test_without_its_database_it_says_so_and_recovers(cloud: Cloud, postgres_url: str) -> None:
    name = urlsplit(cloud.database_url).path.removeprefix("/")

    def allow(connections: bool) -> None:
        change = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            admin.execute(change.format(sql.Identifier(name), sql.Literal(connections)))
            if not connections:
                admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))

    allow(connections=False)
    (status, checks), refused = await asyncio.gather(ready(cloud), cloud.http.get("/api/generations", timeout=30))
    assert (status, checks["database"] == "ok") == (503, False)
    assert (refused.status_code, refused.json()["code"]) == (503, "storage_unavailable")
    assert refused.headers["retry-after"]
    allow(connections=True)

    async def recovered() -> bool:
        return (await ready(cloud))[0] == 200

    await eventually(recovered)
    made = await cloud.create(spatial_upscale=False)
    assert (await cloud.ended(made["id"]))["state"] == "succeeded"


async def test_metrics_count_what_happened(cloud: Cloud) -> None:
    script(cloud, "worker_lost")
    await cloud.ended((await cloud.create(seed=3))["id"])
    await cloud.ended((await cloud.create(seed=3))["id"])
    cloud.runpod.worker = None
    live = await cloud.create()
    async with cloud.http.stream("GET", f"/api/generations/{live['id']}/events") as followed:
        lines = followed.aiter_lines()
        await anext(lines)
        text = (await cloud.http.get("/metrics")).text
    for line in (
        'ltx2_accepted_total{quality="fast",resolution="draft"} 3.0',
        'ltx2_stage_run_seconds_count{stage="base_gen",state="failed"} 1.0',
        "ltx2_followers 1.0",
        'ltx2_stage_runs_total{stage="base_gen",state="failed"} 1.0',
        'ltx2_stage_runs_total{stage="base_gen",state="succeeded"} 2.0',
        'ltx2_stage_reused_total{stage="base_gen"} 1.0',
        'ltx2_errors_total{code="worker_lost",stage="base_gen"} 1.0',
        'ltx2_generations_total{state="succeeded"} 2.0',
        'ltx2_credits_total{kind="charged"} 0.0',
    ):
        assert line in text, line
    assert "ltx2_live_generations{state=" in text
    assert float(value_of(text, "ltx2_events_told_total")) >= 1
    assert float(value_of(text, 'ltx2_runpod_requests_total{operation="run",outcome="ok"}')) >= 3
    assert 'ltx2_artifact_bytes_total{role="video",stage="spatial_upscale"} 14.0' in text
    assert 'route="/api/generations/{generation_id}"' in text
    assert cloud.settings.runpod_api_key.get_secret_value() not in text


def value_of(text: str, series: str) -> float:
    [value] = [line.rpartition(" ")[2] for line in text.splitlines() if line.startswith(f"{series} ")]
    return float(value)


async def test_metrics_say_what_is_late(cloud: Cloud) -> None:
    """A run that no worker takes, and a look at it that nobody takes."""
    cloud.runpod.worker = None
    made = await cloud.create()
    await cloud.seen(made["id"], "submitted")
    quiet = (await cloud.http.get("/metrics")).text
    assert value_of(quiet, 'ltx2_task_late_seconds{task="deliver"}') == 0
    assert value_of(quiet, 'ltx2_live_generations{state="queued"}') == 0
    # what a newer release has planned is left alone by the poller of this one
    await cloud.rows("UPDATE generations SET plan = jsonb_set(plan, '{stages,0,params,contract_version}', '99')")
    await cloud.rows(
        "UPDATE stage_runs SET submitted_at = now() - interval '100 s', next_poll_at = now() - interval '50 s',"
        " state = 'submitted', deadline_at = now() + interval '1 day'"
    )
    text = (await cloud.http.get("/metrics")).text
    waiting = value_of(text, 'ltx2_oldest_stage_run_seconds{stage="base_gen",state="submitted"}')
    assert 100 <= waiting < 200
    assert 50 <= value_of(text, "ltx2_poll_late_seconds") < 150


async def test_a_task_is_late_from_when_it_is_due(migrated_url: str) -> None:
    """On a queue that nobody works on: one has been due since 70 s, one since now, and one is for later."""
    async with replica(migrated_url) as over, over.database.transaction() as connection:
        await over.queue.defer(connection, DELIVER, delivery_id="x")
        await connection.execute("UPDATE procrastinate_jobs SET scheduled_at = now() - interval '70 s'")
        await over.queue.defer(connection, CANCEL, run_id="x", stage="base_gen", runpod_id="x")
        await over.queue.defer(connection, SUBMIT, after=60, run_id="x")
        late = await over.queue.late(connection)
    assert late.keys() == set(NAMES)
    assert 70 <= late[DELIVER] < 170
    assert 0 <= late[CANCEL] < 70
    assert (late[SUBMIT], late[PRUNE]) == (0, 0)


async def test_the_api_describes_itself(cloud: Cloud) -> None:
    document = (await cloud.http.get("/openapi.json")).json()
    assert {"/api/generations", "/api/generations/{generation_id}", "/api/quotes", "/api/uploads"} <= set(
        document["paths"]
    )
    assert (await cloud.http.get("/docs")).status_code == 200
