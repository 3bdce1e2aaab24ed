"""For the local cloud and for tests; RunPod has nothing like it."""

from typing import Any

from fastapi import APIRouter, Depends

from local.runpod_gateway.faults import Fault
from local.runpod_gateway.gateway import GatewayDep, require_client

router = APIRouter(prefix="/_admin", dependencies=[Depends(require_client)])


@router.post("/faults")
async def arm_fault(fault: Fault, gateway: GatewayDep) -> list[Fault]:
    gateway.faults.arm(fault)
    return gateway.faults.armed()


@router.get("/faults")
async def armed_faults(gateway: GatewayDep) -> list[Fault]:
    return gateway.faults.armed()


@router.delete("/faults")
async def clear_faults(gateway: GatewayDep) -> list[Fault]:
    gateway.faults.clear()
    return []


@router.get("/workers")
async def workers(gateway: GatewayDep, endpoint: str | None = None) -> list[dict[str, Any]]:
    """Workers seen lately. `leaving`: it asked to be stopped (refresh_worker), so its supervisor restarts it."""
    return await gateway.workers.overview(endpoint)
