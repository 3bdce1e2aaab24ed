"""Files of a page as a browser is sent them: typed, packed, and asked for again only when they have changed."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from fastapi import Request
from fastapi.responses import Response

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
PRIVATE = {"Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin"}
"""Of a page that holds a key: no other page learns of it, or reaches into it."""


@dataclass(frozen=True)
class Asset:
    """One file as it is sent; the ETag is that of its content, so it is the same on every replica."""

    name: str
    body: bytes = field(repr=False)
    packed: bytes = field(repr=False)

    @property
    def etag(self) -> str:
        return f'W/"{hashlib.sha256(self.body).hexdigest()[:32]}"'  # weak: packed or not, it is the same content


def assets_of(folder: Path) -> dict[str, Asset]:
    """Name below the folder -> file, of those that a browser is meant to have."""
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.suffix in TYPES}
    bodies = {name: path.read_bytes() for name, path in paths.items()}
    return {name: Asset(name, body, gzip.compress(body, mtime=0)) for name, body in bodies.items()}


def sent(request: Request, found: Asset, headers: Mapping[str, str]) -> Response:
    """The answer, or 304 where the browser has it."""
    told = {
        **headers,
        "Cache-Control": FOR_EVER if found.name.startswith(VENDOR) else ALWAYS_ASK,
        "ETag": found.etag,
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
    known = {tag.strip() for tag in request.headers.get("if-none-match", "").split(",")}
    if known & {found.etag, found.etag.removeprefix("W/"), "*"}:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=told)
    packed = "gzip" in request.headers.get("accept-encoding", "")
    if packed:
        told["Content-Encoding"] = "gzip"
    return Response(found.packed if packed else found.body, headers=told, media_type=TYPES[Path(found.name).suffix])
