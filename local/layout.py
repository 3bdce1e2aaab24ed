"""What the local cloud consists of: addresses, keys, and the environment of each process. No process starts here."""

import hashlib
import json
import os
import secrets
import shlex
import sys
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.comfyui_preview.service.times import ServiceTimes
from local.seaweed import Seaweed
from shared.contracts.vocabulary import Stage

PYTHON = sys.executable
ROOT = Path(__file__).parents[1]
STATE = Path(".local/up")
"""Folder of the cloud that `make up` starts."""
PREVIEW = f"{PYTHON} -m local.comfyui_preview"
INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR")
REAL_ENGINE = ("COMFYUI_URL", "COMFYUI_DIR", "COMFYUI_PYTHON", "COMFYUI_BASE_DIR", "COMFYUI_EXTRA_ARGS")


@dataclass(frozen=True)
class Options:
    """What may be chosen. `gateway`, `orchestrator` and `worker` are settings laid over the defaults."""

    state: Path
    workers: Mapping[Stage, int] = field(default_factory=lambda: dict.fromkeys(Stage, 1))
    orchestrators: int = 1
    port: int = 8080
    """Of the first orchestrator, when it is free; 0 takes any."""
    gateway: Mapping[str, str] = field(default_factory=dict)
    orchestrator: Mapping[str, str] = field(default_factory=dict)
    worker: Mapping[str, str] = field(default_factory=dict)
    service_times: ServiceTimes | None = None
    """Sleep so long and deliver stock footage instead of rendering anything (docs/load.md)."""
    worker_runpod_url: str | None = None
    """What workers are told instead of the gateway's own base URL, e.g. that of a proxy between the two."""

    @property
    def engine(self) -> str:
        """Which ComfyUI renders; each keeps its artifacts in a bucket of its own, so that none adopts another's."""
        if self.service_times is not None:
            return "service"
        if os.environ.get("COMFYUI_URL") or os.environ.get("COMFYUI_DIR"):
            return "comfyui"
        return "preview"

    @property
    def bucket(self) -> str:
        return f"ltx2-{self.engine}"


@dataclass(frozen=True)
class Keys:
    """Made once per state folder. For loopback only."""

    api: str
    admin: str
    runpod: str
    s3_id: str
    s3_secret: str
    webhook: str

    @classmethod
    def of(cls, state: Path) -> "Keys":
        path = state / "keys.json"
        drawn = {
            "api": secrets.token_urlsafe(24),
            "admin": secrets.token_urlsafe(24),
            "runpod": secrets.token_urlsafe(24),
            "s3_id": secrets.token_hex(8),
            "s3_secret": secrets.token_urlsafe(24),
            "webhook": f"whsec_{b64encode(secrets.token_bytes(32)).decode()}",
        }
        kept = json.loads(path.read_text()) if path.exists() else {}
        if kept.keys() != drawn.keys():  # a folder of an older release lacks the newer ones
            path.touch(mode=0o600)
            path.write_text(json.dumps(drawn | kept))
        return cls(**(drawn | kept))


