"""One endpoint at work in the simulation: a queue, workers that come and go, and a ledger of their seconds."""

import math
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field

import simpy

from scaling.scenario import Endpoint, RequestCount
from scaling.service_times import ServiceTimes

Process = Generator[simpy.Event, object, None]
LOSES_WORKER = frozenset({"worker_lost"})
LOSES_COMFYUI = frozenset({"comfy_crashed", "out_of_memory"})
TICK = 1e-6
"""Seconds by which two sums of floats may differ."""


@dataclass
class Job:
    """What one RunPod job asks of a worker, and how it went."""

    seconds: float
    code: str | None
    done: simpy.Event
    arrival: float
    start: float = math.nan
    end: float = math.nan
    worker: int = 0
    """The one that served it, numbered from 1 as they were started."""


@dataclass
class Ledger:
    """Seconds, and counts."""

    queued: list[float] = field(default_factory=list)
    ran: list[float] = field(default_factory=list)
    failures: int = 0
    billed: float = 0.0
    """All of a worker's life: RunPod charges cold starts and idle timeouts too."""
    cold_starts: int = 0
    most: int = 0
    """Workers at once."""


class Fleet:
    """First come, first served; a worker has one job at a time."""

    def __init__(self, env: simpy.Environment, endpoint: Endpoint, colds: list[float], service: ServiceTimes) -> None:
        """`colds` are standard normal variates: the n-th start takes the n-th of them, around and around."""
        self.ledger = Ledger()
        self._env = env
        self._endpoint = endpoint
        self._colds = colds
        self._service = service
        self._queue: deque[Job] = deque()
        self._idle: list[simpy.Event] = []
        self._born: dict[int, float] = {}
        self._starting = 0
        self._starts = 0
        for _ in range(endpoint.workers_min):
            self._start(cold=False)

    def submit(self, seconds: float, code: str | None) -> Job:
        """The job, queued; its `done` fires at its end."""
        job = Job(seconds, code, self._env.event(), self._env.now)
        self._queue.append(job)
        if self._idle:
            self._idle.pop().succeed()
        elif isinstance(self._endpoint.scaler, RequestCount) or not self._born:
            self._scale()
        else:
            self._env.process(self._look_again(self._endpoint.scaler.seconds))
        return job

    def close(self) -> None:
        """Charges the workers that still live."""
        self.ledger.billed += sum(self._env.now - born for born in self._born.values())
        self._born.clear()

    def _look_again(self, seconds: float) -> Process:
        yield self._env.timeout(seconds)
        self._scale()

    def _scale(self) -> None:
        for _ in range(min(self._wanted(), self._endpoint.workers_max - len(self._born))):
            self._start()

    def _wanted(self) -> int:
        """Workers to be started now."""
        scaler, alive = self._endpoint.scaler, len(self._born)
        if not self._queue:
            return 0
        if isinstance(scaler, RequestCount):
            running = alive - self._starting - len(self._idle)
            return math.ceil((len(self._queue) + running) / scaler.per_worker) - alive
        if not alive:
            return 1
        since = self._env.now - scaler.seconds + TICK
        overdue = 0
        for job in self._queue:
            if job.arrival > since or overdue > self._starting:
                break
            overdue += 1
        return overdue - self._starting

    def _start(self, *, cold: bool = True) -> None:
        self._starts += 1
        self._born[self._starts] = self._env.now
        self.ledger.most = max(self.ledger.most, len(self._born))
        self._env.process(self._worker(self._starts, cold=cold))

    def _worker(self, me: int, *, cold: bool) -> Process:
        if cold:
            self.ledger.cold_starts += 1
            self._starting += 1
            yield self._env.timeout(self._cold_seconds(me))
            self._starting -= 1
        alive = True
        while alive:
            while self._queue and alive:
                job = self._queue.popleft()
                yield from self._serve(job, me)
                if job.code in LOSES_WORKER:
                    alive = False
                    continue
                if job.code in LOSES_COMFYUI:
                    yield self._env.timeout(self._endpoint.restart)
                yield self._env.timeout(self._service.asks_after(self._env.now - job.start))
            alive = alive and (yield from self._rest())
        self.ledger.billed += self._env.now - self._born.pop(me, self._env.now)
        if len(self._born) < self._endpoint.workers_min:
            self._start()
        self._scale()

    def _serve(self, job: Job, worker: int) -> Process:
        yield self._env.timeout(self._service.dispatch)
        job.start, job.worker = self._env.now, worker
        yield self._env.timeout(job.seconds)
        job.end = self._env.now
        self.ledger.queued.append(job.start - job.arrival)
        self.ledger.ran.append(job.end - job.start)
        self.ledger.failures += job.code is not None
        job.done.succeed()

    def _rest(self) -> Generator[simpy.Event, object, bool]:
        """Until there is work; False when the idle timeout ends it."""
        woken = self._env.event()
        self._idle.append(woken)
        yield woken | self._env.timeout(self._endpoint.idle_timeout)
        if not woken.triggered:
            if len(self._born) > self._endpoint.workers_min:
                self._idle.remove(woken)
                return False
            yield woken
        return True

    def _cold_seconds(self, start: int) -> float:
        sigma = self._endpoint.cold_sigma
        normal = self._colds[start % len(self._colds)]
        return self._endpoint.cold_start * math.exp(sigma * normal - sigma**2 / 2)
