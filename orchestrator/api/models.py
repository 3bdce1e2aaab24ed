"""GET /api/models: what a page needs to offer LTX-2."""

from fastapi import APIRouter
from pydantic import BaseModel

from orchestrator.api.auth import Caller
from orchestrator.api.document import WITH_KEY, answers
from orchestrator.api.services import Injected
from orchestrator.card import ModelCard, card

router = APIRouter(prefix="/api/models", tags=["generations"])


class Models(BaseModel):
    """In the order in which a selector shows them."""

    models: tuple[ModelCard, ...]


@router.get("", responses=answers(Models, *WITH_KEY))
async def models(services: Injected, _key: Caller) -> Models:
    """The model card: fields with their values, bounds and defaults, impossible combinations, prices and limits."""
    settings = services.settings
    return Models(models=(card(allow_draft=settings.allow_draft, surcharges=settings.surcharges),))
