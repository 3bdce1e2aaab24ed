"""RunPod's answers -> states. Fields that nobody told us of are ignored; what is not as documented is an error.

Sources: the schemas of RunPod's REST API v2 that each class names; `SecretList` is page
api-reference-v2/account/list-secrets.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deploy.state import EndpointState, Gpu, Seen, VolumeState
from shared.errors import FatalError

ID = r"^[A-Za-z0-9_-]+$"
"""It becomes a part of a path."""


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Named(_Answer):
    id: str = Field(pattern=ID)
    name: str


class Created(_Answer):
    id: str = Field(pattern=ID)


class GpuConfig(_Answer):
    """`EndpointGpuConfig`."""

    pools: tuple[str, ...] = ()
    excluded: tuple[str, ...] = Field(default=(), alias="excludedTypes")
    count: int = 1
    cuda_allowed: tuple[str, ...] = Field(default=(), alias="allowedCudaVersions")
    cuda_min: str | None = Field(default=None, alias="minCudaVersion")


class Workers(_Answer):
    """`EndpointWorkers`."""

    min: int
    max: int
    idle_timeout: int | None = Field(default=None, alias="idleTimeout")


class Scaling(_Answer):
    """`QueueDelayScaling` or `RequestCountScaling`."""

    type: str
    queue_delay: float | None = Field(default=None, alias="queueDelay")
    request_count: int | None = Field(default=None, alias="requestCount")


class Endpoint(Named):
    """`Endpoint`."""

    type: str = "QUEUE"
    image: str = ""
    args: str | None = None
    disk: int = 0
    env: dict[str, str] | None = None
    ports: tuple[str, ...] | None = None
    registry: str | None = None
    gpu: GpuConfig | None = None
    workers: Workers
    scaling: Scaling
    data_centers: tuple[str, ...] = Field(alias="dataCenterIds")
    volumes: tuple[str, ...] = Field(alias="networkVolumes")
    timeout: int
    flashboot: str
    created_at: str = Field(alias="createdAt")

    def seen(self, volumes: Mapping[str, str], credentials: Mapping[str, str]) -> Seen:
        """The mappings give the names of ids; an id without a name stands for itself."""
        gpu = self.gpu or GpuConfig()
        state = EndpointState(
            image=self.image,
            args=self.args or "",
            disk=self.disk,
            env=tuple(sorted((self.env or {}).items())),
            ports=self.ports or (),
            credential=credentials.get(self.registry, self.registry) if self.registry else None,
            type=self.type,
            compute="gpu" if self.gpu else "cpu",
            pools=tuple(sorted(gpu.pools)),
            excluded=tuple(sorted(name.strip() for name in gpu.excluded)),
            gpu_count=gpu.count,
            cuda_allowed=tuple(sorted(gpu.cuda_allowed)),
            cuda_min=gpu.cuda_min or None,
            workers_min=self.workers.min,
            workers_max=self.workers.max,
            idle_timeout=self.workers.idle_timeout,
            scaling=(self.scaling.type, self.scaling.queue_delay or self.scaling.request_count or 0),
            data_centers=tuple(sorted(self.data_centers)),
            volumes=tuple(sorted(volumes.get(each, each) for each in self.volumes)),
            timeout_ms=self.timeout,
            flashboot=self.flashboot,
        )
        return Seen(self.id, self.name, self.created_at, state)


class Volume(Named):
    """`NetworkVolume`."""

    size: int
    data_center: str = Field(alias="dataCenter")
    type: str | None = None

    def seen(self) -> Seen:
        return Seen(self.id, self.name, "", VolumeState(self.size, self.data_center, self.type))


class CatalogueGpu(_Answer):
    """`GpuType`."""

    id: str
    pool: str | None = None
    memory: int

    def gpu(self) -> Gpu:
        return Gpu(self.id, self.pool, self.memory)


class EndpointList(_Answer):
    endpoints: tuple[dict[str, Any], ...]
    """Read one by one: those that are not ours, only by `Named`."""


class VolumeList(_Answer):
    volumes: tuple[Volume, ...] = Field(alias="networkVolumes")


class CredentialList(_Answer):
    registries: tuple[Named, ...]


class GpuList(_Answer):
    gpus: tuple[CatalogueGpu, ...]


class SecretList(_Answer):
    secrets: tuple[Named, ...]


class Rollout(_Answer):
    """`RolloutSummary`."""

    in_progress: bool = Field(alias="inProgress")
    on_latest: int = Field(alias="workersOnLatest")
    workers: int = Field(alias="workersTotal")


class Releases(_Answer):
    """`ListEndpointReleasesResponse`."""

    rollout: Rollout


A = TypeVar("A", bound=_Answer)


def read(kind: type[A], body: Any, asked: str) -> A:
    """FatalError contract_mismatch names the field that is not as documented, but none of its values."""
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise FatalError(
            "contract_mismatch",
            f"{asked}: RunPod's answer is not as its REST API v2 documents it ({where}: {first['msg']}); "
            "has the API changed? Look into its openapi.json",
        ) from None
