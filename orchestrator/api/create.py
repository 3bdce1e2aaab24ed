"""POST /api/generations: one video, or one to five tasks as Mivo's pages send them; all of them start, or none."""

import hashlib
import json
import re
import secrets
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import psycopg
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from orchestrator import views
from orchestrator.advance import Created
from orchestrator.api.answers import Generation as GenerationAnswer
from orchestrator.api.answers import Generations
from orchestrator.api.auth import Caller
from orchestrator.api.body import json_body
from orchestrator.api.document import WITH_BODY, WITH_KEY, answers, body_of
from orchestrator.api.errors import Problem, invalid, not_found, too_many
from orchestrator.api.examples import EXAMPLES
from orchestrator.api.services import Injected, Services
from orchestrator.plan import make_plan
from orchestrator.settings import ApiKey
from orchestrator.store import Generation, StageRun, generations, limits, runs
from shared.contracts.problems import FieldProblem
from shared.contracts.request import Batch, GenerationRequest
from shared.contracts.stage import MAX_SEED
from shared.errors import TransientError, UserError

router = APIRouter(tags=["generations"])

PATHS = {"/api/generations": EXAMPLES, "/api/generations/studio/ai-video": {"mivo": EXAMPLES["mivo"]}}
"""With their examples. The second is where Mivo's studio page sends its AI videos; both do the same."""
IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
IDEMPOTENCY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A repetition with the same key and body gives the same generations; with another body, 409.",
    "schema": {"type": "string", "pattern": f"^{IDEMPOTENCY_KEY.pattern}$"},
}
FULL_SECONDS = 15
"""What Retry-After says when a key has all the generations that it may have: about how long a short stage takes."""


async def create(request: Request, services: Injected, key: Caller) -> JSONResponse:
    """Plan, price and start. With an `Idempotency-Key`, a repetition gives the same generations, 200."""
    data = await json_body(request)
    names = _names(_idempotency_key(request), data)
    digest = hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    if known := await _known(services, key.name, names, digest):
        return _answer(services, known, data, HTTPStatus.OK)
    asked = parse(services, data)
    if any(_fetches(each) for each in asked):
        await _require_room(services, key, len(asked))  # before anything is fetched for it
    wanted = [
        await _wanted(services, key.name, each, prefix=f"tasks.{index}." if "tasks" in data else "")
        for index, each in enumerate(asked)
    ]
    try:
        async with services.database.transaction() as connection:
            created = [await services.advance.create(connection, each) for each in wanted]
            for name, (made, _) in zip(names, created, strict=True):
                if name:
                    await generations.remember_key(
                        connection, key.name, name, body_sha256=digest, generation_id=made.id
                    )
            await limits.require_room(connection, key.name, most=services.settings.in_flight_limit)
    except psycopg.errors.UniqueViolation as error:  # another request with this key was quicker
        if known := await _known(services, key.name, names, digest):
            return _answer(services, known, data, HTTPStatus.OK)
        raise TransientError("storage_unavailable", "another request with this Idempotency-Key failed") from error
    except psycopg.errors.ConfigurationLimitExceeded as error:
        raise _full(services) from error
    for each in wanted:
        services.metrics.taken(each.request)
    return _answer(services, [(made, [run]) for made, run in created], data, HTTPStatus.CREATED)


for _path, _examples in PATHS.items():
    router.post(
        _path,
        status_code=HTTPStatus.CREATED,
        responses={
            **answers(GenerationAnswer | Generations, *WITH_KEY, *WITH_BODY, HTTPStatus.CONFLICT),
            **answers(GenerationAnswer | Generations, status=HTTPStatus.CREATED),
        },
        openapi_extra=body_of(GenerationRequest, Batch, examples=_examples) | {"parameters": [IDEMPOTENCY_HEADER]},
    )(create)


