"""The client of one ComfyUI server: run a graph to its end, cancel it for sure, move files."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import structlog
from tenacity import AsyncRetrying, RetryError, retry_if_exception, retry_if_result, stop_after_delay, wait_random

from shared.comfy.api import ComfyApi
from shared.comfy.events import Run
from shared.comfy.failures import GraphJson
from shared.comfy.follow import Follower, Patience
from shared.comfy.progress import Progress, ProgressMeter
from shared.errors import FatalError, MivoError, TransientError

log = structlog.get_logger(__name__)

OnProgress = Callable[[Progress], None]


class ComfyClient(ComfyApi):
    """Runs graphs on one server, one at a time (design section 8: concurrency 1).

    Args:
        base_url: see `ComfyApi`, like `process_end` and `request_seconds`.
        poll_seconds: after so long without an event, queue and history are asked.
        history_seconds: how long a history may lag behind the success event.
        cancel_seconds: how long a cancelled run may take to stop; an interrupt waits for the end of a silent node.
        silence_seconds: without an event in the middle of a sampler's steps.
        quiet_seconds: without an event elsewhere (loading, decoding, encoding text).
        connect_seconds: limit of one WebSocket handshake.
        reconnects: sockets that may be lost without a sign of life in between, and unanswered questions in a row.
    """

    def __init__(
        self,
        base_url: str,
        *,
        process_end: Callable[[], MivoError | None] | None = None,
        request_seconds: float = 30.0,
        poll_seconds: float = 5.0,
        history_seconds: float = 10.0,
        cancel_seconds: float = 20.0,
        silence_seconds: float = 300.0,
        quiet_seconds: float = 900.0,
        connect_seconds: float = 10.0,
        reconnects: int = 5,
    ) -> None:
        super().__init__(base_url, process_end=process_end, request_seconds=request_seconds)
        self.stuck = False  # the last run was cancelled but did not stop: restart the server before the next
        self._cancel_seconds = cancel_seconds
        self.patience = Patience(
            silence=silence_seconds,
            quiet=quiet_seconds,
            poll=poll_seconds,
            history=history_seconds,
            connect=connect_seconds,
            reconnects=reconnects,
        )
        self._cancelling: set[asyncio.Task[bool]] = set()
        self._closing: asyncio.Task[None] | None = None

    async def run(
        self,
        graph: GraphJson,
        *,
        prompt_id: str,
        deadline_seconds: float,
        meter: ProgressMeter | None = None,
        on_progress: OnProgress | None = None,
        on_accepted: Callable[[], None] = lambda: None,
    ) -> Run:
        """Execute a graph in API format and return the succeeded run (`outputs` by node id, `files(title)`).

        Args:
            graph: API-format JSON.
            prompt_id: a canonical lowercase UUID, new for every attempt (the server takes one twice).
            deadline_seconds: for the whole run, including its wait in the queue.
            meter: weights of the progress; by node class when left out.
            on_progress: called in the event loop whenever the progress changes; throttling is the caller's.
            on_accepted: called once the server has taken the graph.

        Raises:
            FatalError: graph_rejected, model_missing, internal (a node failed).
            CapacityError: out_of_memory.
            TransientError: execution_timeout, comfy_crashed, comfy_unreachable, connection_lost.

        Whatever ends the call before the run has ended (a deadline, an error, CancelledError) cancels the run on
        the server first and waits up to `cancel_seconds` for it to stop.
        """
        self.stuck = False
        if prompt_id != _canonical(prompt_id):
            raise FatalError("internal", "prompt_id is no canonical lowercase UUID; ComfyUI would refuse it")
        tell = _teller(meter or ProgressMeter(graph), on_progress)
        follower = Follower(self, Run(prompt_id, graph), self.patience, tell, on_accepted)
        started = time.monotonic()
        try:
            async with asyncio.timeout(deadline_seconds):
                run = await follower.finish()
        except (Exception, asyncio.CancelledError) as error:
            if follower.unfinished and not self.dead():
                await self._abandon(prompt_id)
            if isinstance(error, TimeoutError):
                message = f"the run took longer than {deadline_seconds:g} s"
                raise TransientError("execution_timeout", message, deadline_seconds=deadline_seconds) from error
            raise
        tell(run)
        seconds = round(time.monotonic() - started, 3)
        log.info("comfy_run", prompt_id=prompt_id, seconds=seconds, nodes=len(graph), cached=len(run.cached))
        return run

    async def cancel(self, prompt_id: str) -> bool:
        """Stop a run, pending or running; True when the server surely no longer works on it.

        False (and `stuck` is set) when it did not stop within `cancel_seconds` or the server does not answer.
        """
        tries = AsyncRetrying(
            stop=stop_after_delay(self._cancel_seconds),
            wait=wait_random(0.05, 0.25),
            retry=retry_if_result(lambda place: place is not None),
        )
        try:
            async with asyncio.timeout(self._cancel_seconds):
                await self.ask_to_stop(prompt_id)
                await tries(self.place, prompt_id)
        except (MivoError, RetryError, TimeoutError) as error:
            self.stuck = True
            log.warning("comfy_cancel_unsure", prompt_id=prompt_id, why=type(error).__name__)
            return False
        log.info("comfy_cancelled", prompt_id=prompt_id)
        return True

    async def aclose(self) -> None:
        """Close after the cancels that are under way. Being cancelled meanwhile stops neither: they go on.

        RunPod's SDK cancels a job again with every stop signal; the second one must not save the run from the first.
        """
        if self._closing is None:
            self._closing = asyncio.create_task(self._settle())
        await asyncio.shield(self._closing)

    async def _settle(self) -> None:
        await asyncio.gather(*self._cancelling, return_exceptions=True)  # each has a deadline of its own
        await super().aclose()

    async def wait_ready(self, deadline_seconds: float) -> Mapping[str, Any]:
        """What the server says of itself, once it answers.

        `comfy_crashed` at once when its process ends, else `comfy_unreachable`.
        """
        tries = AsyncRetrying(
            stop=stop_after_delay(deadline_seconds),
            wait=wait_random(0.1, 0.4),
            retry=retry_if_exception(lambda error: getattr(error, "code", "") == "comfy_unreachable"),
            reraise=True,
        )
        try:
            async with asyncio.timeout(deadline_seconds):
                return await tries(self._probe)
        except TimeoutError as error:
            message = f"ComfyUI was not ready within {deadline_seconds:g} s"
            raise TransientError("comfy_unreachable", message) from error

    async def _probe(self) -> Mapping[str, Any]:
        if crashed := self.dead():
            raise crashed
        return await self.system_stats()

    async def _abandon(self, prompt_id: str) -> None:
        """Cancel even if this call is cancelled once more: then it goes on in the background."""
        task = asyncio.create_task(self.cancel(prompt_id))
        self._cancelling.add(task)
        task.add_done_callback(self._cancelling.discard)
        await asyncio.shield(task)


def _teller(meter: ProgressMeter, on_progress: OnProgress | None) -> Callable[[Run], None]:
    last: list[Progress] = []

    def tell(run: Run) -> None:
        now = meter.read(run)
        if on_progress is not None and [now] != last:
            last[:] = [now]
            on_progress(now)

    return tell


def _canonical(text: str) -> str | None:
    try:
        return str(UUID(text))
    except ValueError:
        return None
