"""The desired state, read from `endpoints.toml`. A wrong file is refused with one message that names every problem.

Sources, by field: "v2" is RunPod's REST API v2 as its OpenAPI document has it (github runpod/docs,
`api-reference-v2/openapi.json`, August 2026; `CreateEndpointRequest`, `CreateNetworkVolumeRequest`); other names are
pages of docs.runpod.io.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings

from shared.contracts.vocabulary import Frozen, Stage
from shared.errors import UserError
from shared.worker.settings import WorkerSettings

T = TypeVar("T", bound=BaseSettings)

FILE = Path(__file__).with_name("endpoints.toml")
SECRET = re.compile(r"TOKEN|SECRET|PASSWORD|API_?KEY|ACCESS_KEY", re.IGNORECASE)
"""Names of variables whose value may not stand in the file."""


def _bare(name: str) -> str:
    if name.upper().startswith("RUNPOD"):
        raise ValueError("the name of the secret alone, without RUNPOD_SECRET_")
    return name


Words = Annotated[str, StringConstraints(pattern=r"^\S(.*\S)?$")]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]
SecretName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,190}$"), AfterValidator(_bare)]
"""What follows `RUNPOD_SECRET_` in a reference (page pods/templates/secrets)."""
PoolId = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9_]+$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,60}$")]


class Release(Frozen):
    """Which images run."""

    registry: str = Field(pattern=r"^[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)*$")
    tag: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,100}$")
    credential: Words | None = None
    """Name of a container registry credential of the account (v2: `registry`, its id); None for public images."""

    @field_validator("tag")
    @classmethod
    def _is_a_version(cls, tag: str) -> str:
        if tag == "latest":
            raise ValueError("`latest` leaves workers on the old image (page serverless/endpoints/rolling-releases)")
        return tag


class Volume(Frozen):
    """A network volume (v2: `CreateNetworkVolumeRequest`). It can grow; data centre and type are for ever."""

    name: Name
    size_gb: int = Field(ge=10, le=4096)
    data_center: Words
    type: Literal["STANDARD", "HIGH_PERFORMANCE"] | None = None
    """None: what the data centre has, and never compared."""


class Endpoint(Frozen):
    """One serverless endpoint (v2: `CreateEndpointRequest`). Ports it has none: workers fetch their jobs."""

    stage: Stage
    large: bool = False
    """The larger machines of a stage, for runs that ran out of memory (`RUNPOD_<STAGE>_LARGE_ENDPOINT_ID`)."""
    image: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    variant: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9-]*$")
    """What docker-bake.hcl puts behind the tag: `baked`, `fp8-fast`."""
    vram_gb: int = Field(ge=1)
    """Least memory of a GPU, in GB as RunPod's catalogue counts; every card that the pools allow is held to it."""
    gpu_pools: tuple[PoolId, ...] = Field(min_length=1)
    """v2 `gpu.pools`: workers are placed on whichever has capacity."""
    excluded_gpus: tuple[Words, ...] = ()
    """v2 `gpu.excludedTypes`: GPU ids to take out of the pools."""
    gpu_count: int = Field(default=1, ge=1, le=1)
    """v2 `gpu.count`. ComfyUI uses one."""
    min_cuda_version: str = Field(default="12.8", pattern=r"^\d+\.\d+$")
    """v2 `gpu.minCudaVersion`. torch's wheels bring CUDA 12.8 (docs/deploy.md)."""
    workers_min: int = Field(ge=0)
    """v2 `workers.min`: always on, and always paid."""
    workers_max: int = Field(ge=0)
    scaler: Literal["queue_delay", "request_count"]
    scaler_value: float = Field(ge=0.5)
    """v2 `scaling.queueDelay`, seconds that a job may wait before a worker is added; or `scaling.requestCount`, jobs
    a worker."""
    idle_timeout_seconds: int | None = Field(default=None, ge=1, le=3600)
    """v2 `workers.idleTimeout`; refused there with `request_count`."""
    execution_timeout_seconds: int = Field(ge=5, le=7 * 24 * 3600)
    """v2 `timeout`, there in milliseconds; the bounds are those of page endpoints/endpoint-configurations. Of jobs that
    bring no `executionTimeout` of their own; the orchestrator's always do."""
    flashboot: bool
    """v2 `flashboot`, whose default is OFF."""
    container_disk_gb: int = Field(ge=1)
    """v2 `disk`. `findings.disk` says how much the stage needs."""
    data_centers: tuple[Words, ...] = ()
    """v2 `dataCenterIds`; empty: all, which finds GPUs soonest."""
    volumes: tuple[Name, ...] = ()
    """v2 `networkVolumes`, by name; one a data centre, of which a worker gets that of its own."""
    env: dict[Variable, str] = Field(default_factory=dict)
    secrets: dict[Variable, SecretName] = Field(default_factory=dict)
    """Variable -> name of a secret of the account."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.workers_min > self.workers_max:
            raise ValueError("workers_min is larger than workers_max")
        if self.scaler == "request_count":
            if self.idle_timeout_seconds is not None:
                raise ValueError("RunPod refuses idle_timeout_seconds with the scaler request_count")
            if not self.scaler_value.is_integer():
                raise ValueError("scaler_value counts jobs with request_count")
        elif self.idle_timeout_seconds is None:
            raise ValueError("idle_timeout_seconds is needed with queue_delay")
        return self

    @property
    def key(self) -> str:
        return f"{self.stage}_large" if self.large else str(self.stage)

    @property
    def variable(self) -> str:
        """Of the orchestrator's settings."""
        return f"RUNPOD_{self.key.upper()}_ENDPOINT_ID"


