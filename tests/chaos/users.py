"""The load: users who ask, ask again when nobody answers, wait, and sometimes change their minds."""

import asyncio
import itertools
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx

from local.picture import lighthouse
from tests.chaos.cloud import ChaosCloud
from tests.chaos.plan import Wanted
from tests.fixtures_cloud import FINAL

AT_ONCE = 8
"""Users who wait for a video at the same time: more than there are workers of a stage."""
LOOK_SECONDS = 0.4
ANSWER_SECONDS = 120.0
"""After so long without a useful answer a user gives up."""

Shown = dict[str, Any]


class GaveUpError(Exception):
    """The service did not do in time what a user asked for."""


@dataclass
class Told:
    """What became of one wish, as its user saw it."""

    wanted: Wanted
    id: str = ""
    shown: Shown = field(default_factory=dict)
    """The last answer about it."""
    cancel_said: int | None = None
    """Status of the cancel."""
    problem: str = ""
    seconds: float = 0.0


class Users:
    def __init__(self, cloud: ChaosCloud, *, webhook_url: str, video: bytes, seconds: float) -> None:
        self._cloud = cloud
        self._webhook_url = webhook_url
        self._picture, self._video = lighthouse(), video
        self._seconds = seconds
        self._replica = itertools.cycle(range(len(cloud.users)))
        self.ended = 0
        self.statuses: Counter[int] = Counter()
        """Of all answers of the API."""
        self.unanswered = 0
        self.unexpected: list[str] = []
        """Answers of 500."""

    async def all(self, load: tuple[Wanted, ...]) -> list[Told]:
        """Every wish, to its end or until its user gives up."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(wanted: Wanted) -> Told:
            async with gate:
                return await self._live(wanted)

        return await asyncio.gather(*(one(wanted) for wanted in load))

    async def _live(self, wanted: Wanted) -> Told:
        told, began = Told(wanted), time.monotonic()
        try:
            async with asyncio.timeout(self._seconds):
                await self._follow(told)
        except (GaveUpError, TimeoutError) as error:
            told.problem = str(error) or f"not final after {self._seconds:.0f} s"
        finally:
            told.seconds = time.monotonic() - began
            self.ended += 1
        return told

    async def _follow(self, told: Told) -> None:
        body = await self._body(told.wanted)
        key = {"Idempotency-Key": f"wish-{told.wanted.number}"}
        made = await self._ask("POST", "/api/generations", json=body, headers=key, good={200, 201})
        told.id, told.shown = made.json()["id"], made.json()
        path = f"/api/generations/{told.id}"
        cancel_in = {"at once": {"queued", "running"}, "while it runs": {"running"}}.get(
            told.wanted.cancel or "", set()
        )
        while told.shown["state"] not in FINAL:
            if told.cancel_said is None and told.shown["state"] in cancel_in:
                told.cancel_said = (await self._ask("DELETE", path, good={200, 409})).status_code
            await asyncio.sleep(LOOK_SECONDS)  # users look now and then
            told.shown = (await self._ask("GET", path, good={200})).json()

    async def _body(self, wanted: Wanted) -> dict[str, Any]:
        body = {**wanted.body, "webhook_url": self._webhook_url, "metadata": {"wish": str(wanted.number)}}
        if wanted.image:
            body["upload_id"] = await self._upload(self._picture, "image/png")
        if wanted.control == "image":
            body["control"] = {"type": "depth", "source": "image"}
        elif wanted.control == "video":
            body["control"] = {"type": "canny", "upload_id": await self._upload(self._video, "video/mp4")}
        return body

    async def _upload(self, content: bytes, media_type: str) -> str:
        """A slot is asked for anew when the PUT fails: its URL is good for one upload of these bytes, not for ever."""

        async def put() -> str | None:
            slot = await self._ask("POST", "/api/uploads", json={"media_type": media_type, "bytes": len(content)})
            try:
                async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
                    answer = await client.put(slot.json()["url"], content=content, headers=slot.json()["headers"])
            except httpx.TransportError:
                return None
            return str(slot.json()["upload_id"]) if answer.is_success else None

        deadline = time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < deadline:
            if (done := await put()) is not None:
                return done
            await asyncio.sleep(LOOK_SECONDS)
        raise GaveUpError("could not upload")

    async def _ask(self, method: str, path: str, *, good: set[int] | None = None, **options: Any) -> httpx.Response:
        """The first useful answer of any replica; others are asked again, as a client with a retry would do."""
        deadline = time.monotonic() + ANSWER_SECONDS
        said = "nothing"
        while time.monotonic() < deadline:
            try:
                answer = await self._cloud.users[next(self._replica)].request(method, path, **options)
            except httpx.TransportError as error:
                self.unanswered += 1
                said = type(error).__name__
            else:
                self.statuses[answer.status_code] += 1
                if answer.status_code in good if good else answer.is_success:
                    return answer
                said = f"{answer.status_code} {answer.text[:300]}"
                if answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR:
                    self.unexpected.append(f"{method} {path.rpartition('/')[0]}: {said}")
                if answer.status_code < 500 and answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
                    raise GaveUpError(f"{method} {path}: {said}")
            await asyncio.sleep(LOOK_SECONDS)
        raise GaveUpError(f"{method} {path}: {said} for {ANSWER_SECONDS:.0f} s")
