"""RunPod's endpoint API (facts/runpod.md section A) as typed states.

The SDK's own client hides failures and retries nothing over https (section A, "SDK clients"), hence this one.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import httpx
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from shared.errors import FatalError, TransientError
from shared.tls import trusted

TIMEOUT = httpx.Timeout(connect=5, read=10, write=10, pool=10)
LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20)  # RunPod allows 200 to 400 at once
TRIES = 3
OPERATIONS = ("run", "status", "cancel", "health")
OUTCOMES = ("ok", "busy", "server_error", "refused", "unreachable")
"""Of one request: 429 is `busy`, 5xx `server_error`, `refused` any other that the operation does not expect."""
Count = Callable[[str, str], None]
"""Told the operation and the outcome of every request."""

MIN_EXECUTION_MS, MIN_TTL_MS = 5_000, 10_000
MAX_MS = 7 * 24 * 3600 * 1000


class JobState(StrEnum):
    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"
    UNKNOWN = "UNKNOWN"
    """A word that we do not know, such as RUNNING: the job lives."""


def _state(word: object) -> object:
    return word if word in set(JobState) else JobState.UNKNOWN


def _milliseconds(said: object) -> float | None:
    return float(said) if isinstance(said, int | float) and said >= 0 else None


class Job(BaseModel):
    """What RunPod says of a job. While it runs, `output` is the last progress update, not the result."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    status: Annotated[JobState, BeforeValidator(_state)]
    output: Any = None
    error: Any = None
    execution_ms: Annotated[float | None, BeforeValidator(_milliseconds), Field(alias="executionTime")] = None
    """How long a worker had it; None before it has ended, and when no worker ever did."""


@dataclass(frozen=True)
class Policy:
    """Seconds. RunPod stops a job after `execution`, and forgets it, even running, after `ttl`."""

    execution: float
    ttl: float

    def as_json(self) -> dict[str, int]:
        return {
            "executionTimeout": min(MAX_MS, max(MIN_EXECUTION_MS, round(self.execution * 1000))),
            "ttl": min(MAX_MS, max(MIN_TTL_MS, round(self.ttl * 1000))),
        }


class RunPodClient:
    """One pool of connections for all endpoints. Every method raises TransientError runpod_unavailable when RunPod
    cannot be reached or is busy, and FatalError internal when it refuses what we send.
    """

    def __init__(self, base_url: str, api_key: str, *, count: Count) -> None:
        self._count = count
        self._http = httpx.AsyncClient(
            base_url=base_url.rstrip("/") + "/",
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=TIMEOUT,
            limits=LIMITS,
            trust_env=False,
            verify=trusted(),
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def run(
        self, endpoint: str, work: Mapping[str, Any], *, policy: Policy | None = None, webhook: str | None = None
    ) -> str:
        """Submit; the id of the job.

        Only what surely never reached RunPod is sent again here: a refused connection, or 429. A lost reply is
        the caller's to judge (there is no idempotency key).
        """
        body: dict[str, Any] = {"input": dict(work)}
        if policy is not None:
            body["policy"] = policy.as_json()
        if webhook is not None:
            body["webhook"] = webhook
        answer = await self._asked("run", lambda: self._http.post(f"{endpoint}/run", json=body), again=_never_arrived)
        return _job(_checked(answer)).id

    async def status(self, endpoint: str, job_id: str) -> Job | None:
        """None: RunPod does not know the job (expired, or never was)."""
        answer = await self._asked("status", lambda: self._http.get(f"{endpoint}/status/{job_id}"), gone=_UNKNOWN)
        return None if answer.status_code in _UNKNOWN else _job(_checked(answer))

    async def cancel(self, endpoint: str, job_id: str) -> None:
        """Stop a job; one that RunPod does not know, or that has ended, is stopped already."""
        answer = await self._asked("cancel", lambda: self._http.post(f"{endpoint}/cancel/{job_id}"), gone=_STOPPED)
        if answer.status_code not in _STOPPED:
            _checked(answer)

    async def health(self, endpoint: str) -> dict[str, Any]:
        """Counts: `{"jobs": {...}, "workers": {...}}`."""
        answer = _checked(await self._asked("health", lambda: self._http.get(f"{endpoint}/health")))
        try:
            return TypeAdapter(dict[str, Any]).validate_json(answer.content)
        except ValidationError as error:
            raise TransientError("runpod_unavailable", "RunPod's answer is not that of /health") from error

    async def _asked(
        self,
        operation: str,
        send: Callable[[], Awaitable[httpx.Response]],
        *,
        again: Callable[[BaseException], bool] | None = None,
        gone: frozenset[int] = frozenset(),
    ) -> httpx.Response:
        """Send, again if that may help; every try is counted. `gone`: answers that are as good as any other."""

        async def counted() -> httpx.Response:
            try:
                answer = await send()
            except httpx.TransportError:
                self._count(operation, "unreachable")
                raise
            self._count(operation, _outcome(answer, gone))
            return answer

        return await _tried(counted, again=again or _passing)


_UNKNOWN = frozenset({httpx.codes.NOT_FOUND.value})
_STOPPED = _UNKNOWN | {httpx.codes.BAD_REQUEST.value, httpx.codes.CONFLICT.value}


def _outcome(answer: httpx.Response, gone: frozenset[int]) -> str:
    if answer.is_success or answer.status_code in gone:
        return "ok"
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        return "busy"
    return "server_error" if answer.is_server_error else "refused"


class _BusyError(Exception):
    """An answer that asks us to come again."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


def _never_arrived(error: BaseException) -> bool:
    if isinstance(error, _BusyError):
        return error.answer.status_code == httpx.codes.TOO_MANY_REQUESTS
    return isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)


def _passing(error: BaseException) -> bool:
    return isinstance(error, httpx.TransportError | _BusyError)


async def _tried(
    send: Callable[[], Awaitable[httpx.Response]], *, again: Callable[[BaseException], bool]
) -> httpx.Response:
    try:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception(again),
            stop=stop_after_attempt(TRIES),
            wait=wait_random_exponential(multiplier=0.2, max=2),
            reraise=True,
        ):
            with attempt:
                return _not_busy(await send())
    except _BusyError as error:
        raise TransientError("runpod_unavailable", f"RunPod answered {error.answer.status_code}") from error
    except httpx.TransportError as error:
        raise TransientError("runpod_unavailable", f"RunPod did not answer: {type(error).__name__}") from error
    raise AssertionError("tenacity either returns or raises")


def _not_busy(answer: httpx.Response) -> httpx.Response:
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
        raise _BusyError(answer)
    return answer


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    if answer.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND}:
        # ours to mend, not the user's; a generation may outlive the mending
        raise TransientError(
            "runpod_unavailable",
            f"RunPod answered {answer.status_code}; look at RUNPOD_API_KEY and the endpoint ids",
        )
    raise FatalError("internal", f"RunPod refused the request with {answer.status_code}")


def _job(answer: httpx.Response) -> Job:
    try:
        return Job.model_validate(answer.json())
    except (ValueError, ValidationError) as error:
        raise TransientError("runpod_unavailable", "RunPod's answer is not that of a job") from error
