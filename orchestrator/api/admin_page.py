"""GET /admin: the operator's page. It holds no data: it asks for an admin key, and `/api/admin` answers that key.

Where no admin key is set up there is no page either. It uses the studio's Lit and its client of the API.
"""

from http import HTTPStatus
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from orchestrator.api.assets import PAGE, PRIVATE, assets_of, sent
from orchestrator.api.errors import Problem, not_found
from orchestrator.api.services import Injected

router = APIRouter(include_in_schema=False)

ASSETS = assets_of(Path(__file__).parents[1] / "admin")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types lit-html"
)


@router.api_route("/admin", methods=["GET", "HEAD"])
async def page(request: Request, services: Injected) -> Response:
    if not any(key.admin for key in services.settings.api_keys):
        raise Problem(
            HTTPStatus.NOT_FOUND, "not_found", "there is no admin key here; add one to API_KEYS as name:sha256hex:admin"
        )
    return sent(request, ASSETS[PAGE], {"Content-Security-Policy": POLICY, **PRIVATE})


@router.api_route("/admin/{name:path}", methods=["GET", "HEAD"])
async def asset(name: str, request: Request) -> Response:
    """A module, the style sheet or the icon; for this origin only."""
    if not name:
        return RedirectResponse("../admin", HTTPStatus.PERMANENT_REDIRECT)
    found = ASSETS.get(name)
    if found is None or name == PAGE:
        raise not_found("file")
    return sent(request, found, {"Cross-Origin-Resource-Policy": "same-origin"})
