"""What an endpoint or a volume is, in one form for the file and for the account, so that the two can be compared."""

from dataclasses import dataclass, fields
from typing import Literal

from deploy.desired import Desired, Endpoint

SECRET_REFERENCE = "{{{{ RUNPOD_SECRET_{} }}}}"  # noqa: S105  a form, from page pods/templates/secrets
FLASHBOOT_SUFFIX = " -fb"
"""What the older API put behind the name of an endpoint with FlashBoot (page sdks/graphql/manage-endpoints)."""


@dataclass(frozen=True)
class EndpointState:
    """Names in place of ids; what RunPod has no order in is sorted. Source of every field: deploy/desired.py."""

    image: str
    disk: int
    env: tuple[tuple[str, str], ...]
    credential: str | None
    pools: tuple[str, ...]
    excluded: tuple[str, ...]
    cuda_min: str | None
    workers_min: int
    workers_max: int
    idle_timeout: int | None
    scaling: tuple[str, float]
    data_centers: tuple[str, ...]
    volumes: tuple[str, ...]
    timeout_ms: int
    flashboot: str
    gpu_count: int = 1
    cuda_allowed: tuple[str, ...] = ()
    """An exact set excludes a floor, so ours is empty."""
    args: str = ""
    """The image's own command."""
    ports: tuple[str, ...] = ()
    type: str = "QUEUE"
    compute: Literal["gpu", "cpu"] = "gpu"


@dataclass(frozen=True)
class VolumeState:
    size: int
    data_center: str
    type: str | None


State = EndpointState | VolumeState


@dataclass(frozen=True)
class Seen:
    """A resource of the account."""

    id: str
    name: str
    created_at: str
    state: State


@dataclass(frozen=True)
class Gpu:
    """A row of RunPod's catalogue."""

    id: str
    pool: str | None
    memory: int
    """GB."""


@dataclass(frozen=True)
class Account:
    """What a plan looks at."""

    endpoints: tuple[Seen, ...]
    """Those with one of our names."""
    volumes: tuple[Seen, ...]
    foreign: tuple[tuple[str, str], ...] = ()
    """(name, id) of all other endpoints; what they are is nobody's business here."""
    credentials: tuple[tuple[str, str], ...] = ()
    """(name, id) of container registry credentials."""
    gpus: tuple[Gpu, ...] = ()
    secrets: frozenset[str] | None = None
    """Names; None where the key may not list them."""


@dataclass(frozen=True)
class Difference:
    field: str
    before: object
    after: object


def differences(before: State, after: State) -> tuple[Difference, ...]:
    """Field by field. A volume without a type in the file takes any."""
    found = []
    for field in fields(after):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if old != new and not (isinstance(after, VolumeState) and field.name == "type" and new is None):
            found.append(Difference(field.name, old, new))
    return tuple(found)


def base_name(name: str) -> str:
    """The name as it was given."""
    return name.removesuffix(FLASHBOOT_SUFFIX)


def wanted_endpoint(desired: Desired, row: Endpoint) -> EndpointState:
    secrets = {name: SECRET_REFERENCE.format(secret) for name, secret in row.secrets.items()}
    return EndpointState(
        image=desired.image(row),
        disk=row.container_disk_gb,
        env=tuple(sorted({**desired.env, **row.env, **secrets}.items())),
        credential=desired.release.credential,
        pools=tuple(sorted(row.gpu_pools)),
        excluded=tuple(sorted(row.excluded_gpus)),
        gpu_count=row.gpu_count,
        cuda_min=row.min_cuda_version,
        workers_min=row.workers_min,
        workers_max=row.workers_max,
        idle_timeout=row.idle_timeout_seconds,
        scaling=(row.scaler.upper(), row.scaler_value),
        data_centers=tuple(sorted(row.data_centers)),
        volumes=tuple(sorted(row.volumes)),
        timeout_ms=row.execution_timeout_seconds * 1000,
        flashboot="FLASHBOOT" if row.flashboot else "OFF",
    )


def wanted(desired: Desired) -> tuple[dict[str, EndpointState], dict[str, VolumeState]]:
    """Name -> state, of endpoints and of volumes, in the order of the file."""
    endpoints = {desired.name(row): wanted_endpoint(desired, row) for row in desired.endpoint}
    volumes = {row.name: VolumeState(row.size_gb, row.data_center, row.type) for row in desired.volume}
    return endpoints, volumes
