"""/api/generations: create, list, get, cancel."""

import hashlib
import json
import re
import secrets
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from orchestrator import pricing, views
from orchestrator.advance import Created
from orchestrator.api.answers import Generation as GenerationAnswer
from orchestrator.api.answers import GenerationPage
from orchestrator.api.auth import Caller
from orchestrator.api.body import json_body
from orchestrator.api.document import WITH_BODY, WITH_KEY, answers, body_of
from orchestrator.api.errors import Problem, invalid, not_found, too_many
from orchestrator.api.services import Injected, Services
from orchestrator.plan import make_plan
from orchestrator.settings import ApiKey
from orchestrator.store import Connection, Generation, generations, limits, runs
from shared.contracts.problems import FieldProblem
from shared.contracts.request import GenerationRequest
from shared.contracts.stage import MAX_SEED
from shared.errors import TransientError, UserError

router = APIRouter(prefix="/api/generations", tags=["generations"])

IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
IDEMPOTENCY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "pattern": f"^{IDEMPOTENCY_KEY.pattern}$"},
}
FULL_SECONDS = 15
"""What Retry-After says when a key has all the generations that it may have: about how long a short stage takes."""


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    responses={
        **answers(GenerationAnswer, *WITH_KEY, *WITH_BODY, HTTPStatus.CONFLICT),
        **answers(GenerationAnswer, status=HTTPStatus.CREATED),
    },
    openapi_extra=body_of(GenerationRequest) | {"parameters": [IDEMPOTENCY_HEADER]},
)
async def create(request: Request, services: Injected, key: Caller) -> JSONResponse:
    """Plan, price and start one video. With an `Idempotency-Key`, a repetition gives the same generation, 200."""
    data = await json_body(request)
    idempotency_key = _idempotency_key(request)
    digest = hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    async with services.database.transaction() as connection:
        known = await _known(connection, key.name, idempotency_key, digest)
        if known is None:
            await _require_room(services, connection, key)  # before anything is fetched for it
    if known is not None:
        return await _shown(services, known, HTTPStatus.OK)
    wanted = await _wanted(services, key.name, parse(services, data))
    async with services.database.transaction() as connection:
        await limits.hold(connection, key.name)
        known = await _known(connection, key.name, idempotency_key, digest)  # another request may have been quicker
        if known is None:
            await _require_room(services, connection, key)
            created = await services.advance.create(connection, wanted)
            if idempotency_key is not None:
                await _remember(connection, key.name, idempotency_key, digest, created.id)
    if known is not None:
        return await _shown(services, known, HTTPStatus.OK)
    return await _shown(services, created.id, HTTPStatus.CREATED)


async def _require_room(services: Services, connection: Connection, key: ApiKey) -> None:
    limit = services.settings.in_flight_limit
    if await limits.in_flight(connection, key.name) >= limit:
        raise too_many(
            "too_many_in_flight",
            f"{limit} generations of this key have not ended yet; wait for one, or cancel one",
            seconds=FULL_SECONDS,
        )


async def _remember(connection: Connection, owner: str, key: str, digest: str, generation_id: str) -> None:
    """Undoes the transaction when the key is taken after all: by a release that does not hold the lock."""
    if not await generations.remember_key(connection, owner, key, body_sha256=digest, generation_id=generation_id):
        raise TransientError(
            "storage_unavailable", "another request with this Idempotency-Key was quicker; send it again"
        )


def parse(services: Services, data: dict[str, Any]) -> GenerationRequest:
    """A request that may be planned; ValidationError names every wrong field."""
    asked = GenerationRequest.model_validate(data, context={"allow_draft": services.settings.allow_draft})
    if asked.webhook_url is not None and not services.settings.webhook_secrets:
        raise UserError("invalid_input", "webhooks are not set up here; leave it out", field="webhook_url")
    return asked


async def _wanted(services: Services, owner: str, asked: GenerationRequest) -> Created:
    seed = asked.seed if asked.seed is not None else secrets.randbelow(MAX_SEED + 1)
    plan = make_plan(asked, seed=seed, text_encoder=services.settings.text_encoder)  # before anything is fetched for it
    if asked.webhook_url is not None:
        await services.inputs.check_webhook(str(asked.webhook_url))
    image = await services.inputs.image_of(asked, owner)
    return Created(
        owner=owner,
        request=asked,
        plan=plan,
        image=image,
        control=await services.inputs.control_of(asked, owner, image),
        credits_asked=pricing.credits_for(asked.quality, asked.resolution, asked.duration),
    )


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
    await _own(services, generation_id, key.name)
    return await _shown(services, generation_id, HTTPStatus.OK)


@router.delete(
    "/{generation_id}",
    responses=answers(GenerationAnswer, *WITH_KEY, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def cancel(generation_id: str, services: Injected, key: Caller) -> JSONResponse:
    """Stop it, wherever it is, and give the credits back. 409 when it has ended already."""
    await _own(services, generation_id, key.name)
    if not await services.advance.cancel(generation_id):
        ended = await _own(services, generation_id, key.name)
        raise Problem(HTTPStatus.CONFLICT, "already_ended", f"the generation is {ended.state} already")
    return await _shown(services, generation_id, HTTPStatus.OK)


async def _own(services: Services, generation_id: str, owner: str) -> Generation:
    async with services.database.transaction() as connection:
        generation = await generations.get(connection, generation_id, owner=owner)
    if generation is None:
        raise not_found("generation")
    return generation


async def _shown(services: Services, generation_id: str, status: HTTPStatus) -> JSONResponse:
    async with services.database.transaction() as connection:
        generation = await generations.get(connection, generation_id)
        history = await runs.of_generation(connection, generation_id)
    if generation is None:
        raise not_found("generation")
    headers = {"Location": f"/api/generations/{generation_id}"} if status is HTTPStatus.CREATED else None
    return JSONResponse(views.detail(generation, history, services.library), status, headers)


async def _known(connection: Connection, owner: str, idempotency_key: str | None, digest: str) -> str | None:
    """The generation that this key stands for already."""
    known = await generations.of_key(connection, owner, idempotency_key) if idempotency_key else None
    if known is None:
        return None
    if known[0] != digest:
        raise UserError(
            "idempotency_conflict",
            "this key came with another body before; use a new key for a new generation",
            field="Idempotency-Key",
        )
    return known[1]


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not IDEMPOTENCY_KEY.fullmatch(key):
        raise invalid(
            [FieldProblem(field="Idempotency-Key", message="1 to 255 visible ASCII characters, without spaces")]
        )
    return key
