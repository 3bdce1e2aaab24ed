# ruff: noqa: FAST003  `worker` is read by HolderDep, which ruff cannot see from here
"""The worker API: what `runpod.serverless.start` calls. Wire protocol: facts/runpod.md, section B."""

import json
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse

from local.runpod_gateway import states
from local.runpod_gateway.bells import queue_bell, stop_bell
from local.runpod_gateway.bodies import read_object
from local.runpod_gateway.faults import FaultKind
from local.runpod_gateway.gateway import Gateway, GatewayDep, HolderDep, has_key, require_polling_worker
from local.runpod_gateway.limits import CHUNK_BYTES, RUN_BYTES, RUNSYNC_BYTES
from local.runpod_gateway.polling import hold
from local.runpod_gateway.states import Change, Holder, Job, Payload
from local.runpod_gateway.store import utc_now

log = structlog.get_logger("gateway.workers")

polls = APIRouter(prefix="/v2/{endpoint}", dependencies=[Depends(require_polling_worker)])
MAX_BATCH = 100


@polls.get("/job-take/{worker}")
async def job_take(
    endpoint: str, request: Request, gateway: GatewayDep, holder: HolderDep, job_in_progress: str = ""
) -> Response:
    """200 {"id", "input"}, or 204 after the hold."""
    jobs = await _take(request, gateway, endpoint, holder, 1, idle=job_in_progress == "0")
    return JSONResponse(jobs[0]) if jobs else Response(status_code=204)


@polls.get("/job-take-batch/{worker}")
async def job_take_batch(
    endpoint: str,
    request: Request,
    gateway: GatewayDep,
    holder: HolderDep,
    *,
    batch_size: Annotated[int, Query(ge=1)] = 1,
    job_in_progress: str = "",
) -> Response:
    """200 with a list of up to `batch_size` jobs, or 204 after the hold."""
    count = min(batch_size, MAX_BATCH)
    jobs = await _take(request, gateway, endpoint, holder, count, idle=job_in_progress == "0")
    return JSONResponse(jobs) if jobs else Response(status_code=204)


async def _take(
    request: Request, gateway: Gateway, endpoint: str, holder: Holder, count: int, *, idle: bool
) -> list[dict[str, object]]:
    await request.body()
    _not_closing(gateway)
    greeting = await gateway.workers.greet(endpoint, holder)
    if greeting.superseded:
        raise HTTPException(429, "a newer process has this worker id")
    if greeting.replaced:
        await gateway.jobs.release(endpoint, greeting.replaced, "worker lost: its process was replaced")
    if idle:  # it runs nothing, so whatever it was running has no result and will never have one
        await gateway.jobs.release(endpoint, holder, "result lost: the worker is idle again")
    if greeting.leaving:
        raise HTTPException(429, "this worker asked to be stopped")

    poll = object()
    key = ("take", endpoint, holder)
    gateway.newest_poll[key] = poll
    jobs: list[dict[str, object]] = []
    async with hold(request, gateway.bells, queue_bell(endpoint), gateway.settings.hold_seconds) as held:
        async for _ in held.looks():
            if gateway.newest_poll.get(key) is not poll:
                # 429: two living processes under one id would otherwise chase each other without a pause.
                raise HTTPException(429, "a newer poll of this worker is open")
            jobs = await gateway.jobs.take(
                endpoint,
                holder,
                count,
                lambda: gateway.faults.spend(FaultKind.DUPLICATE_DELIVERY, endpoint) is not None,
            )
            if jobs:
                break
        await _poll_ended(gateway, key, poll, hung_up=held.hung_up)
    if not jobs:
        _not_closing(gateway)
    return jobs


@polls.get("/job-stop/{worker}")
async def job_stop(endpoint: str, request: Request, gateway: GatewayDep, holder: HolderDep) -> Response:
    """200 {"jobsToStop": [id, ...]}, or 204 after the hold."""
    await request.body()
    _not_closing(gateway)
    await gateway.workers.seen(endpoint, holder)
    poll = object()
    key = ("stop", endpoint, holder)
    gateway.newest_poll[key] = poll
    stops: list[str] = []
    bell = stop_bell(endpoint, holder.worker)
    async with hold(request, gateway.bells, bell, gateway.settings.hold_seconds) as held:
        async for _ in held.looks():
            stops = await gateway.workers.pop_stops(endpoint, holder)
            if stops or gateway.newest_poll.get(key) is not poll:
                break
        await _poll_ended(gateway, key, poll, hung_up=held.hung_up)
    if stops:
        return JSONResponse({"jobsToStop": stops})
    _not_closing(gateway)
    return Response(status_code=204)


