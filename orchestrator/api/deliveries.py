"""/api/deliveries: the webhooks that told, or did not tell, how generations ended."""

from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from orchestrator import views
from orchestrator.api.answers import DeliveryPage, WebhookDelivery
from orchestrator.api.auth import Caller
from orchestrator.api.document import WITH_KEY, answers
from orchestrator.api.errors import Problem, not_found
from orchestrator.api.services import Injected
from orchestrator.queue import DELIVER
from orchestrator.store import deliveries

router = APIRouter(prefix="/api/deliveries", tags=["webhooks"])


@router.get("", responses=answers(DeliveryPage, *WITH_KEY, HTTPStatus.UNPROCESSABLE_ENTITY))
async def list_newest(
    services: Injected,
    key: Caller,
    state: Annotated[Literal["pending", "delivered", "dead"] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
) -> JSONResponse:
    """The caller's webhooks, newest generation first; `?state=dead` are those that were given up."""
    async with services.database.statements() as connection:
        found = await deliveries.newest(connection, key.name, state=state, before=before, limit=limit)
    more = found[-1].number if len(found) == limit else None
    return JSONResponse({"deliveries": [views.delivery(row) for row in found], "next": more})


@router.post(
    "/{delivery_id}/redeliver",
    status_code=HTTPStatus.ACCEPTED,
    responses=answers(
        WebhookDelivery, *WITH_KEY, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, status=HTTPStatus.ACCEPTED
    ),
)
async def redeliver(delivery_id: str, services: Injected, key: Caller) -> JSONResponse:
    """Send it again, whether it was given up or delivered, under the same `webhook-id`, signed anew.

    409 while it is being sent anyway.
    """
    async with services.database.transaction() as connection:
        found = await deliveries.lock(connection, delivery_id, owner=key.name)
        if found is None:
            raise not_found("delivery")
        if found.state == "pending":
            raise Problem(HTTPStatus.CONFLICT, "already_pending", "it is being sent already")
        again = await deliveries.reopen(connection, delivery_id)
        await services.queue.defer(connection, DELIVER, delivery_id=delivery_id)
    return JSONResponse(views.delivery(again), HTTPStatus.ACCEPTED)
