"""`python -m bench.clients JSON`: the clients of a benchmark, in a process of their own; prints what they saw."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import aiohttp

DRAFT = {"prompt": "a lighthouse in the rain", "resolution": "draft", "duration": 1, "early_look": False}
CHAIN = {"spatial_upscale": True, "temporal_upscale": True}
ANSWER_SECONDS = 30.0
OPEN_SECONDS = 60.0
"""The most that it may take until all sockets are open."""
MAKERS = 8


async def accept(http: aiohttp.ClientSession, urls: list[str], *, at_once: int, seconds: float) -> dict[str, Any]:
    """Ask for generations, each with an Idempotency-Key, `at_once` at a time at each URL, for so long."""
    began = time.monotonic()
    spent: list[float] = []

    async def asking(url: str, name: str) -> None:
        while (asked := time.monotonic()) < began + seconds:
            await _create(http, url, {"Idempotency-Key": f"{name}-{asked}"})
            spent.append(time.monotonic() - asked)

    clients = [asking(url, f"{which}-{number}") for which, url in enumerate(urls) for number in range(at_once)]
    await asyncio.gather(*clients)
    return {"spent": spent, "seconds": time.monotonic() - began}


async def make(http: aiohttp.ClientSession, urls: list[str], *, count: int) -> dict[str, Any]:
    """So many generations; their ids."""
    left, made = list(range(count)), []

    async def making() -> None:
        while left:
            left.pop()
            made.append(await _create(http, urls[0], {}))

    await asyncio.gather(*(making() for _ in range(MAKERS)))
    return {"made": made}


async def _create(http: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> str:
    async with http.post(f"{url}/api/generations", json=DRAFT | CHAIN, headers=headers) as answer:
        body = await answer.json()
    if answer.status != 201:
        raise RuntimeError(f"HTTP {answer.status}: {body}")
    return str(body["id"])


async def get(
    http: aiohttp.ClientSession, urls: list[str], *, ids: list[str], per_second: float, seconds: float
) -> dict[str, Any]:
    """So many GETs a second, whether or not those before have been answered; seconds from when each was due."""
    began = time.monotonic()

    async def asking(number: int) -> float:
        due = began + number / per_second
        await asyncio.sleep(due - time.monotonic())
        async with http.get(f"{urls[number % len(urls)]}/api/generations/{ids[number % len(ids)]}") as answer:
            answer.raise_for_status()
            await answer.read()
        return time.monotonic() - due

    return {"spent": await asyncio.gather(*(asking(number) for number in range(int(seconds * per_second))))}


async def follow(
    http: aiohttp.ClientSession, urls: list[str], *, ids: list[str], count: int, seconds: float
) -> dict[str, Any]:
    """`count` sockets, shared out over URLs and generations, and what they are told for so long, once all are open.

    `late`: seconds from when a progress event was written, as it says, until a follower had it. `missed`: how often a
    number did not follow the one before.
    """
    late: list[float] = []
    missed = 0
    opened: asyncio.Queue[None] = asyncio.Queue()
    counting = False

    async def following(number: int) -> None:
        nonlocal missed
        path = f"/api/generations/{ids[number // len(urls) % len(ids)]}/progress"
        async with http.ws_connect(urls[number % len(urls)].replace("http", "ws", 1) + path, compress=0) as socket:
            opened.put_nowait(None)
            seq = 0
            async for message in socket:
                now, said = time.time(), json.loads(message.data)
                if "seq" in said:
                    missed += said["seq"] != seq + 1
                    seq = said["seq"]
                    at = datetime.fromisoformat(said["at"]).timestamp()
                    if counting and said["type"] == "progress" and at > since:
                        late.append(now - at)

    followers = [asyncio.create_task(following(number)) for number in range(count)]
    async with asyncio.timeout(OPEN_SECONDS):
        for _ in range(count):
            await opened.get()
    counting, since = True, time.time()
    await asyncio.sleep(seconds)
    for follower in followers:
        follower.cancel()
    await asyncio.gather(*followers, return_exceptions=True)
    return {"late": late, "missed": missed}


async def main() -> None:
    asked = json.loads(sys.argv[1])
    kinds: dict[str, Callable[..., Awaitable[dict[str, Any]]]]
    kinds = {"accept": accept, "make": make, "get": get, "follow": follow}
    what = asked.pop("what")
    async with aiohttp.ClientSession(
        headers={"Authorization": f"Bearer {asked.pop('key')}"},
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=ANSWER_SECONDS, sock_read=ANSWER_SECONDS),
    ) as http:
        found = await kinds[what](http, asked.pop("urls"), **asked)
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main())
