"""/api/stages: for debugging, a raw stage input straight to its endpoint, past plan, price and database."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse

from orchestrator.api.answers import Job, Submitted
from orchestrator.api.auth import Debugger
from orchestrator.api.body import json_body
from orchestrator.api.document import WITH_BODY, WITH_KEY, answers, body_of
from orchestrator.api.errors import not_found
from orchestrator.api.examples import STAGE_EXAMPLES
from orchestrator.api.services import Injected
from shared.contracts.vocabulary import Stage

router = APIRouter(prefix="/api/stages", tags=["debugging"])

RunPodId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,100}$")]


@router.post(
    "/{stage}",
    status_code=HTTPStatus.ACCEPTED,
    responses=answers(Submitted, *WITH_KEY, *WITH_BODY, status=HTTPStatus.ACCEPTED),
    openapi_extra=body_of(examples=STAGE_EXAMPLES),
)
async def submit(stage: Stage, request: Request, services: Injected, _key: Debugger) -> JSONResponse:
    """202 with the id at RunPod. The worker judges the input: `{"prompt": "..."}` is enough for base_gen."""
    runpod_id = await services.runpod.run(services.settings.endpoints[stage], await json_body(request))
    shown = {"stage": stage, "runpod_id": runpod_id, "urls": {"self": f"/api/stages/{stage}/{runpod_id}"}}
    return JSONResponse(shown, HTTPStatus.ACCEPTED)


@router.get(
    "/{stage}/{runpod_id}",
    response_model=None,
    responses=answers(Job, *WITH_KEY, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
)
async def status(stage: Stage, runpod_id: RunPodId, services: Injected, _key: Debugger) -> dict[str, Any]:
    job = await services.runpod.status(services.settings.endpoints[stage], runpod_id)
    if job is None:
        raise not_found("run at RunPod")
    return job.model_dump(mode="json", exclude_none=True)
