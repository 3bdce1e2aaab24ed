"""The OpenAPI document says all that the API may answer; a test with schemathesis holds the API to it."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, TypeAdapter

from orchestrator.api.answers import Problem
from orchestrator.api.told import ProgressEvent, RunPodMessage, WebhookMessage, WebhookProgress
from shared import geometry
from shared.contracts.vocabulary import Resolution

EVERYWHERE = (HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE)
WITH_KEY = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS, *EVERYWHERE)
WITH_BODY = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
RETRY_AFTER = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer", "minimum": 1}}}
REFERENCE = "#/components/schemas/{model}"
PROBLEM = {"$ref": REFERENCE.format(model="Problem")}

UNTRUE = {"$ref": REFERENCE.format(model="HTTPValidationError")}
"""FastAPI's own form of a 422, which `errors.py` replaces by a problem."""

TOLD = (WebhookMessage, WebhookProgress, RunPodMessage)
WEBHOOKS = {
    "generation": {
        "post": {
            "summary": "A generation has ended, or goes on",
            "description": "To its `webhook_url`. The end comes at least once: a repetition has the same `webhook-id`.",
            "parameters": [
                {"name": name, "in": "header", "required": True, "schema": {"type": "string"}}
                for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
            ],
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": {"anyOf": [{"$ref": REFERENCE.format(model=kind.__name__)} for kind in TOLD]}
                    }
                },
            },
            "responses": {
                "2XX": {"description": "Taken. Anything else, or nothing in 10 seconds, and it comes again."}
            },
        }
    }
}

Responses = dict[int | str, dict[str, Any]]
Examples = Mapping[str, Mapping[str, Any]]
"""Name -> `{"summary", "value"}`."""


def answers(model: Any, *bad: HTTPStatus, status: HTTPStatus = HTTPStatus.OK) -> Responses:
    """The `responses` of a route: one good answer, and the problems."""
    return {status.value: {"model": model, "description": status.phrase}, **problems(*bad)}


def problems(*bad: HTTPStatus) -> Responses:
    """The `responses` of what may go wrong, besides what may go wrong everywhere."""
    found: Responses = {}
    for problem in sorted({*bad, *EVERYWHERE}):
        found[problem.value] = {"model": Problem, "description": problem.phrase}
        if problem in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
            found[problem.value]["headers"] = RETRY_AFTER
    return found


def body_of(*models: type[BaseModel], examples: Examples | None = None) -> dict[str, Any]:
    """What is said of a body that a route reads itself: one of the models; without any, some object."""
    named = [{"$ref": REFERENCE.format(model=model.__name__)} for model in models]
    schema: dict[str, Any] = {"anyOf": named} if len(named) > 1 else named[0] if named else {"type": "object"}
    media = {"schema": schema} | ({"examples": examples} if examples else {})
    return {"requestBody": {"required": True, "content": {"application/json": media}}}


def install(app: FastAPI, bodies: Sequence[type[BaseModel]], *, allow_draft: bool) -> None:
    """Complete what FastAPI finds out: schemas of the bodies and events, and the media type of problems."""
    found_out = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = found_out()
            _, schemas = TypeAdapter.json_schemas(
                [(kind, "validation", TypeAdapter(kind)) for kind in (*bodies, ProgressEvent, *TOLD)],
                ref_template=REFERENCE,
            )
            document["components"]["schemas"] |= schemas["$defs"]
            document["webhooks"] = WEBHOOKS
            _narrow(document["components"]["schemas"], allow_draft=allow_draft)
            for path in document["paths"].values():
                for operation in path.values():
                    _name_problems(operation["responses"])
            for untrue in ("HTTPValidationError", "ValidationError"):
                del document["components"]["schemas"][untrue]
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's own way to extend it


def _name_problems(responses: dict[str, Any]) -> None:
    """FastAPI says of every answer that it has the media type of the good one."""
    for answer in responses.values():
        if any(said.get("schema") in (PROBLEM, UNTRUE) for said in answer.get("content", {}).values()):
            answer["content"] = {"application/problem+json": {"schema": PROBLEM}}


def _narrow(schemas: dict[str, Any], *, allow_draft: bool) -> None:
    """What the settings and the tier decide, and the type alone does not say."""
    sold = [each for each in Resolution if allow_draft or each is not Resolution.DRAFT]
    schemas["Resolution"] = {"type": "string", "enum": [str(each) for each in sold], "title": "Resolution"}
    durations = sorted({seconds for each in sold for seconds in geometry.durations(each)})
    asked = schemas["GenerationRequest"]["properties"]
    asked["duration"] |= {"enum": durations}
    asked["camera_lora"] = {
        "$ref": REFERENCE.format(model="Camera"),
        "description": "Another name of `camera`, as Mivo's pages send it; send one of the two.",
    }
