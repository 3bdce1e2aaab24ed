"""States -> request bodies of the REST API v2 (`CreateEndpointRequest`, `UpdateEndpointRequest`). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deploy.state import EndpointState, VolumeState, differences

_OF_FIELD = {
    "image": "image",
    "disk": "disk",
    "env": "env",
    "credential": "registry",
    "args": "args",
    "ports": "ports",
    "workers_min": "workers",
    "workers_max": "workers",
    "idle_timeout": "workers",
    "scaling": "scaling",
    "data_centers": "dataCenterIds",
    "volumes": "networkVolumes",
    "timeout_ms": "timeout",
    "flashboot": "flashboot",
}
"""Our field -> the part of the body that is sent whole when it differs; those of `gpu` have rules of their own."""
_SELECTION = frozenset({"pools", "excluded"})
_CUDA = frozenset({"cuda_min", "cuda_allowed"})


@dataclass(frozen=True)
class Ids:
    """Names of the account -> ids."""

    volumes: Mapping[str, str] = field(default_factory=dict)
    credentials: Mapping[str, str] = field(default_factory=dict)


def create(name: str, state: EndpointState, ids: Ids) -> dict[str, Any]:
    """KeyError when a volume or a credential of that name is not among `ids`."""
    parts = _parts(state, ids)
    # absent is null there, and a list of allowed versions excludes a floor
    gpu = {"pools": [*state.pools], "count": state.gpu_count, "minCudaVersion": state.cuda_min}
    if state.excluded:
        gpu["excludedTypes"] = [*state.excluded]
    return {"name": name, "type": state.type, "gpu": gpu} | {
        key: value for key, value in parts.items() if value is not None
    }


def alter(before: EndpointState, after: EndpointState, ids: Ids) -> dict[str, Any]:
    """Only what differs. What is absent stays as it is, within `workers` and `gpu` too, so these go whole."""
    changed = {row.field for row in differences(before, after)}
    parts = _parts(after, ids)
    body = {key: parts[key] for name, key in _OF_FIELD.items() if name in changed}
    gpu: dict[str, Any] = {}
    if changed & _SELECTION:  # pools without excludedTypes clears these
        gpu |= {"pools": [*after.pools], "excludedTypes": [*after.excluded]}
    if "gpu_count" in changed:
        gpu["count"] = after.gpu_count
    if changed & _CUDA:  # setting one does not clear the other, and both together are refused
        gpu |= {"minCudaVersion": after.cuda_min or "", "allowedCudaVersions": [*after.cuda_allowed]}
    return body | ({"gpu": gpu} if gpu else {})


def volume(name: str, state: VolumeState) -> dict[str, Any]:
    """`CreateNetworkVolumeRequest`."""
    body = {"name": name, "size": state.size, "dataCenter": state.data_center}
    return body | ({"type": state.type} if state.type else {})


def _parts(state: EndpointState, ids: Ids) -> dict[str, Any]:
    kind, value = state.scaling
    workers = {"min": state.workers_min, "max": state.workers_max}
    if state.idle_timeout is not None:
        workers["idleTimeout"] = state.idle_timeout
    scaling = {"queueDelay": value} if kind == "QUEUE_DELAY" else {"requestCount": int(value)}
    return {
        "image": state.image,
        "args": state.args,
        "disk": state.disk,
        "env": dict(state.env),
        "ports": [*state.ports],
        "registry": None if state.credential is None else ids.credentials[state.credential],
        "workers": workers,
        "scaling": {"type": kind, **scaling},
        "dataCenterIds": [*state.data_centers],
        "networkVolumes": [ids.volumes[name] for name in state.volumes],
        "timeout": state.timeout_ms,
        "flashboot": state.flashboot,
    }
