"""URLs that users give us: fetched from and posted to behind the URL guard of `shared/url_guard.py`."""

from pathlib import Path

import httpx

from shared.errors import UserError
from shared.fetcher import Fetched, Fetcher, FetchSettings
from shared.url_guard import GuardedTransport, check_host, check_url

POST_TIMEOUT = httpx.Timeout(10, connect=5)


class Outside:
    def __init__(self, settings: FetchSettings) -> None:
        self._policy = settings.policy
        self._fetcher = Fetcher(settings)

    async def check(self, url: str) -> None:
        """Might we ever reach this URL? UserError input_unreachable. Whoever uses it later is guarded again."""
        await check_host(check_url(url, self._policy), self._policy)

    async def fetch(self, url: str, path: Path, *, max_bytes: int) -> Fetched:
        """Get a file; errors are those of `Fetcher.fetch`."""
        return await self._fetcher.fetch(url, path, max_bytes=max_bytes)

    async def post(self, url: str, *, body: bytes, headers: dict[str, str]) -> int:
        """Post once, following no redirect; the status. UserError input_unreachable when there is no answer."""
        async with httpx.AsyncClient(
            transport=GuardedTransport(self._policy), trust_env=False, timeout=POST_TIMEOUT, follow_redirects=False
        ) as client:
            try:
                async with client.stream("POST", url, content=body, headers=headers) as answer:
                    return answer.status_code  # the body is not read: it may be endless
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise UserError("input_unreachable", f"no answer: {type(error).__name__}") from error
