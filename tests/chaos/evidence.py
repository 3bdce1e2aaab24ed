"""What is left when it is over: collected from outside, past every proxy."""

import asyncio
import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psycopg

from local import postgres
from shared import media
from shared.artifacts import S3Settings
from shared.artifacts.client import MISSING, code_of, connect
from shared.contracts.artifact import manifest_key
from shared.contracts.vocabulary import Stage
from shared.errors import MivoError
from shared.media.probe import MediaInfo
from tests import processes
from tests.chaos.cloud import ChaosCloud
from tests.chaos.plan import PROMPT_MARK
from tests.chaos.receiver import Arrival
from tests.chaos.renders import Render, all_renders
from tests.chaos.users import Told

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PROBES_AT_ONCE = 2


@dataclass(frozen=True)
class Upload:
    """A multipart upload that nobody finished or gave up."""

    key: str
    initiated: datetime


@dataclass
class Evidence:
    told: list[Told]
    listed: list[str] = field(default_factory=list)
    """Ids of all generations, as the API lists them."""
    endings: dict[str, int] = field(default_factory=dict)
    """Generation -> how many events say that it ended."""
    videos: dict[str, MediaInfo | str] = field(default_factory=dict)
    """Generation -> what its video is, or why nobody knows."""
    renders: list[Render] = field(default_factory=list)
    commits: dict[str, datetime] = field(default_factory=dict)
    """stage_key -> when the manifest that stands was written, by S3's clock, to the second below."""
    live_jobs: dict[str, int] = field(default_factory=dict)
    """Endpoint -> jobs that wait or run."""
    uploads: list[Upload] = field(default_factory=list)
    uploads_expire: bool = False
    """Whether the bucket's lifecycle rule ends unfinished uploads."""
    strays: list[str] = field(default_factory=list)
    """Processes of this cloud that hang below none that the supervisor knows."""
    left: list[str] = field(default_factory=list)
    """Processes after the stop."""
    arrivals: list[Arrival] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    """Which log holds which secret."""
    unexpected: list[str] = field(default_factory=list)
    """Answers of 500."""


async def collect(cloud: ChaosCloud, told: list[Told], arrivals: list[Arrival], unexpected: list[str]) -> Evidence:
    """Everything but what shows only after the stop: `left` and `leaks`."""
    found = Evidence(told, arrivals=arrivals, unexpected=unexpected)
    found.listed = await _listed(cloud)
    rows = await cloud.rows(
        "SELECT generation_id, count(*) AS times FROM events"
        " WHERE type IN ('generation.succeeded', 'generation.failed', 'generation.canceled') GROUP BY 1"
    )
    found.endings = {row["generation_id"]: row["times"] for row in rows}
    gate = asyncio.Semaphore(PROBES_AT_ONCE)
    succeeded = [one for one in told if one.shown.get("state") == "succeeded"]
    infos = await asyncio.gather(*(_video(cloud, one.id, gate) for one in succeeded))
    found.videos = {one.id: info for one, info in zip(succeeded, infos, strict=True)}
    found.renders = all_renders(cloud.cloud.supervisor.logs)
    found.live_jobs = await live_jobs(cloud)
    found.strays = strays(cloud)
    await asyncio.to_thread(_look_into_s3, cloud, found)
    return found


async def live_jobs(cloud: ChaosCloud) -> dict[str, int]:
    """Endpoint -> jobs that wait or run for nobody.

    One whose work was adopted by its manifest is no orphan: its result is stuck between the worker and RunPod, and
    ends with the SDK's own time for it (10 minutes).
    """
    url = postgres.url(cloud.state / "postgres", "gateway")
    async with await psycopg.AsyncConnection.connect(url, connect_timeout=5) as connection:
        cursor = await connection.execute(
            "SELECT id, endpoint FROM runpod_gateway.jobs WHERE state IN ('IN_QUEUE', 'IN_PROGRESS')"
        )
        live: dict[str, str] = dict(await cursor.fetchall())
    adopted = await cloud.rows(
        "SELECT runpod_id FROM stage_runs WHERE state = 'succeeded' AND runpod_id = ANY(%(ids)s)", ids=list(live)
    )
    return dict(Counter(live[job] for job in live.keys() - {row["runpod_id"] for row in adopted}))


