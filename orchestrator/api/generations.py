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
from orchestrator.api.errors import Problem
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
    async with services.database.statements() as connection:
        found = await generations.newest(connection, key.name, before=before, limit=limit)
    more = found[-1].number if len(found) == limit else None
    return {"generations": [views.summary(row) for row in found], "next": more}


@router.get("/{generation_id}", responses=answers(GenerationAnswer, *WITH_KEY, HTTPStatus.NOT_FOUND))
async def get(generation_id: str, services: Injected, key: Caller) -> JSONResponse:
    """One generation with every stage run, and the presigned video when it succeeded."""
    return await _shown(services, generation_id, key.name)


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
    return await _shown(services, generation_id, key.name)


async def _shown(services: Services, generation_id: str, owner: str) -> JSONResponse:
    generation = await owned(services, generation_id, owner)
    async with services.database.statements() as connection:
        history = await runs.of_generation(connection, generation_id)
    return JSONResponse(views.detail(generation, history, services.library))