class Desired(Frozen):
    """The whole file."""

    prefix: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}-$")
    workers_quota: int = Field(ge=1)
    """Page serverless/workers/overview: 5, and more with the account's balance."""
    release: Release
    env: dict[Variable, str] = Field(default_factory=dict)
    endpoint: tuple[Endpoint, ...] = Field(min_length=1)
    volume: tuple[Volume, ...] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        keys = [row.key for row in self.endpoint]
        if len(set(keys)) != len(keys):
            raise ValueError("a stage has two endpoints of the same kind")
        if len({row.name for row in self.volume}) != len(self.volume):
            raise ValueError("two volumes have the same name")
        if alien := [row.name for row in self.volume if not row.name.startswith(self.prefix)]:
            raise ValueError(f"names of volumes begin with {self.prefix!r}: {', '.join(alien)}")
        if (most := sum(row.workers_max for row in self.endpoint)) > self.workers_quota:
            raise ValueError(f"workers_max adds up to {most}, over the account's workers_quota of {self.workers_quota}")
        for row in self.endpoint:
            self._check(row)
        return self

    def _check(self, row: Endpoint) -> None:
        for name in (*self.env, *row.env):
            if SECRET.search(name):
                raise ValueError(f"{row.key}: {name} belongs under secrets, by the name that it has at RunPod")
        if twice := row.secrets.keys() & {*self.env, *row.env}:
            raise ValueError(f"{row.key}: {', '.join(sorted(twice))} is both in env and in secrets")
        known = {volume.name: volume for volume in self.volume}
        if missing := set(row.volumes) - known.keys():
            raise ValueError(f"{row.key}: no such volume: {', '.join(sorted(missing))}")
        centers = [known[name].data_center for name in row.volumes]
        if len(set(centers)) != len(centers):
            raise ValueError(f"{row.key}: two volumes in one data centre; RunPod takes one each")
        if row.data_centers and (outside := set(centers) - set(row.data_centers)):
            raise ValueError(f"{row.key}: has a volume in {', '.join(sorted(outside))}, which is not in data_centers")
        self.worker(row)

    def name(self, row: Endpoint) -> str:
        return endpoint_name(self.prefix, row.stage, large=row.large)

    def names(self) -> frozenset[str]:
        """Every name that an endpoint of ours can have. All others are somebody else's, whatever they begin with."""
        return frozenset(endpoint_name(self.prefix, stage, large=large) for stage in Stage for large in (False, True))

    def image(self, row: Endpoint) -> str:
        tag = f"{self.release.tag}-{row.variant}" if row.variant else self.release.tag
        return f"{self.release.registry}/{row.image}:{tag}"

    def worker(self, row: Endpoint) -> WorkerSettings:
        """What its worker will read from its environment; not what this machine's says."""
        return settings_from(WorkerSettings, {**self.env, **row.env})


def settings_from(kind: type[T], env: Mapping[str, str]) -> T:
    """ValidationError for values that it refuses; KeyError names a variable that it needs and `env` lacks.

    Every field is given, so that none is looked for in this process's own environment.
    """
    prefix = str(kind.model_config.get("env_prefix", ""))
    given = {}
    for name, field in kind.model_fields.items():
        variable = f"{prefix}{name}".upper()
        given[name] = env[variable] if field.is_required() else env.get(variable, field.get_default())
    return kind.model_validate(given)


def endpoint_name(prefix: str, stage: Stage, *, large: bool) -> str:
    return f"{prefix}{stage.replace('_', '-')}{'-large' if large else ''}"


def load(path: Path = FILE) -> Desired:
    """UserError names all that is wrong with the file."""
    try:
        table: Mapping[str, object] = tomllib.loads(path.read_text(encoding="utf-8"))
        return Desired.model_validate(table)
    except OSError as error:
        raise UserError("invalid_input", f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError("invalid_input", f"{path} is no TOML: {error}") from error
    except ValidationError as error:
        # without the input: somebody may have put a secret there
        rows = error.errors(include_url=False, include_input=False, include_context=False)
        said = (f"{'.'.join(map(str, row['loc']))}: {row['msg'].removeprefix('Value error, ')}" for row in rows)
        lines = "\n".join(f"  - {line.removeprefix(': ')}" for line in said)
        raise UserError("invalid_input", f"{path} is not usable:\n{lines}") from None