@polls.get("/ping/{worker}")
async def ping(
    endpoint: str,
    gateway: GatewayDep,
    holder: HolderDep,
    *,
    job_id: str = "",
    status: str = "",
    check: str = "",
    reason: str = "",
) -> Response:
    """Renews the leases of the jobs that it names, and of no others.

    Pings come from a child process that survives a kill -9 of the worker (facts/runpod.md, fact 2); once the main
    process has hung up on a held poll without coming back, they renew nothing.
    """
    alive = await gateway.workers.pinged(endpoint, holder)
    if status == "unhealthy":
        log.warning("worker unhealthy", endpoint=endpoint, worker=holder.worker, check=check, reason=reason)
        await gateway.workers.unhealthy(endpoint, holder, f"{check}: {reason}"[:500])
    if names := [name for name in job_id.split(",") if name]:
        await gateway.jobs.named_in_ping(endpoint, holder, names, renew=alive)
    return JSONResponse({"status": "ok"})


results = APIRouter(prefix="/v2/{endpoint}")


def _require_result_key(request: Request, gateway: GatewayDep) -> None:
    if not has_key(request, gateway):
        raise HTTPException(401, "wrong RUNPOD_AI_API_KEY")


@results.post("/job-done/{worker}/{job_id}", dependencies=[Depends(_require_result_key)])
async def job_done(endpoint: str, job_id: str, request: Request, gateway: GatewayDep, holder: HolderDep) -> Response:
    """A final result, or progress when the body has a `status`. What comes late or from a stranger is ignored
    with 200: anything else makes the SDK try again.
    """
    found = await gateway.jobs.find(endpoint, job_id)
    body = await read_object(request, RUNSYNC_BYTES if found and found.job.sync else RUN_BYTES)
    if body.get("status") == states.State.IN_PROGRESS:
        output = body.get("output")
        _, used = await gateway.jobs.change(endpoint, job_id, lambda job: states.progress(job, holder, output))
        return _accepted(used=used)
    if fault := gateway.faults.spend(FaultKind.REFUSE_RESULT, endpoint):
        raise HTTPException(fault.status, "injected fault")
    if gateway.faults.spend(FaultKind.DROP_RESULT, endpoint):
        return _accepted(used=True)

    def decide(job: Job) -> Change | None:
        return states.done(job, holder, utc_now(), Payload(body.get("output"), body.get("error") or None))

    await gateway.workers.seen(endpoint, holder)
    if body.get("stopPod"):
        await gateway.workers.leave(endpoint, holder)
    job, used = await gateway.jobs.change(endpoint, job_id, decide)
    if not used:
        log.info("late result ignored", id=job_id, worker=holder.worker, state=job.state if job else "unknown")
    return _accepted(used=used)


@results.post("/job-stream/{worker}/{job_id}", dependencies=[Depends(_require_result_key)])
async def job_stream(endpoint: str, job_id: str, request: Request, gateway: GatewayDep, holder: HolderDep) -> Response:
    body = await read_object(request, CHUNK_BYTES)
    return _accepted(used=await gateway.jobs.add_chunk(endpoint, job_id, holder, body.get("output")))


def _accepted(*, used: bool) -> Response:
    return Response(json.dumps({"status": "ok" if used else "ignored"}), media_type="application/json")


async def _poll_ended(gateway: Gateway, key: tuple[str, str, Holder], poll: object, *, hung_up: bool) -> None:
    """Forget the poll; when the client hung up on its newest one, its main process may be dead."""
    if gateway.newest_poll.get(key) is poll:
        del gateway.newest_poll[key]
        if hung_up:
            await gateway.workers.suspect(key[1], key[2])


def _not_closing(gateway: Gateway) -> None:
    if gateway.bells.closing:  # 429: five seconds of quiet per worker while the next gateway starts
        raise HTTPException(429, "the gateway is restarting")
