"""GET /studio: the page, its modules, and the policy under which a browser runs them.

Nothing here is secret and nothing needs a key: the page asks its user for one, or lives behind a backend that knows
its user. It loads nothing from anywhere else, runs no inline script, and talks to this server and to storage only.
"""

from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from orchestrator.api.assets import PAGE, PRIVATE, assets_of, sent
from orchestrator.api.errors import not_found
from orchestrator.api.services import Injected

router = APIRouter(include_in_schema=False)

ASSETS = assets_of(Path(__file__).parents[1] / "studio")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: {storage}; "
    "media-src 'self' blob: {storage}; connect-src 'self' {storage}; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types lit-html"
)


@router.api_route("/studio", methods=["GET", "HEAD"])
async def page(request: Request, services: Injected) -> Response:
    storage = urlsplit(services.library.url("videos/any"))
    policy = POLICY.format(storage=f"{storage.scheme}://{storage.netloc}")
    return sent(request, ASSETS[PAGE], {"Content-Security-Policy": policy, **PRIVATE})


@router.api_route("/studio/{name:path}", methods=["GET", "HEAD"])
async def asset(name: str, request: Request) -> Response:
    """A module, a style sheet or the icon; other origins may import them, as an embedding page does."""
    if not name:
        return RedirectResponse("../studio", HTTPStatus.PERMANENT_REDIRECT)
    found = ASSETS.get(name)
    if found is None or name == PAGE:
        raise not_found("file")
    return sent(request, found, {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"})