async def _listed(cloud: ChaosCloud) -> list[str]:
    ids: list[str] = []
    before: int | None = None
    while True:
        options = {"limit": 100} | ({"before": before} if before else {})
        page = (await cloud.users[0].get("/api/generations", params=options)).raise_for_status().json()
        ids += [row["id"] for row in page["generations"]]
        before = page["next"]
        if before is None:
            return ids


async def _video(cloud: ChaosCloud, generation_id: str, gate: asyncio.Semaphore) -> MediaInfo | str:
    """As its user gets it, by the presigned URL."""
    async with gate:
        shown = (await cloud.users[0].get(f"/api/generations/{generation_id}")).raise_for_status().json()
        result: dict[str, Any] = shown.get("result", {})
        with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
            try:
                async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
                    body = (await client.get(result["video_url"])).raise_for_status().content
                file.write(body)
                file.flush()
                if hashlib.sha256(body).hexdigest() != result["sha256"]:
                    return "its sha256 is not the one that was promised"
                return await media.probe(Path(file.name))
            except (KeyError, httpx.HTTPError, MivoError) as error:
                return f"{type(error).__name__}: {str(error).partition('?')[0]}"


def strays(cloud: ChaosCloud) -> list[str]:
    found = {process.pid: process for process in processes.naming(cloud.state)}
    names = [*cloud.cloud.supervisor.restarts, *(name for name in _services(cloud))]
    known = {pid for name in names if (pid := cloud.cloud.supervisor.pid(name)) is not None}
    orphans = []
    for process in found.values():
        line = process
        while line.pid not in known and line.parent in found:
            line = found[line.parent]
        if line.pid not in known:
            orphans.append(process.command)
    return orphans


def _services(cloud: ChaosCloud) -> Iterable[str]:
    return (log.stem for log in cloud.cloud.supervisor.logs.glob("*.log"))


def _look_into_s3(cloud: ChaosCloud, found: Evidence) -> None:
    values = {name.removeprefix("S3_").lower(): value for name, value in cloud.facts.s3.items()}
    settings = S3Settings.model_validate(values)
    client: S3Client = connect(settings)
    try:
        for stage_key, stage in {render.stage_key: render.stage for render in found.renders}.items():
            try:
                head = client.head_object(Bucket=settings.bucket, Key=manifest_key(Stage(stage), stage_key))
            except client.exceptions.ClientError as error:
                if code_of(error) not in MISSING:
                    raise
            else:
                found.commits[stage_key] = head["LastModified"]
        for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=settings.bucket):
            found.uploads += [Upload(one["Key"], one["Initiated"]) for one in page.get("Uploads", [])]
        rules = client.get_bucket_lifecycle_configuration(Bucket=settings.bucket)["Rules"]
        found.uploads_expire = any("AbortIncompleteMultipartUpload" in rule for rule in rules)
    finally:
        client.close()


async def secrets_of(cloud: ChaosCloud) -> dict[str, str]:
    """What no log may hold, by name."""
    facts = cloud.facts
    tokens = await cloud.rows("SELECT id, token FROM stage_runs")
    return {
        "the API key": facts.api_key,
        "the RunPod key": facts.runpod_key,
        "the S3 secret": facts.s3["S3_SECRET_ACCESS_KEY"],
        **{f"the S3 secret of {who.name}": who.secret_access_key for who in cloud.cloud.layout.storage.identities},
        "the webhook secret": facts.webhook_secret,
        "the database password": cloud.password,
        "a presigned URL": "X-Amz-Signature",
        "a prompt": PROMPT_MARK,
        **{f"the callback token of run {row['id']}": row["token"] for row in tokens},
    }
