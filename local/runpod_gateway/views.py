"""Pure: the JSON that clients see. Shapes: facts/runpod.md, section A."""

from datetime import datetime
from typing import Any

from local.runpod_gateway.states import Job, Payload


def status_view(job: Job, payload: Payload) -> dict[str, Any]:
    """The body of /status, of /runsync and of webhooks. Times in milliseconds.

    `output` is the latest progress while the job runs. `delayTime` appears once a worker has the job,
    `executionTime` once the job has ended.
    """
    view: dict[str, Any] = {"id": job.id, "status": job.state.value}
    if job.started_at:
        view["delayTime"] = _milliseconds(job.queued_at, job.started_at)
        if job.finished_at:
            view["executionTime"] = _milliseconds(job.started_at, job.finished_at)
    if payload.output is not None:
        view["output"] = payload.output
    if payload.error is not None:
        view["error"] = payload.error
    if job.worker is not None:
        view["workerId"] = job.worker
    if job.retries:
        view["retries"] = job.retries
    return view


def _milliseconds(start: datetime, end: datetime) -> int:
    return max(0, round((end - start).total_seconds() * 1000))
