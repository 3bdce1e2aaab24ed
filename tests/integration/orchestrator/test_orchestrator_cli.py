"""The process itself: migrate (also by many at once), serve, and a polite end."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest

from orchestrator.queue import queue_migrations
from orchestrator.store.migrations import migrate, own_migrations
from shared.artifacts import S3Settings
from shared.contracts.vocabulary import Stage
from shared.ports import free_ports
from tests.integration.orchestrator.cloud import DRAFT, KEY, settings_for
from tests.integration.orchestrator.scripted_runpod import ScriptedRunPod, endpoint_of, make_app, serving
from tests.waiting import eventually

ROOT = Path(__file__).parents[3]
END_SECONDS = 10


def environment(database_url: str, s3: S3Settings, runpod_url: str, port: int) -> dict[str, str]:
    key = settings_for(database_url, s3, runpod_url).api_keys[0]
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "ENVIRONMENT": "local",
        "ALLOW_DRAFT": "true",
        "PORT": str(port),
        "DATABASE_URL": database_url,
        "RUNPOD_API_KEY": "key",  # pragma: allowlist secret
        "RUNPOD_ENDPOINT_BASE_URL": f"{runpod_url}/v2",
        **{f"RUNPOD_{stage.upper()}_ENDPOINT_ID": endpoint_of(stage) for stage in Stage},
        "API_KEYS": f"mivo:{key.sha256}",
        "POLL_SECONDS_MIN": "0.1",
        "S3_ENDPOINT_URL": s3.endpoint_url or "",
        "S3_BUCKET": s3.bucket,
        "S3_ACCESS_KEY_ID": s3.access_key_id,
        "S3_SECRET_ACCESS_KEY": s3.secret_access_key.get_secret_value(),
    }


async def command(*arguments: str, env: dict[str, str], log: Path) -> asyncio.subprocess.Process:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "orchestrator", *arguments, env=env, stdout=output, stderr=output
        )
    finally:
        os.close(output)


@asynccontextmanager
async def serve(env: dict[str, str], log: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, httpx.AsyncClient]]:
    process = await command("serve", env=env, log=log)
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{env['PORT']}",
            headers={"Authorization": f"Bearer {KEY}"},
            timeout=30,
            trust_env=False,
        ) as http:

            async def up() -> bool:
                assert process.returncode is None
                with suppress(httpx.TransportError):
                    return (await http.get("/readyz")).is_success
                return False

            await eventually(up, seconds=30)
            yield process, http
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_many_replicas_may_migrate_at_once_and_again(database_url: str) -> None:
    applied = await asyncio.gather(*(migrate(database_url, queue_migrations, own_migrations) for _ in range(4)))
    done = [names for names in applied if names]
    assert len(done) == 1
    assert "procrastinate/schema" in done[0]
    assert "0001_generations.sql" in done[0]
    assert await migrate(database_url, queue_migrations, own_migrations) == []


async def test_a_new_version_of_the_queue_is_brought_up_by_its_own_files(database_url: str) -> None:
    await migrate(database_url, queue_migrations, own_migrations)
    known = {f"procrastinate/{name}" for name in ("schema", "00.00.00_01_initial.sql")}
    left = [name for name, query in queue_migrations(known) if query]
    assert left
    assert all(name.startswith("procrastinate/0") for name in left)


async def test_serving_and_a_polite_end(database_url: str, s3_settings: S3Settings, tmp_path: Path) -> None:
    log = tmp_path / "orchestrator.log"
    runpod = ScriptedRunPod()
    async with serving(make_app(runpod)) as runpod.url:
        env = environment(database_url, s3_settings, runpod.url, free_ports(1)[0])
        migration = await command("migrate", env=env, log=log)
        assert await migration.wait() == 0, log.read_text()
        async with serve(env, log) as (process, http):
            made = (await http.post("/api/generations", json=DRAFT)).json()

            async def submitted() -> bool:
                found = (await http.get(f"/api/generations/{made['id']}")).json()
                return bool(found["stages"][0]["state"] == "submitted")

            await eventually(submitted)
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(END_SECONDS):
                assert await process.wait() == 0
    written = log.read_text()
    assert '"event": "stopped"' in written
    assert DRAFT["prompt"] not in written  # type: ignore[operator]
    assert KEY not in written


@pytest.mark.parametrize("arguments", [[], ["serve", "now"]])
async def test_a_wrong_command_says_what_there_is(arguments: list[str], tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = await command(*arguments, env={"PYTHONPATH": str(ROOT)}, log=log)
    assert await process.wait() == 2
    assert "serve|migrate" in log.read_text()


async def test_a_wrong_environment_stops_the_start(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = await command("serve", env={"PYTHONPATH": str(ROOT)}, log=log)
    assert await process.wait() == 1
    assert "DATABASE_URL: is missing" in log.read_text()
