"""What a server's answer to a request for a weight file means. No input or output here."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from shared.errors import FatalError, MivoError, TransientError

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_SHA256 = re.compile(r"[0-9a-f]{64}")
PASSING = {408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524}
"""Statuses that may be others the next time; 52x are those of a CDN before the hub."""


@dataclass(frozen=True)
class Address:
    """One file on one server. `label` may be shown to anybody; the URL of a redirect may not."""

    url: str
    label: str
    token: str | None = None
    terms: str | None = None
    """Page where the terms of a gated repository are accepted."""

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


@dataclass(frozen=True)
class Seen:
    """What a server says of a file."""

    size: int
    mark: str | None
    """Changes with the content; None where the server has no such thing, so that nothing can be resumed."""
    sha256: str | None
    ranges: bool


class ChangedError(Exception):
    """It is not the file any more that was begun."""


def refusal(answer: httpx.Response, address: Address) -> MivoError | None:
    """None for an answer that brings bytes."""
    status, said = answer.status_code, answer.headers.get("x-error-code", "")
    if status in {200, 206}:
        if answer.headers.get("content-encoding", "identity") != "identity":
            return FatalError("model_missing", f"{address.label} is sent compressed, which nobody asked for")
        return None
    if status in PASSING:
        wait = retry_after(answer.headers.get("retry-after", ""))
        return TransientError("connection_lost", f"{address.label}: the server answered {status}", retry_after=wait)
    message, reason = _final(address, status, said)
    return FatalError("model_missing", message, reason=reason)


def _final(address: Address, status: int, said: str) -> tuple[str, str]:
    """Message and reason of an answer that will not change by asking again."""
    if said == "GatedRepo" or (status in {401, 403} and address.terms):
        return _gated(address, status), "gated"
    if status in {401, 403}:
        known = "refuses the token" if address.token else "wants a token: set HF_TOKEN or HF_TOKEN_FILE"
        return f"{address.label}: the server {known} ({status})", "forbidden"
    if status in {404, 410}:
        hint = said or "check repository, path and revision in shared/models.toml"
        return f"{address.label} does not exist there ({hint})", "not_found"
    return f"{address.label}: the server answered {status}", "refused"


def _gated(address: Address, status: int) -> str:
    if not address.token:
        todo = "accept its terms there, and set HF_TOKEN or HF_TOKEN_FILE to a token of that account"
    elif status == httpx.codes.UNAUTHORIZED:
        todo = "the token is not valid: make a new one"
    else:
        todo = "the account of the token has not accepted its terms, or the token may not read gated repositories"
    return f"{address.label} is gated ({address.terms or 'see its page on the hub'}): {todo}"


def retry_after(text: str, now: datetime | None = None) -> float:
    """Seconds, from either form of the header; 0 when it says nothing usable."""
    if text.isdecimal():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    return max(0.0, (when - (now or datetime.now(UTC))).total_seconds()) if when.tzinfo else 0.0


def seen(answer: httpx.Response) -> Seen:
    """From the answer to a request for the first byte. TransientError when it does not tell how long the file is."""
    found = _RANGE.fullmatch(answer.headers.get("content-range", "").strip())
    ranged = answer.status_code == httpx.codes.PARTIAL_CONTENT and found is not None
    length = found[3] if ranged and found else answer.headers.get("content-length", "")
    if not length.isdecimal() or not int(length):
        raise TransientError("connection_lost", f"{answer.request.url.host} does not tell how long the file is")
    return Seen(int(length), mark(answer), _hub_hash(answer), ranged)


def mark(answer: httpx.Response) -> str | None:
    """Of the content. The hub's own, which its redirect carries, holds over all machines of its CDN."""
    for hop in (*answer.history, answer):
        if linked := hop.headers.get("x-linked-etag"):
            return str(linked).strip('"')
    etag: str = answer.headers.get("etag", "")
    if etag and not etag.startswith("W/"):
        return etag.strip('"')
    modified: str | None = answer.headers.get("last-modified")
    return modified


def _hub_hash(answer: httpx.Response) -> str | None:
    """For large files the hub's linked ETag is their sha256."""
    for hop in (*answer.history, answer):
        linked = hop.headers.get("x-linked-etag", "").strip('"')
        if _SHA256.fullmatch(linked):
            return str(linked)
    return None


def require_same(answer: httpx.Response, begun: Seen, start: int) -> None:
    """ChangedError unless this is a piece of the same file, from the byte that was asked for."""
    found = _RANGE.fullmatch(answer.headers.get("content-range", "").strip())
    if answer.status_code != httpx.codes.PARTIAL_CONTENT or found is None:
        raise ChangedError("the server stopped giving ranges")
    if int(found[1]) != start or int(found[3]) != begun.size:
        raise ChangedError("the server gave another range, or another length of the whole")
    if mark(answer) != begun.mark:
        raise ChangedError("its ETag is another one")
