"""How a worker process ends: within seconds of a stop signal, or after a job that spent it, with all its children.

Not the SDK's way: after SIGTERM it lets the job run on to its end, waits for its open polls (up to 90 s), and may take
one more job meanwhile and lose it (facts/runpod.md, fact 3 and section B). A machine that is taken away gives seconds.
So the job under way is given up at once with `worker_lost`, for another worker, and the process ends when that is told.
"""

import asyncio
import contextlib
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import structlog

from shared.errors import TransientError

log = structlog.get_logger(__name__)

SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})
REPLY_SECONDS = 6.0
"""For a job to unwind and the SDK to post its reply. Docker kills after 10 s; what RunPod gives is not documented."""
PINGS_SECONDS = 1.0
"""After the fork of the child that pings, until it is looked for; one that is dead by then is listed no more."""
SPENT = b"\0"  # on the wire of signal numbers: the process asks itself to end


@dataclass
class _Job:
    loop: asyncio.AbstractEventLoop
    scope: asyncio.Timeout
    replied: threading.Event = field(default_factory=threading.Event)

    def give_up(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed, or the job ended by itself and only replies yet
            self.loop.call_soon_threadsafe(self._expire)

    def _expire(self) -> None:
        with contextlib.suppress(RuntimeError):  # as above: a scope that was left cannot expire
            self.scope.reschedule(self.loop.time())


class Departure:
    """One per process. Before `watch`, signals do what they did and nothing ends the process."""

    def __init__(self) -> None:
        self._job: _Job | None = None
        self._wire: socket.socket | None = None
        self.begun = False

    def watch(self, clear_up: Callable[[], None]) -> None:
        """From now on stop signals end the process. In the main thread.

        `clear_up` ends what the kernel does not end with this process; it is called from another thread, also twice.
        The SDK puts handlers of its own over ours, but the wakeup fd hears every signal that has any.
        """
        reader, writer = socket.socketpair()
        writer.setblocking(False)
        for number in SIGNALS:
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        os.register_at_fork(after_in_child=_unwatch)
        self._wire = writer
        threading.Thread(target=self._wait, args=(reader, clear_up), name="departure", daemon=True).start()
        forked = threading.Event()
        os.register_at_fork(after_in_parent=forked.set)
        threading.Thread(target=_mind_the_pings, args=(forked, writer), name="pings", daemon=True).start()

    @contextlib.asynccontextmanager
    async def job(self) -> AsyncIterator[None]:
        """Around the work of one job: the departure cancels it there, as TransientError worker_lost.

        Inside the SDK's own task of that job, which ends when its reply is posted.
        """
        task = asyncio.current_task()
        if task is None or self.begun:
            raise _lost()
        try:
            async with asyncio.timeout(None) as scope:
                job = self._job = _Job(asyncio.get_running_loop(), scope)
                task.add_done_callback(lambda _: self._over(job))
                yield
        except Exception as error:
            if self.begun:  # whatever it was, it came of the departure
                raise _lost() from error
            raise

    def after_this_job(self) -> None:
        """Ends the process once the reply of the current task's job is posted: RunPod starts a fresh one."""
        task, wire = asyncio.current_task(), self._wire
        if task is not None and wire is not None:
            task.add_done_callback(lambda _: wire.send(SPENT))

    def _over(self, job: _Job) -> None:
        job.replied.set()
        if self._job is job:
            self._job = None

    def _wait(self, reader: socket.socket, clear_up: Callable[[], None]) -> None:
        wanted = {*SIGNALS, *SPENT}
        while not wanted & set(reader.recv(64)):
            continue
        self.begun = True
        try:
            self._leave(clear_up)
        finally:
            os._exit(0)  # the SDK's loop would wait for its polls; nothing is left that could be lost

    def _leave(self, clear_up: Callable[[], None]) -> None:
        job = self._job
        log.info("worker_leaves", in_mid_job=job is not None)
        clear_up()
        if job is not None:
            job.give_up()
            if not job.replied.wait(REPLY_SECONDS):
                log.warning("worker_leaves_without_reply", seconds=REPLY_SECONDS)
        clear_up()  # what the job may have started meanwhile
        for stream in (sys.stdout, sys.stderr):
            stream.flush()


def _mind_the_pings(forked: threading.Event, wire: socket.socket) -> None:
    """Ends the process when the child that pings RunPod is dead: the SDK forks one, the only fork without an exec
    here, and never looks at it again. Every job would be taken, done, and lost with its lease.
    """
    forked.wait()
    time.sleep(PINGS_SECONDS)  # until multiprocessing has written its child down
    for child in multiprocessing.active_children():
        child.join()
    log.warning("worker_pings_no_more")
    wire.send(SPENT)


def _unwatch() -> None:
    """In a forked child, which has neither the thread nor anything to give up."""
    signal.set_wakeup_fd(-1)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def _lost() -> TransientError:
    return TransientError("worker_lost", "this worker was told to stop; another one may do the job")
