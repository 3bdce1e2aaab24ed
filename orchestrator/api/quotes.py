"""POST /api/quotes: what a request would cost and how long it would take. Nothing is fetched or started."""

from typing import Any

from fastapi import APIRouter, Request

from orchestrator.api.answers import Quote, Quotes
from orchestrator.api.auth import Caller
from orchestrator.api.body import json_body
from orchestrator.api.create import parse
from orchestrator.api.document import WITH_BODY, WITH_KEY, answers, body_of
from orchestrator.api.examples import EXAMPLES
from orchestrator.api.services import Injected, Services
from orchestrator.plan import make_plan
from shared.contracts.request import Batch, GenerationRequest

router = APIRouter(prefix="/api/quotes", tags=["generations"])


@router.post(
    "",
    response_model=None,
    responses=answers(Quote | Quotes, *WITH_KEY, *WITH_BODY),
    openapi_extra=body_of(GenerationRequest, Batch, examples=EXAMPLES),
)
async def quote(request: Request, services: Injected, _key: Caller) -> dict[str, Any]:
    """Credits, and the estimated GPU seconds of each stage on an H100 without a cold start."""
    data = await json_body(request)
    quotes = [_quote(services, asked) for asked in parse(services, data)]
    return {"quotes": quotes, "credits": sum(each["credits"] for each in quotes)} if "tasks" in data else quotes[0]


def _quote(services: Services, asked: GenerationRequest) -> dict[str, Any]:
    plan = make_plan(asked, seed=asked.seed or 0, text_encoder=services.settings.text_encoder)
    surcharges = services.settings.surcharges
    return {
        "credits": surcharges.credits(asked),
        "surcharges": surcharges.added(asked),
        "estimated_seconds": plan.estimated_seconds,
        "stages": [{"stage": step.stage, "estimated_seconds": step.estimated_seconds} for step in plan.stages],
        "delivers": plan.delivers.model_dump(mode="json"),
    }
