"""/api/generations: list, get, cancel."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from orchestrator import views
from orchestrator.api.answers import Generation as GenerationAnswer
from orchestrator.api.answers import GenerationPage
from orchestrator.api.auth import Caller
from orchestrator.api.document import WITH_KEY, answers
from orchestrator.api.errors import Problem, not_found
from orchestrator.api.owned import owned
from orchestrator.api.services import Injected, Services
from orchestrator.store import generations, runs

router = APIRouter(prefix="/api/generations", tags=["generations"])


@router.get("", response_model=None, responses=answers(GenerationPage, *WITH_KEY, HTTPStatus.UNPROCESSABLE_ENTITY))
async def list_newest(
    services: Injected,
    key: Caller,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
) -> dict[str, Any]:
    """The caller's generations, newest first; `next` is the `before` of the following page."""
    async with services.database.transaction() as connection:
        found = await generations.newest(connection, key.name, before=before, limit=limit)
    more = found[-1].number if len(found) == limit else None
    return {"generations": [views.summary(row) for row in found], "next": more}


@router.get("/{generation_id}", responses=answers(GenerationAnswer, *WITH_KEY, HTTPStatus.NOT_FOUND))
async def get(generation_id: str, services: Injected, key: Caller) -> JSONResponse:
    """One generation with every stage run, and the presigned video when it succeeded."""
    await owned(services, generation_id, key.name)
    return await _shown(services, generation_id, HTTPStatus.OK)


@router.delete(
    "/{generation_id}",
    responses=answers(GenerationAnswer, *WITH_KEY, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def cancel(generation_id: str, services: Injected, key: Caller) -> JSONResponse:
    """Stop it, wherever it is, and give the credits back. 409 when it has ended already."""
    await owned(services, generation_id, key.name)
    if not await services.advance.cancel(generation_id):
        ended = await owned(services, generation_id, key.name)
        raise Problem(HTTPStatus.CONFLICT, "already_ended", f"the generation is {ended.state} already")
    return await _shown(services, generation_id, HTTPStatus.OK)


async def _shown(services: Services, generation_id: str, status: HTTPStatus) -> JSONResponse:
    async with services.database.transaction() as connection:
        generation = await generations.get(connection, generation_id)
        history = await runs.of_generation(connection, generation_id)
    if generation is None:
        raise not_found("generation")
    headers = {"Location": f"/api/generations/{generation_id}"} if status is HTTPStatus.CREATED else None
    return JSONResponse(views.detail(generation, history, services.library), status, headers)