def parse(services: Services, data: dict[str, Any]) -> tuple[GenerationRequest, ...]:
    """Requests that may be planned; ValidationError names every wrong field."""
    context = {"allow_draft": services.settings.allow_draft}
    if "tasks" in data:
        asked = Batch.model_validate(data, context=context).tasks
    else:
        asked = (GenerationRequest.model_validate(data, context=context),)
    if any(each.webhook_url for each in asked) and not services.settings.webhook_secrets:
        raise UserError("invalid_input", "webhooks are not set up here; leave it out", field="webhook_url")
    return asked


async def _wanted(services: Services, owner: str, asked: GenerationRequest, *, prefix: str) -> Created:
    seed = asked.seed if asked.seed is not None else secrets.randbelow(MAX_SEED + 1)
    plan = make_plan(asked, seed=seed, text_encoder=services.settings.text_encoder)  # before anything is fetched for it
    try:
        if asked.webhook_url is not None:
            await services.inputs.check_webhook(str(asked.webhook_url))
        image = await services.inputs.image_of(asked, owner)
        control = await services.inputs.control_of(asked, owner, image)
    except UserError as error:
        field = {"field": prefix + str(error.detail["field"])} if "field" in error.detail else {}
        raise UserError(error.code, error.message, **{**error.detail, **field}) from error
    return Created(
        owner=owner,
        request=asked,
        plan=plan,
        image=image,
        control=control,
        credits_asked=services.settings.surcharges.credits(asked),
    )


def _fetches(asked: GenerationRequest) -> bool:
    """Is anything read from elsewhere before it can start?"""
    return bool(asked.image_urls or asked.upload_id or asked.control or asked.webhook_url)


async def _require_room(services: Services, key: ApiKey, wanted: int) -> None:
    async with services.database.statements() as connection:
        if await limits.in_flight(connection, key.name) + wanted > services.settings.in_flight_limit:
            raise _full(services)


def _full(services: Services) -> Problem:
    limit = services.settings.in_flight_limit
    return too_many(
        "too_many_in_flight",
        f"at most {limit} generations of this key may be under way; wait for one, or cancel one",
        seconds=FULL_SECONDS,
    )


async def _known(
    services: Services, owner: str, names: Sequence[str | None], digest: str
) -> list[tuple[Generation, list[StageRun]]]:
    """The generations that this key stands for already; none when it is new."""
    found: list[tuple[Generation, list[StageRun]]] = []
    if names[0] is None:
        return found
    async with services.database.statements() as connection:
        for name in names:
            known = await generations.of_key(connection, owner, str(name))
            if known is None:
                break
            if known[0] != digest:
                raise UserError(
                    "idempotency_conflict",
                    "this key came with another body before; use a new key for a new generation",
                    field="Idempotency-Key",
                )
            generation = await generations.get(connection, known[1])
            if generation is None:
                raise not_found("generation")
            found.append((generation, await runs.of_generation(connection, generation.id)))
    return found


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not IDEMPOTENCY_KEY.fullmatch(key):
        raise invalid(
            [FieldProblem(field="Idempotency-Key", message="1 to 255 visible ASCII characters, without spaces")]
        )
    return key


def _names(key: str | None, data: dict[str, Any]) -> list[str | None]:
    """What each generation of the body is remembered by. No key of a user holds a space, so none means another's."""
    tasks = data.get("tasks")
    count = len(tasks) if isinstance(tasks, list) and tasks else 1
    return [key if key is None or index == 0 else f"{key} {index}" for index in range(count)]


def _answer(
    services: Services, made: list[tuple[Generation, list[StageRun]]], data: dict[str, Any], status: HTTPStatus
) -> JSONResponse:
    shown = [views.detail(generation, history, services.library) for generation, history in made]
    if "tasks" in data:
        return JSONResponse({"generations": shown, "credits": sum(each["credits"] for each in shown)}, status)
    headers = {"Location": f"/api/generations/{made[0][0].id}"} if status is HTTPStatus.CREATED else None
    return JSONResponse(shown[0], status, headers)
