"""GET /studio: the page, its modules, and the policy under which a browser runs them.

Nothing here is secret and nothing needs a key: the page asks its user for one, or lives behind a backend that knows
its user. It loads nothing from anywhere else, runs no inline script, and talks to this server and to storage only.
"""

import gzip
import hashlib
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from orchestrator.api.errors import not_found
from orchestrator.api.services import Injected

router = APIRouter(include_in_schema=False)

FOLDER = Path(__file__).parents[1] / "studio"
PAGE = "index.html"
VENDOR = "vendor/"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
ALWAYS_ASK = "no-cache"
"""Kept, and used after a question that is answered 304: modules of two versions never meet."""
FOR_EVER = "public, max-age=31536000, immutable"
"""For what has its version in its name."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: {storage}; "
    "media-src 'self' blob: {storage}; connect-src 'self' {storage}; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types lit-html"
)


@dataclass(frozen=True)
class Asset:
    """One file as it is sent; the ETag is that of its content, so it is the same on every replica."""

    name: str
    body: bytes = field(repr=False)
    packed: bytes = field(repr=False)

    @property
    def etag(self) -> str:
        return f'W/"{hashlib.sha256(self.body).hexdigest()[:32]}"'  # weak: packed or not, it is the same content


def _assets() -> dict[str, Asset]:
    paths = {path.relative_to(FOLDER).as_posix(): path for path in FOLDER.rglob("*") if path.suffix in TYPES}
    bodies = {name: path.read_bytes() for name, path in paths.items()}
    return {name: Asset(name, body, gzip.compress(body, mtime=0)) for name, body in bodies.items()}


ASSETS = _assets()


@router.api_route("/studio", methods=["GET", "HEAD"])
async def page(request: Request, services: Injected) -> Response:
    storage = urlsplit(services.library.url("videos/any"))
    policy = POLICY.format(storage=f"{storage.scheme}://{storage.netloc}")
    headers = {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    return _answer(request, ASSETS[PAGE], headers)


@router.api_route("/studio/{name:path}", methods=["GET", "HEAD"])
async def asset(name: str, request: Request) -> Response:
    """A module, a style sheet or the icon; other origins may import them, as an embedding page does."""
    if not name:
        return RedirectResponse("../studio", HTTPStatus.PERMANENT_REDIRECT)
    found = ASSETS.get(name)
    if found is None or name == PAGE:
        raise not_found("file")
    return _answer(request, found, {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"})


def _answer(request: Request, found: Asset, headers: dict[str, str]) -> Response:
    headers |= {
        "Cache-Control": FOR_EVER if found.name.startswith(VENDOR) else ALWAYS_ASK,
        "ETag": found.etag,
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
    known = {tag.strip() for tag in request.headers.get("if-none-match", "").split(",")}
    if known & {found.etag, found.etag.removeprefix("W/"), "*"}:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    packed = "gzip" in request.headers.get("accept-encoding", "")
    if packed:
        headers["Content-Encoding"] = "gzip"
    return Response(found.packed if packed else found.body, headers=headers, media_type=TYPES[Path(found.name).suffix])