@dataclass(frozen=True)
class Layout:
    """Everything that is fixed before the first process starts."""

    options: Options
    keys: Keys
    storage: Seaweed
    gateway_port: int
    api_ports: tuple[int, ...]

    @property
    def gateway_url(self) -> str:
        return f"http://127.0.0.1:{self.gateway_port}"

    @property
    def runpod_base_url(self) -> str:
        """What RunPod's SDK and our client call the endpoint base URL."""
        return f"{self.gateway_url}/v2"

    @property
    def api_urls(self) -> tuple[str, ...]:
        return tuple(f"http://127.0.0.1:{port}" for port in self.api_ports)

    @property
    def service_times(self) -> Path:
        """The file that says how long engines sleep, where they do."""
        return self.options.state / "service" / "times.json"

    def endpoint(self, stage: Stage) -> str:
        """The id of a stage's serverless endpoint."""
        return f"local-{stage.replace('_', '-')}"

    def _common(self) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        home = self.options.state / "home"  # away from ~/.runpod/config.toml, which would change a worker's key
        return {**inherited, "HOME": str(home), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}

    def s3(self, who: str | None = None) -> dict[str, str]:
        """S3_* of the operator, or of a component, which may do no more than its policy allows."""
        keys = self.storage.identity(who) if who else self.storage
        return {
            "S3_ENDPOINT_URL": self.storage.endpoint_url,
            "S3_BUCKET": self.options.bucket,
            "S3_ACCESS_KEY_ID": keys.access_key_id,
            "S3_SECRET_ACCESS_KEY": keys.secret_access_key,
            "S3_PATH_STYLE": "true",
        }

    def plain_env(self) -> dict[str, str]:
        return self._common()

    def gateway_env(self, database_url: str) -> dict[str, str]:
        return {
            **self._common(),
            "GATEWAY_DATABASE_URL": database_url,
            "GATEWAY_PORT": str(self.gateway_port),
            "GATEWAY_API_KEYS": self.keys.runpod,
            "GATEWAY_ENDPOINTS": ",".join(self.endpoint(stage) for stage in Stage),
            "GATEWAY_LEASE_SECONDS": "6",  # the workers here ping every second
            "GATEWAY_HOLD_SECONDS": "10",
            **self.options.gateway,
        }

    def orchestrator_env(self, database_url: str, port: int) -> dict[str, str]:
        user, operator = (hashlib.sha256(key.encode()).hexdigest() for key in (self.keys.api, self.keys.admin))
        return {
            **self._common(),
            **self.s3("orchestrator"),
            "ENVIRONMENT": "local",
            "PORT": str(port),
            "PUBLIC_URL": f"http://127.0.0.1:{port}",
            "DATABASE_URL": database_url,
            "RUNPOD_API_KEY": self.keys.runpod,
            "RUNPOD_ENDPOINT_BASE_URL": self.runpod_base_url,
            **{f"RUNPOD_{stage.upper()}_ENDPOINT_ID": self.endpoint(stage) for stage in Stage},
            "API_KEYS": f"local:{user}:debug operator:{operator}:admin",
            "WEBHOOK_SECRETS": self.keys.webhook,
            "ALLOW_DRAFT": "true",
            "RATE_PER_SECOND": "1000",  # one machine's only user may do as they like
            "RATE_BURST": "2000",
            "IN_FLIGHT_LIMIT": "10000",
            "ALLOW_HTTP_URLS": "true",
            "POLL_SECONDS_MIN": "0.5",
            "POLL_SECONDS_MAX": "2",
            **self.options.orchestrator,
        }

    def _engine(self, worker_id: str) -> dict[str, str]:
        """The real ComfyUI as the caller's environment names it, else a preview engine for each worker.

        A checkout's own folders are its base directory unless another is named: there are its models and node
        packs. Workers may share them, because every file of an execution has a name of its own.
        """
        own = {"WORKER_PARTIAL": "true"}  # neither the preview nor a developer's ComfyUI need have every model
        if self.options.engine != "comfyui":
            base = self.options.state / "comfyui" / worker_id
            sleeps = f" --service-times {shlex.quote(str(self.service_times))}" if self.options.service_times else ""
            return {"COMFYUI_COMMAND": PREVIEW + sleeps, "COMFYUI_BASE_DIR": str(base), **own}
        given = {name: os.environ[name] for name in REAL_ENGINE if os.environ.get(name)}
        return {"COMFYUI_BASE_DIR": given.get("COMFYUI_DIR", "comfyui"), **own, **given}

    def worker_env(self, stage: Stage, worker_id: str) -> dict[str, str]:
        """As RunPod sets it, with our gateway in RunPod's place (facts/runpod.md section D)."""
        base = f"{self.options.worker_runpod_url or self.runpod_base_url}/{self.endpoint(stage)}"
        who = "gpu=local&session={life}"  # tells the gateway a restarted worker from the one before it
        return {
            **self._common(),
            **self.s3(stage),
            **self._engine(worker_id),
            "RUNPOD_POD_ID": worker_id,
            "RUNPOD_ENDPOINT_ID": self.endpoint(stage),
            "RUNPOD_AI_API_KEY": self.keys.runpod,
            "RUNPOD_PING_INTERVAL": "1000",
            "RUNPOD_WEBHOOK_GET_JOB": f"{base}/job-take/$ID?{who}",
            "RUNPOD_WEBHOOK_POST_OUTPUT": f"{base}/job-done/$RUNPOD_POD_ID/$ID?{who}",
            "RUNPOD_WEBHOOK_POST_STREAM": f"{base}/job-stream/$RUNPOD_POD_ID/$ID?{who}",
            "RUNPOD_WEBHOOK_PING": f"{base}/ping/$RUNPOD_POD_ID?{who}",
            "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
            "RUNPOD_SKIP_GPU_CHECK": "true",
            "RUNPOD_LOG_LEVEL": "INFO",
            **self.options.worker,
        }
