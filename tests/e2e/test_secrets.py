"""A whole generation on the local cloud, with everything that may carry a secret, and then a look into what is left."""

import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from standardwebhooks.webhooks import Webhook
from websockets.sync.client import connect

from local import postgres
from local.layout import Options
from local.picture import lighthouse
from tests.fixtures_cloud import RunningCloud, running_cloud
from tests.leaks import leaked, leaks
from tests.waiting import wait_for

MARK = "periwinkle-parliament"


@contextmanager
def receiver() -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """Takes webhooks: its URL, and what came."""
    taken: list[tuple[dict[str, str], bytes]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append((dict(self.headers), self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hook", taken
        server.shutdown()


@pytest.fixture
def secret_words() -> dict[str, str]:
    names = ("database password", "query of an image", "query of a webhook", "wrong key", "word in a broken body")
    return {name: f"{name.replace(' ', '-')}-{secrets.token_urlsafe(16)}" for name in names}


@pytest.fixture
def own_cloud(tmp_path: Path, secret_words: dict[str, str]) -> Iterator[RunningCloud]:
    parts = urlsplit(postgres.url((tmp_path / "postgres").resolve()))
    user = f"postgres:{secret_words['database password']}@"
    database = parts._replace(netloc=user, path="/orchestrator").geturl()
    # debug: even then
    told = {"DATABASE_URL": database, "LOG_LEVEL": "debug"}
    with running_cloud(Options(state=tmp_path, port=0, orchestrator=told)) as running:
        yield running


def use_everything(cloud: RunningCloud, words: dict[str, str], hook: str) -> list[str]:
    """What is answered, where it might repeat a secret."""
    api, said = cloud.api, []
    draft = {"prompt": f"{MARK} at dusk", "resolution": "draft", "duration": 1, "spatial_upscale": False}
    made = cloud.create(
        **draft, upload_id=cloud.upload(lighthouse()), webhook_url=f"{hook}?t={words['query of a webhook']}"
    )
    follow(cloud, made["id"])
    said.append(json.dumps(cloud.finish(made["id"])["stages"]))
    unreachable = f"http://127.0.0.1:9/a.png?X-Amz-Signature={words['query of an image']}"
    said.append(api.post("/api/generations", json={**draft, "image_urls": [unreachable]}).text)
    said.append(api.post("/api/generations", json={**draft, "camera": words["word in a broken body"]}).text)
    said.append(api.post("/api/generations", content=words["word in a broken body"].encode()).text)
    said.append(api.get("/api/generations", headers={"Authorization": f"Bearer {words['wrong key']}"}).text)
    for given in ({"prompt": f"{MARK} by hand", "camera": 5}, {"prompt": f"{MARK} by hand", "contract_version": MARK}):
        run = api.post("/api/stages/base_gen", json=given).json()["urls"]["self"]
        said.append(json.dumps(failed(cloud, run)))
    operator = {"Authorization": f"Bearer {cloud.cloud.facts.admin_key}"}
    said += [api.get(f"/api/admin/{path}", headers=operator).text for path in ("overview", f"generations/{made['id']}")]
    said += [
        api.get("/readyz").text,
        api.get("/metrics").text,
        httpx.get(f"{cloud.cloud.facts.api_url}/metrics", trust_env=False).text,
    ]
    return said


def failed(cloud: RunningCloud, run: str) -> dict[str, Any]:
    def ended() -> dict[str, Any] | None:
        shown: dict[str, Any] = cloud.api.get(run).json()
        return shown if shown["status"] in {"FAILED", "COMPLETED"} else None

    found = wait_for(ended, what="a raw stage input to end")
    assert found["status"] == "FAILED"
    return found


def follow(cloud: RunningCloud, generation_id: str) -> None:
    """The progress socket as a browser opens it: with the key among the subprotocols."""
    facts = cloud.cloud.facts
    url = f"{facts.api_url.replace('http', 'ws', 1)}/api/generations/{generation_id}/progress"
    with connect(url, subprotocols=["ltx2.progress", f"bearer.{facts.api_key}"], proxy=None) as socket:  # type: ignore[list-item]
        assert json.loads(socket.recv(30))["seq"] == 1


def stored(database_url: str, table: str) -> str:
    with psycopg.connect(database_url) as connection:
        return str(connection.execute(f"SELECT t::text FROM {table} AS t".encode()).fetchall())  # noqa: S608  ours


def test_secrets_reach_neither_logs_nor_errors_nor_events_nor_metrics(
    own_cloud: RunningCloud, secret_words: dict[str, str]
) -> None:
    facts, storage = own_cloud.cloud.facts, own_cloud.cloud.layout.storage
    with receiver() as (hook, taken):
        said = use_everything(own_cloud, secret_words, hook)
        wait_for(lambda: taken, what="the webhook")
    headers, body = taken[0]
    told = Webhook(facts.webhook_secret).verify(body.decode(), headers)
    with psycopg.connect(facts.database_url) as connection:
        tokens = connection.execute("SELECT id, token FROM stage_runs").fetchall()
    hidden = {
        **secret_words,
        "the prompt": MARK,
        "the API key": facts.api_key,
        "the admin key": facts.admin_key,
        "the RunPod key": facts.runpod_key,
        "the webhook secret": facts.webhook_secret,
        "the webhook's signature": dict(headers)["webhook-signature"].partition(",")[2],
        "the S3 operator's secret": storage.secret_access_key,
        **{f"the S3 secret of {each.name}": each.secret_access_key for each in storage.identities},
        "a signature of a presigned URL": "X-Amz-Signature=",
        "a presigned URL": told["data"]["result"]["video_url"].partition("?")[2],
        **{f"the token of run {run}": token for run, token in tokens},
    }
    assert len(tokens) == 1
    events = stored(facts.database_url, "events")
    assert "generation.succeeded" in events
    assert "ltx2_stage_runs_total" in said[-2]
    for text in (
        *said,
        events,
        stored(facts.database_url, "deliveries"),
        stored(facts.database_url, "procrastinate_jobs"),
    ):
        assert leaked(text, hidden) == [], "an answer, an event or a task holds these"
    logs = own_cloud.cloud.supervisor.logs
    names = {path.stem for path in logs.iterdir()}
    assert {
        "orchestrator-0",
        "gateway",
        "base_gen-0",
        "spatial_upscale-0",
        "temporal_upscale-0",
        "s3",
        "postgres",
    } <= names
    assert own_cloud.get(str(told["data"]["id"])) is not None
    assert leaks(logs, hidden) == []
