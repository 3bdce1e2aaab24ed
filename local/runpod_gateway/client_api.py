"""The endpoint API for clients: what `runpod.Endpoint` and the orchestrator call.

Shapes and limits: facts/runpod.md, section A.
"""

import uuid
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field, ValidationError, field_validator
from starlette.types import Receive, Scope, Send

from local.runpod_gateway import states
from local.runpod_gateway.bells import job_bell
from local.runpod_gateway.bodies import read_object
from local.runpod_gateway.faults import FaultKind
from local.runpod_gateway.gateway import Gateway, GatewayDep, require_client
from local.runpod_gateway.limits import RUN_BYTES, RUNSYNC_BYTES
from local.runpod_gateway.polling import hold
from local.runpod_gateway.states import Job, State
from local.runpod_gateway.store import StoredJob, utc_now
from local.runpod_gateway.views import status_view

router = APIRouter(prefix="/v2/{endpoint}", dependencies=[Depends(require_client)])
WEEK_MS = 7 * 24 * 3600 * 1000
WaitMs = Annotated[int, Query(ge=1_000, le=300_000)]


class Policy(BaseModel):
    """Milliseconds; ranges as documented. `lowPriority` is about scaling, of which there is none here."""

    executionTimeout: int | None = Field(None, ge=5_000, le=WEEK_MS)  # noqa: N815  the wire name
    ttl: int | None = Field(None, ge=10_000, le=WEEK_MS)


class Submission(BaseModel):
    """The body of /run and /runsync. `s3Config` and unknown fields are let pass and reach nobody."""

    model_config = ConfigDict(extra="ignore")

    input: Any
    webhook: AnyHttpUrl | None = None
    policy: Policy = Policy()

    @field_validator("input")
    @classmethod
    def _something(cls, value: Any) -> Any:
        if value is None:
            raise ValueError("there has to be an input")
        return value


