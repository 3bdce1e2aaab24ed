"""RunPod's webhook. Only a hint: whatever it says, RunPod is asked, and soon."""

import hmac
from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import Response

from orchestrator.api.errors import not_found
from orchestrator.api.services import Injected
from orchestrator.store import runs

router = APIRouter(prefix="/api/callbacks", tags=["callbacks"], include_in_schema=False)


@router.post("/runpod/{run_id}/{token}")
async def runpod(run_id: str, token: str, services: Injected) -> Response:
    """Make the run due for polling, at most once in POLL_SECONDS_MIN. The body is not read; the token is compared
    in constant time.
    """
    async with services.database.statements() as connection:
        run = await runs.get(connection, run_id)
        # a forged id costs the same comparison as a real one
        if not hmac.compare_digest((run.token if run else "").encode(), token.encode()) or run is None:
            raise not_found("run")
        await runs.due_soon(connection, run_id, gap=services.settings.poll_seconds_min)
    services.poller.wake()
    return Response(status_code=HTTPStatus.OK)  # RunPod wants a 200 (facts/runpod.md section A)
