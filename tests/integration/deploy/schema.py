"""What RunPod's REST API v2 takes, written by hand from its openapi.json (github runpod/docs, August 2026).

Closed as there: an unknown field is refused. `CreateEndpointRequest`, `UpdateEndpointRequest` and their parts,
`CreateNetworkVolumeRequest`, `UpdateNetworkVolumeRequest`.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Cuda = Annotated[str, StringConstraints(pattern=r"^\d+\.\d+$")]
CudaOrNone = Annotated[str, StringConstraints(pattern=r"^$|^\d+\.\d+$")]
GpuId = Annotated[str, StringConstraints(pattern=r"^\s*[^-\s]")]
FlashBoot = Literal["OFF", "FLASHBOOT", "PRIORITY_FLASHBOOT"]


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Container(Closed):
    image: str | None = None
    args: str | None = None
    disk: int | None = Field(default=None, ge=1)
    env: dict[str, str] | None = None
    ports: list[str] | None = None
    registry: str | None = None


class Gpu(Closed):
    pools: list[str] = Field(min_length=1)
    excludedTypes: list[GpuId] | None = None  # noqa: N815  the API's word
    count: int = Field(default=1, ge=1)
    allowedCudaVersions: list[Cuda] | None = None  # noqa: N815  the API's word
    minCudaVersion: Cuda | None = None  # noqa: N815  the API's word


class GpuUpdate(Closed):
    pools: list[str] | None = Field(default=None, min_length=1)
    excludedTypes: list[GpuId] | None = None  # noqa: N815  the API's word
    count: int | None = Field(default=None, ge=1)
    allowedCudaVersions: list[Cuda] | None = None  # noqa: N815  the API's word
    minCudaVersion: CudaOrNone | None = None  # noqa: N815  the API's word

    @model_validator(mode="after")
    def _exclusions_need_pools(self) -> Self:
        if self.excludedTypes is not None and self.pools is None:
            raise ValueError("excludedTypes requires pools")
        return self


class Workers(Closed):
    min: int | None = Field(default=None, ge=0)
    max: int | None = Field(default=None, ge=0)
    idleTimeout: int | None = Field(default=None, ge=1, le=3600)  # noqa: N815  the API's word


class QueueDelay(Closed):
    type: Literal["QUEUE_DELAY"]
    queueDelay: float = Field(ge=0.5)  # noqa: N815  the API's word


class RequestCount(Closed):
    type: Literal["REQUEST_COUNT"]
    requestCount: int = Field(ge=1)  # noqa: N815  the API's word


Scaling = Annotated[QueueDelay | RequestCount, Field(discriminator="type")]


class EndpointUpdate(Container):
    name: str | None = Field(default=None, min_length=1)
    gpu: GpuUpdate | None = None
    scaling: Scaling | None = None
    dataCenterIds: list[str] | None = None  # noqa: N815  the API's word
    flashboot: FlashBoot | None = None
    networkVolumes: list[str] | None = None  # noqa: N815  the API's word
    timeout: int | None = None
    workers: Workers | None = None


class EndpointCreation(Container):
    image: str
    name: str = Field(min_length=1)
    type: Literal["QUEUE", "LOAD_BALANCER"]
    scaling: Scaling
    gpu: Gpu
    dataCenterIds: list[str] = []  # noqa: N815  the API's word
    flashboot: FlashBoot = "OFF"
    networkVolumes: list[str] = []  # noqa: N815  the API's word
    timeout: int = 300_000
    workers: Workers = Workers()


class VolumeCreation(Closed):
    name: str = Field(min_length=1)
    size: int = Field(ge=10, le=4096)
    dataCenter: str = Field(min_length=1)  # noqa: N815  the API's word
    type: Literal["STANDARD", "HIGH_PERFORMANCE"] | None = None


class VolumeUpdate(Closed):
    name: str | None = Field(default=None, min_length=1)
    size: int | None = Field(default=None, ge=10, le=4096)
