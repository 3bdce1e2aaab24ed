"""The running cloud takes orders: how many workers a stage shall have, over a socket in its state folder."""

import asyncio
import hashlib
import itertools
import json
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from local.postgres import LONGEST_SOCKET
from local.supervisor import ServiceFailedError
from shared.contracts.vocabulary import Stage

MOST_WORKERS = 256
ORDER_SECONDS = 5.0
"""From a connection to its order."""
ANSWER_SECONDS = 60.0
"""For the answer: a worker that is retired has 8 s, all of them at the same time."""

Scale = Callable[[Mapping[Stage, int]], Awaitable[dict[Stage, int]]]


class Order(BaseModel):
    """Workers by stage; a stage that is not named stays as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    workers: dict[Stage, Annotated[int, Field(ge=0, le=MOST_WORKERS)]] = {}


def staffing(now: Sequence[int], count: int, busy: AbstractSet[int]) -> tuple[list[int], list[int]]:
    """Of the workers by number: which stay, and which are new; busy ones and low numbers stay longest. Pure."""
    left = sorted(sorted(now, key=lambda number: (number not in busy, number))[:count])
    free = (number for number in itertools.count() if number not in now)
    return left, list(itertools.islice(free, count - len(left)))


class OrderRefusedError(Exception):
    """No cloud runs there, or it did not do what it was told."""


def address(state: Path) -> Path:
    """In the state folder, or in /tmp where its name is too long for a socket."""
    inside = state.resolve() / "control.sock"
    if len(os.fsencode(inside)) <= LONGEST_SOCKET:
        return inside
    return Path("/tmp") / f"ltx2-control-{hashlib.sha256(os.fsencode(inside)).hexdigest()[:12]}.sock"  # noqa: S108  short


class Control:
    """Listens from `open` to `close`. Only this user may connect."""

    def __init__(self, state: Path, scale: Scale) -> None:
        self._path, self._scale = address(state), scale
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        self._path.unlink(missing_ok=True)  # of a cloud that was killed
        self._server = await asyncio.start_unix_server(self._serve, self._path)
        self._path.chmod(0o600)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(ORDER_SECONDS):
                line = await reader.readline()
            answer = await self._obey(line)
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        except (TimeoutError, ConnectionError):
            pass  # whoever asked has gone
        finally:
            writer.close()

    async def _obey(self, line: bytes) -> dict[str, object]:
        try:
            order = Order.model_validate_json(line)
            return {"workers": await self._scale(order.workers)}
        except (ValidationError, ServiceFailedError) as error:
            return {"error": str(error)}


async def tell(state: Path, workers: Mapping[Stage, int]) -> dict[Stage, int]:
    """The workers of each stage once the order is carried out. OrderRefusedError says why it is not."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_unix_connection(address(state))
            try:
                writer.write(Order(workers=dict(workers)).model_dump_json().encode() + b"\n")
                answer = json.loads(await reader.readline() or b"{}")
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        raise OrderRefusedError(
            f"no cloud answers for {state}: {type(error).__name__}; start it with make up"
        ) from error
    if "workers" not in answer:
        raise OrderRefusedError(str(answer.get("error", "the cloud stopped meanwhile")))
    return {Stage(stage): count for stage, count in answer["workers"].items()}
