"""The one way in which we fetch what a user's URL points at. Design section 10; the guard is in `url_guard.py`."""

import asyncio
import hashlib
import ssl
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import BinaryIO

import httpx
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import UserError
from shared.url_guard import GuardedTransport, Resolver, UrlPolicy, check_url, refused, system_resolver

CHUNK = 256 * 1024


class FetchSettings(BaseSettings):
    """Environment variables `FETCH_*`. The `allow_` ones are for local clouds and tests."""

    model_config = SettingsConfigDict(env_prefix="FETCH_", frozen=True, extra="ignore")

    allow_http: bool = False
    allow_any_port: bool = False
    allow_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """As JSON: `["127.0.0.0/8"]`."""
    seconds: float = Field(default=60, gt=0)
    """Of one fetch as a whole, redirects included."""
    connect_seconds: float = Field(default=5, gt=0)
    silence_seconds: float = Field(default=15, gt=0)
    """Without a byte."""
    max_redirects: int = Field(default=3, ge=0)

    @property
    def policy(self) -> UrlPolicy:
        return UrlPolicy(self.allow_http, self.allow_any_port, self.allow_networks)


@dataclass(frozen=True)
class Fetched:
    """A file on our disk. `media_type` is what the server claimed: decode the file to know."""

    path: Path
    sha256: str
    bytes: int
    media_type: str


class Fetcher:
    """Holds no connection between two fetches, so it needs no closing."""

    def __init__(
        self,
        settings: FetchSettings,
        *,
        resolver: Resolver = system_resolver,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._settings = settings
        self._resolver = resolver
        self._ssl_context = ssl_context

    async def fetch(self, url: str, target: Path, *, max_bytes: int) -> Fetched:
        """Get it into `target`, which appears only when whole.

        UserError input_unreachable or input_too_large. Messages name the host at most: the rest of a URL may be
        a secret.
        """
        host = check_url(url, self._settings.policy).host
        part = target.with_name(f".{target.name}.part")
        try:
            async with asyncio.timeout(self._settings.seconds):
                fetched = await self._fetch(url, part, max_bytes)
            part.replace(target)
        except TimeoutError as error:
            raise refused(f"{host} took more than {self._settings.seconds:g} s; upload the file instead") from error
        except httpx.TooManyRedirects as error:
            raise refused(
                f"{host} redirects more than {self._settings.max_redirects} times; send the final URL"
            ) from error
        except httpx.TimeoutException as error:
            raise refused(f"{host} did not answer in time; try again, or upload the file instead") from error
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:  # UnicodeError: a redirect to bad punycode
            raise refused(
                f"{host} cannot be reached ({type(error).__name__}); check the URL, or upload the file instead"
            ) from error
        finally:
            part.unlink(missing_ok=True)
        return Fetched(target, fetched.sha256, fetched.bytes, fetched.media_type)

    async def _fetch(self, url: str, part: Path, max_bytes: int) -> Fetched:
        settings = self._settings
        # a client of its own for each fetch: cookies of one user's host must not travel to another's
        transport = GuardedTransport(settings.policy, resolver=self._resolver, ssl_context=self._ssl_context)
        async with (
            httpx.AsyncClient(
                transport=transport,
                trust_env=False,  # a proxy would ask the DNS in our place
                follow_redirects=True,
                max_redirects=settings.max_redirects,
                timeout=httpx.Timeout(settings.silence_seconds, connect=settings.connect_seconds),
                headers={"Accept-Encoding": "identity", "User-Agent": "mivo-ltx2"},
            ) as client,
            client.stream("GET", url) as answer,
        ):
            _require_usable(answer, max_bytes)
            with part.open("wb") as file:  # not in a thread, where a cancel would lose it open
                return await _save(answer, file, part, max_bytes)


def _require_usable(answer: httpx.Response, max_bytes: int) -> None:
    if answer.status_code != httpx.codes.OK:
        raise refused(
            f"{answer.request.url.host} answered {answer.status_code}; the URL must serve the file to anyone who has it"
        )
    if answer.headers.get("content-encoding", "identity") != "identity":
        # we asked for none; unpacked, a few bytes may become gigabytes
        raise refused(f"{answer.request.url.host} sends the file compressed; upload it instead")
    claimed = answer.headers.get("content-length", "")
    if claimed.isdecimal() and int(claimed) > max_bytes:
        raise _too_large(max_bytes)


async def _save(answer: httpx.Response, file: BinaryIO, part: Path, max_bytes: int) -> Fetched:
    digest, size = hashlib.sha256(), 0
    async for chunk in answer.aiter_raw(CHUNK):
        size += len(chunk)
        if size > max_bytes:
            raise _too_large(max_bytes)
        digest.update(chunk)
        await asyncio.to_thread(file.write, chunk)
    if not size:
        raise refused(f"{answer.request.url.host} sent an empty file")
    media_type = answer.headers.get("content-type", "application/octet-stream").split(";")[0].strip().lower()
    return Fetched(part, digest.hexdigest(), size, media_type)


def _too_large(max_bytes: int) -> UserError:
    return UserError("input_too_large", f"the file has more than {max_bytes / 1_000_000:g} MB; send a smaller one")