class _CutOff(Response):
    """A head that promises a body, and the end of the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]})


@router.post("/run", response_model=None)
async def run(endpoint: str, request: Request, gateway: GatewayDep) -> dict[str, Any] | Response:
    with gateway.limiter.admit(endpoint, "run"):
        if fault := gateway.faults.spend(FaultKind.REFUSE_RUN, endpoint):
            raise HTTPException(fault.status, "injected fault")
        job = await _submit(gateway, endpoint, await read_object(request, RUN_BYTES), sync=False)
        if gateway.faults.spend(FaultKind.LOSE_REPLY, endpoint):
            return _CutOff()
        return {"id": job.id, "status": job.state.value}


@router.post("/runsync")
async def runsync(endpoint: str, request: Request, gateway: GatewayDep, wait: WaitMs = 90_000) -> dict[str, Any]:
    """The finished job, or its id and state when it is not done after `wait` milliseconds."""
    with gateway.limiter.admit(endpoint, "runsync"):
        body = await read_object(request, RUNSYNC_BYTES)
        job = await _submit(gateway, endpoint, body, sync=True)
        async with hold(request, gateway.bells, job_bell(job.id), wait / 1000) as held:
            async for _ in held.looks():
                stored = await _find(gateway, endpoint, job.id)
                if not stored.job.live:
                    return status_view(stored.job, stored.payload)
        stored = await _find(gateway, endpoint, job.id)
        return {"id": job.id, "status": stored.job.state.value}


@router.get("/status/{job_id}")
async def status(endpoint: str, job_id: str, gateway: GatewayDep) -> dict[str, Any]:
    with gateway.limiter.admit(endpoint, "status"):
        stored = await _find(gateway, endpoint, job_id)
        return status_view(stored.job, stored.payload)


@router.get("/stream/{job_id}")
async def stream(endpoint: str, job_id: str, gateway: GatewayDep) -> dict[str, Any]:
    """The chunks since the last call. An object, as the SDK needs it, though the documentation shows an array."""
    with gateway.limiter.admit(endpoint, "stream"):
        stored = await _find(gateway, endpoint, job_id)  # before the chunks: a final state means that all are in
        chunks = await gateway.jobs.pop_chunks(job_id)
        return {
            "id": job_id,
            "status": stored.job.state.value,
            "stream": [{"output": output} for output in chunks],
        }


@router.post("/cancel/{job_id}")
async def cancel(endpoint: str, job_id: str, gateway: GatewayDep) -> dict[str, Any]:
    """Cancels a live job and tells its worker; a job that has ended keeps its state, which is returned."""
    with gateway.limiter.admit(endpoint, "cancel"):
        job, _ = await gateway.jobs.change(endpoint, job_id, lambda job: states.cancel(job, utc_now()))
        if job is None:
            raise HTTPException(404, "job not found")
        return {"id": job_id, "status": job.state.value}


@router.post("/retry/{job_id}")
async def retry(endpoint: str, job_id: str, gateway: GatewayDep) -> dict[str, Any]:
    job, retried = await gateway.jobs.change(endpoint, job_id, lambda job: states.retry(job, utc_now()))
    if job is None:
        raise HTTPException(404, "job not found")
    if not retried:
        raise HTTPException(400, f"only a FAILED or TIMED_OUT job can be retried; this one is {job.state.value}")
    return {"id": job_id, "status": job.state.value}


@router.get("/health")
async def health(endpoint: str, gateway: GatewayDep) -> dict[str, Any]:
    """Counts of the jobs that are still kept, and of the workers seen lately."""
    workers = await gateway.workers.overview(endpoint)
    sound = [worker for worker in workers if not worker["suspect"] and not worker["unhealthy"]]
    running = sum(1 for worker in sound if worker["jobs"])
    return {
        "jobs": await gateway.jobs.counts(endpoint),
        "workers": {
            "idle": len(sound) - running,
            "running": running,
            "initializing": 0,
            "ready": len(sound),
            "throttled": 0,
            "unhealthy": len(workers) - len(sound),
        },
    }


@router.post("/purge-queue")
async def purge_queue(endpoint: str, gateway: GatewayDep) -> dict[str, Any]:
    """Deletes the jobs that wait; those that run go on."""
    with gateway.limiter.admit(endpoint, "purge-queue"):
        return {"removed": await gateway.jobs.purge(endpoint), "status": "completed"}


@router.get("/requests")
async def requests(endpoint: str, gateway: GatewayDep) -> dict[str, Any]:
    """The newest hundred jobs. The platform documents only that this exists."""
    with gateway.limiter.admit(endpoint, "requests"):
        return {"requests": await gateway.jobs.recent(endpoint)}


async def _submit(gateway: Gateway, endpoint: str, body: dict[str, Any], *, sync: bool) -> Job:
    try:
        submission = Submission.model_validate(body)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise HTTPException(400, problems) from error
    now = utc_now()
    policy = submission.policy
    ttl_ms = policy.ttl or gateway.settings.ttl_ms
    cold = gateway.faults.spend(FaultKind.COLD_START, endpoint)
    job = Job(
        id=f"{'sync-' if sync else ''}{uuid.uuid4()}-u1",
        endpoint=endpoint,
        sync=sync,
        state=State.IN_QUEUE,
        created_at=now,
        queued_at=now,
        not_before=now + timedelta(milliseconds=cold.delay_ms if cold else 0),
        expires_at=now + timedelta(milliseconds=ttl_ms),
        execution_timeout_ms=policy.executionTimeout or gateway.settings.execution_timeout_ms,
        ttl_ms=ttl_ms,
        webhook=str(submission.webhook) if submission.webhook else None,
    )
    await gateway.jobs.add(job, submission.input)
    return job


async def _find(gateway: Gateway, endpoint: str, job_id: str) -> StoredJob:
    stored = await gateway.jobs.find(endpoint, job_id)
    if stored is None:
        raise HTTPException(404, "job not found")
    return stored
