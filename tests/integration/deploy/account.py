"""A RunPod account in memory, with the rules of its REST API v2 as the documentation tells them. No I/O."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

from pydantic import ValidationError

from tests.integration.deploy import schema

Row = dict[str, Any]

GPUS: list[Row] = [
    {"id": "NVIDIA GeForce RTX 4090", "pool": "ADA_24", "memory": 24},
    {"id": "NVIDIA L4", "pool": "AMPERE_24", "memory": 24},
    {"id": "NVIDIA RTX A5000", "pool": "AMPERE_24", "memory": 24},
    {"id": "NVIDIA A40", "pool": "AMPERE_48", "memory": 48},
    {"id": "NVIDIA L40", "pool": "ADA_48_PRO", "memory": 48},
    {"id": "NVIDIA L40S", "pool": "ADA_48_PRO", "memory": 48},
    {"id": "NVIDIA RTX 6000 Ada Generation", "pool": "ADA_48_PRO", "memory": 48},
    {"id": "NVIDIA A100 80GB PCIe", "pool": "AMPERE_80", "memory": 80},
    {"id": "NVIDIA H100 80GB HBM3", "pool": "ADA_80_PRO", "memory": 80},
    {"id": "NVIDIA GeForce RTX 3070", "pool": None, "memory": 8},
]


class RefusedError(Exception):
    def __init__(self, status: int, detail: str, *errors: str) -> None:
        super().__init__(detail)
        self.status = status
        self.body = {"title": "Refused", "status": status, "detail": detail, "errors": list(errors)}


@dataclass
class FakeAccount:
    endpoints: dict[str, Row] = field(default_factory=dict)
    volumes: dict[str, Row] = field(default_factory=dict)
    registries: list[Row] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    gpus: list[Row] = field(default_factory=lambda: [*GPUS])
    numbers: Any = field(default_factory=lambda: count(1))

    def create_endpoint(self, body: object) -> Row:
        given = _checked(schema.EndpointCreation, body)
        gpu = {"excludedTypes": [], "count": 1, "allowedCudaVersions": [], "minCudaVersion": None} | given.pop("gpu")
        workers = {"min": 0, "max": 3, "idleTimeout": 10} | given.pop("workers", {})
        if given["scaling"]["type"] == "REQUEST_COUNT":
            if "idleTimeout" in _dict(body).get("workers", {}):
                raise RefusedError(400, "idleTimeout does not apply to requestCount")
            workers.pop("idleTimeout")
        made = {
            "id": f"ep{next(self.numbers)}",
            "args": "",
            "disk": 20,
            "env": {},
            "ports": [],
            "registry": None,
            "dataCenterIds": [],
            "networkVolumes": [],
            "timeout": 300_000,
            "flashboot": "OFF",
            "createdAt": f"2026-11-01T00:00:{next(self.numbers):02}Z",
            **given,
            "gpu": gpu,
            "workers": workers,
        }
        self._consistent(made)
        self.endpoints[made["id"]] = made
        return made

    def change_endpoint(self, known: str, body: object) -> Row:
        given = _checked(schema.EndpointUpdate, body)
        old = _found(self.endpoints, known)
        gpu = given.pop("gpu", None)
        if gpu is not None and "gpu" not in old:
            raise RefusedError(400, "the compute family of an endpoint cannot be changed")
        new = {**old, **given, "workers": {**old["workers"], **given.get("workers", {})}}
        if gpu is not None:
            if "pools" in gpu:  # one selection: pools alone clear the exclusions
                gpu = {"excludedTypes": [], **gpu}
            if gpu.get("minCudaVersion") == "":
                gpu["minCudaVersion"] = None
            new["gpu"] = {**old["gpu"], **gpu}
        if new["scaling"]["type"] == "REQUEST_COUNT":
            if "idleTimeout" in given.get("workers", {}):
                raise RefusedError(400, "idleTimeout does not apply to requestCount")
            new["workers"].pop("idleTimeout", None)
        else:
            new["workers"].setdefault("idleTimeout", 10)
        self._consistent(new)
        self.endpoints[known] = new
        return new

    def delete_endpoint(self, known: str) -> None:
        _found(self.endpoints, known)
        del self.endpoints[known]

    def create_volume(self, body: object) -> Row:
        made = {"type": "STANDARD", **_checked(schema.VolumeCreation, body), "id": f"vol{next(self.numbers)}"}
        self.volumes[made["id"]] = made
        return made

    def change_volume(self, known: str, body: object) -> Row:
        given = _checked(schema.VolumeUpdate, body)
        old = _found(self.volumes, known)
        if not given or given.get("size", old["size"]) < old["size"]:
            raise RefusedError(400, "a volume cannot shrink")
        self.volumes[known] = {**old, **given}
        return self.volumes[known]

    def delete_volume(self, known: str) -> None:
        _found(self.volumes, known)
        if any(known in row["networkVolumes"] for row in self.endpoints.values()):
            raise RefusedError(400, "the volume is in use")
        del self.volumes[known]

    def _consistent(self, row: Row) -> None:
        gpu = row.get("gpu")
        if gpu is not None:
            if gpu["allowedCudaVersions"] and gpu["minCudaVersion"]:
                raise RefusedError(400, "allowedCudaVersions and minCudaVersion exclude each other")
            there = {card["id"] for card in self.gpus if card["pool"] in gpu["pools"]}
            if strangers := set(gpu["excludedTypes"]) - there:
                raise RefusedError(400, f"not in the selected pools: {sorted(strangers)}")
        if strangers := set(row["networkVolumes"]) - self.volumes.keys():
            raise RefusedError(404, f"no such volume: {sorted(strangers)}")
        if row["registry"] is not None and row["registry"] not in {each["id"] for each in self.registries}:
            raise RefusedError(404, "no such registry")


def _checked(kind: type[schema.Closed], body: object) -> Row:
    try:
        return kind.model_validate(body).model_dump(exclude_unset=True)
    except ValidationError as error:
        said = [f"$.{'.'.join(map(str, row['loc']))}: {row['msg']}" for row in error.errors()]
        raise RefusedError(422, "Request validation failed.", *said) from error


def _found(rows: dict[str, Row], known: str) -> Row:
    if known not in rows:
        raise RefusedError(404, "resource not found")
    return rows[known]


def _dict(body: object) -> Row:
    return body if isinstance(body, dict) else {}
