"""What every request needs, in one place, and the checks that stand before every route."""

import hmac
from dataclasses import dataclass, field
from typing import Annotated

import structlog
from fastapi import Depends, HTTPException, Request

from local.runpod_gateway.bells import Bells
from local.runpod_gateway.faults import Faults
from local.runpod_gateway.limits import Limiter
from local.runpod_gateway.settings import Settings
from local.runpod_gateway.states import Holder, Rules
from local.runpod_gateway.store import JobStore
from local.runpod_gateway.worker_store import WorkerStore

log = structlog.get_logger("gateway")


@dataclass(slots=True)
class Gateway:
    settings: Settings
    rules: Rules
    bells: Bells
    jobs: JobStore
    workers: WorkerStore
    limiter: Limiter = field(default_factory=Limiter)
    faults: Faults = field(default_factory=Faults)
    # The newest poll per kind, endpoint and process: an older one that is still held has a dead socket.
    newest_poll: dict[tuple[str, str, Holder], object] = field(default_factory=dict)

    def serves(self, endpoint: str) -> bool:
        return not self.settings.endpoints or endpoint in self.settings.endpoints


def get_gateway(request: Request) -> Gateway:
    gateway = request.app.state.gateway
    if not isinstance(gateway, Gateway):
        raise TypeError("the application has not started")
    return gateway


GatewayDep = Annotated[Gateway, Depends(get_gateway)]


def has_key(request: Request, gateway: Gateway) -> bool:
    """Whether the request carries one of our keys; clients send `Bearer <key>`, workers the bare key."""
    given = request.headers.get("authorization", "").removeprefix("Bearer ").encode()
    return any(hmac.compare_digest(given, key.encode()) for key in gateway.settings.api_keys)


def require_client(request: Request, gateway: GatewayDep) -> None:
    """401 without a key, 404 for an endpoint that is not served."""
    if not has_key(request, gateway):
        raise HTTPException(401, "set Authorization: Bearer <one of GATEWAY_API_KEYS>")
    endpoint = request.path_params.get("endpoint")
    if endpoint is not None and not gateway.serves(endpoint):
        raise HTTPException(404, f"no endpoint {endpoint}")


def require_polling_worker(request: Request, gateway: GatewayDep) -> None:
    """429 for a worker with a bad key or endpoint.

    The SDK waits 5 s after a 429 but asks again at once, some thousand times a second, after any other error
    (facts/runpod.md, fact 9).
    """
    endpoint = request.path_params["endpoint"]
    if not has_key(request, gateway) or not gateway.serves(endpoint):
        log.warning("worker refused", endpoint=endpoint, worker=request.path_params["worker"])
        raise HTTPException(429, "wrong RUNPOD_AI_API_KEY or unknown endpoint")


def worker_holder(worker: str, session: str = "") -> Holder:
    """The process behind a call: `{worker}` of the path and, where the URLs carry it, `?session=`."""
    return Holder(worker, session)


HolderDep = Annotated[Holder, Depends(worker_holder)]
