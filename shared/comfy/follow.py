"""Follow one run to its surely coming end.

Three sources, because each of them alone can miss the end: events (fast, but lost with a socket), the history
(written a little after the success event), the queue (says when the server no longer knows the run). A run ends
in success, in the error of its node, in a deadline, or in the end of the server; never in waiting for ever.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn
from uuid import uuid4

import structlog
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    retry_if_result,
    stop_after_attempt,
    stop_after_delay,
    wait_random,
    wait_random_exponential,
)

from shared.comfy.api import ComfyApi
from shared.comfy.events import Event, NodeProgress, Run, outcome_of_history
from shared.comfy.socket import EventSocket, SocketClosedError
from shared.errors import FatalError, TransientError

log = structlog.get_logger(__name__)

AFTER_CLOSE = 0.1  # seconds until the history is asked when `executing null` or the event of the end came alone
NOWHERE = 2  # answers in a row that know nothing of a run, before it counts as forgotten


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """All waits of one run, in seconds.

    `silence` is for a node in the middle of its steps; `quiet` for all others: loaders, text encoder, upsampler,
    decoder and the time before a sampler's first step send nothing for minutes (facts/comfyui.md section 5).
    """

    silence: float
    quiet: float
    poll: float
    history: float
    connect: float
    reconnects: int


class Follower:
    """One run from its post to its end. `tell` hears every change of its state, `accepted` that the server took it."""

    def __init__(
        self,
        api: ComfyApi,
        run: Run,
        patience: Patience,
        tell: Callable[[Run], None],
        accepted: Callable[[], None] = lambda: None,
    ) -> None:
        self._api = api
        self._run = run
        self._patience = patience
        self._tell = tell
        self._accepted = accepted
        self._client_id = uuid4().hex  # fresh for every run: events of an earlier one cannot get in
        self._losses = 0  # sockets lost since the last sign of life
        self._misses = 0  # questions in a row that the server did not answer
        self._nowhere = 0  # answers in a row that knew nothing of the run
        self._renewed = False  # the socket was replaced during this silence
        self._alive_at = self._asked_at = time.monotonic()
        self.unfinished = False  # the server may be working on the run

    async def finish(self) -> Run:
        """The run as its history tells it, once it has succeeded; else its error is raised."""
        try:
            self._socket = await self._open()  # before the post: no event may be missed
        except SocketClosedError as error:
            raise self._api.gone(error) from error
        try:
            await self._post()
            while not self._run.over:
                await self._step()
            self.unfinished = False
            if self._run.error is not None:
                raise self._run.error
            await self._until_closed()
            return await self._record()
        finally:
            await self._socket.close()

    async def _post(self) -> None:
        run = self._run
        self.unfinished = True  # from here on, even if the answer is lost
        try:
            refused_part = await self._api.post_prompt(run.graph, prompt_id=run.prompt_id, client_id=self._client_id)
        except FatalError:
            self.unfinished = False  # refused as a whole
            raise
        if refused_part is not None:
            raise refused_part
        self._accepted()
        self._alive_at = self._asked_at = time.monotonic()

    async def _step(self) -> None:
        """One event, or one question after a while without any of ours."""
        quiet_for = time.monotonic() - max(self._asked_at, self._alive_at)
        wait = AFTER_CLOSE if self._run.closed else self._patience.poll - quiet_for
        try:
            self._take(await self._socket.next(max(wait, 0.0)))
        except TimeoutError:
            await self._ask()
        except SocketClosedError as error:
            await self._reconnect(error)
        await self._lose_patience()

    def _take(self, event: Event) -> None:
        before, self._run = self._run, self._run.after(event)
        if event.prompt_id == self._run.prompt_id:
            self._alive_at = time.monotonic()
            self._losses, self._renewed = 0, False
        if self._run is not before:
            self._tell(self._run)

    async def _ask(self) -> None:
        """Queue first, then history: what is in neither is gone for good, it cannot be on its way between them."""
        self._asked_at = time.monotonic()
        try:
            place = await self._api.place(self._run.prompt_id)
            entry = await self._api.history(self._run.prompt_id)
        except TransientError as error:
            self._misses += 1  # a server that loads 40 GB of weights may be slow to answer
            if error.code == "comfy_crashed" or self._misses > self._patience.reconnects:
                raise
            return
        self._misses = 0
        if entry is not None:
            self._run = outcome_of_history(entry)
            self._tell(self._run)
        elif place is None and self._nowhere + 1 < NOWHERE:
            self._nowhere += 1
        elif place is None:
            self.unfinished = False
            raise self._api.dead() or TransientError("comfy_crashed", "ComfyUI forgot the run: it was restarted")
        else:
            self._nowhere = 0
        if place == "pending":
            self._alive_at = time.monotonic()  # waiting for one's turn is not silence

    async def _reconnect(self, why: SocketClosedError) -> None:
        self._losses += 1
        if self._losses > self._patience.reconnects:
            self._give_up(why)
        log.warning("comfy_socket_lost", prompt_id=self._run.prompt_id, why=str(why), losses=self._losses)
        tries = AsyncRetrying(
            stop=stop_after_attempt(self._patience.reconnects),
            wait=wait_random_exponential(multiplier=0.05 * 2**self._losses, max=2.0),
            retry=retry_if_exception_type(SocketClosedError),
            reraise=True,
        )
        await self._socket.close()
        try:
            async for attempt in tries:
                with attempt:
                    if crashed := self._api.dead():
                        raise crashed
                    self._socket = await self._open()
        except SocketClosedError as error:
            self._give_up(error)
        await self._ask()  # the end may have passed while nobody listened

    async def _lose_patience(self) -> None:
        """Replace a socket in the middle of a silence (it may be dead on the server's side); time out at its end."""
        node = self._run.nodes.get(self._run.node or "", NodeProgress(0.0, 1.0))
        stepping = 0 < node.value < node.maximum
        limit = self._patience.silence if stepping else self._patience.quiet
        silent = time.monotonic() - self._alive_at
        if self._run.over or silent < limit / 2:
            return
        if silent >= limit:
            where = self._run.title or "the queue"
            message = f"ComfyUI gave no sign of life for {limit:g} s in '{where}'"
            raise TransientError("execution_timeout", message, node=where, silence_seconds=limit)
        if not self._renewed:
            self._renewed = True
            await self._reconnect(SocketClosedError("half of the allowed silence has passed"))

    async def _until_closed(self) -> None:
        """The history is written between the success and `executing null`: whoever asks before that asks twice."""
        with suppress(TimeoutError, SocketClosedError):  # that event may be lost; the history tells all the same
            async with asyncio.timeout(AFTER_CLOSE):
                while not self._run.closed:
                    self._take(await self._socket.next(AFTER_CLOSE))

    async def _record(self) -> Run:
        """The history of a success. Asked right after that event, 3 of 20 tries found none."""
        tries = AsyncRetrying(
            stop=stop_after_delay(self._patience.history),
            wait=wait_random(0.02, 0.2),
            retry=retry_if_result(lambda entry: entry is None),
            retry_error_callback=lambda _: None,
        )
        entry: Mapping[str, Any] | None = await tries(self._api.history, self._run.prompt_id)
        if entry is None:
            raise TransientError("connection_lost", "ComfyUI reported success but keeps no history of the run")
        run = outcome_of_history(entry)
        if run.error is not None:
            raise run.error
        return run

    async def _open(self) -> EventSocket:
        return await EventSocket.open(self._api.base_url, self._client_id, timeout_seconds=self._patience.connect)

    def _give_up(self, error: SocketClosedError) -> NoReturn:
        lost = TransientError("connection_lost", f"ComfyUI's event stream is lost: {error}")
        raise self._api.dead() or lost from error
