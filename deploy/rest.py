"""RunPod's REST API v2 over HTTP: one client, patient where that is safe, never for ever.

Source of every path and status: github runpod/docs, `api-reference-v2/openapi.json`. v1 (rest.runpod.io/v1) is
retired at the end of 2026 (page api-reference-v2/migrate-from-v1). Lists come whole: no pagination is documented.
"""

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
import tenacity
from pydantic_core import from_json  # json's own ends in a RecursionError on thousands of brackets

from deploy import answers
from deploy.settings import DeploySettings
from shared.errors import FatalError, MivoError, TransientError, UserError
from shared.tls import trusted

TIMEOUT = httpx.Timeout(connect=5, read=20, write=20, pool=20)
ANSWER_SECONDS = 40.0
"""For one answer as a whole; an endless trickle keeps within the read timeout."""
ANSWER_BYTES = 16 << 20
TRIES = 5
LOOKS = 4
"""How often a list is asked whether a doubtful creation happened."""
WAIT_MAX = 60.0
"""Quotas are counted by the minute (`RateLimitPolicyHeader`), so no wait for one is longer."""

RETRYABLE = frozenset({408, 429, 500, 502, 503, 504})


T = TypeVar("T")


class DoubtfulError(Exception):
    """Nobody knows whether the creation happened: its answer was lost, broken or a server error."""


class RunPodRest:
    """Raises UserError for what a person has to mend, TransientError for what may pass, and FatalError for an answer
    that is not as documented.
    """

    def __init__(self, settings: DeploySettings) -> None:
        self._client = httpx.Client(
            base_url=str(settings.rest_url).rstrip("/") + "/",
            headers={"Authorization": f"Bearer {settings.key()}", "User-Agent": "mivo-ltx2-deploy"},
            timeout=TIMEOUT,
            follow_redirects=False,  # the key goes to nobody else
            trust_env=False,
            verify=trusted(),
        )
        self._deadline = time.monotonic() + settings.rest_seconds
        self._first_wait = settings.rest_wait_seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(self, path: str) -> Any:
        return self._patiently(lambda: self._once("GET", path))

    def endpoints(self) -> tuple[tuple[answers.Named, dict[str, Any]], ...]:
        """Each with all that is told of it."""
        rows = answers.read(answers.EndpointList, self.get("serverless"), "GET /serverless").endpoints
        return tuple((answers.read(answers.Named, row, "GET /serverless"), row) for row in rows)

    def volumes(self) -> tuple[answers.Volume, ...]:
        return answers.read(answers.VolumeList, self.get("network-volumes"), "GET /network-volumes").volumes

    def credentials(self) -> tuple[answers.Named, ...]:
        return answers.read(answers.CredentialList, self.get("registries"), "GET /registries").registries

    def gpus(self) -> tuple[answers.CatalogueGpu, ...]:
        return answers.read(answers.GpuList, self.get("catalog/gpus"), "GET /catalog/gpus").gpus

    def secrets(self) -> frozenset[str] | None:
        """Names. None for a key that may not list them: a younger part of the API, with a permission of its own."""
        try:
            body = self.get("account/secrets")
        except UserError as error:
            if error.detail.get("status") in {403, 404}:
                return None
            raise
        return frozenset(row.name for row in answers.read(answers.SecretList, body, "GET /account/secrets").secrets)

    def rollout(self, endpoint: str) -> answers.Rollout:
        path = f"serverless/{endpoint}/releases"
        return answers.read(answers.Releases, self.get(path), f"GET /{path}").rollout

    def change(self, path: str, body: Mapping[str, Any]) -> None:
        """PATCH: the same again does the same, so it is safe to repeat."""
        self._patiently(lambda: self._once("PATCH", path, body))

    def delete(self, path: str) -> None:
        """What is gone already is deleted."""
        try:
            self._patiently(lambda: self._once("DELETE", path))
        except UserError as error:
            if error.detail.get("status") != httpx.codes.NOT_FOUND:
                raise

    def create(self, path: str, body: Mapping[str, Any], find: Callable[[], str | None]) -> str:
        """POST; the id. There is no idempotency key, so it is sent again only when it surely did nothing (429, no
        connection). When its answer is lost or broken, `find` looks whether the thing is there; it is never made twice.
        TransientError when it is not: it may still appear, and the next apply looks first.
        """
        try:
            return self._patiently(lambda: self._post(path, body))
        except DoubtfulError as error:
            found = self.eventually(find)
            if found is None:
                raise TransientError(
                    "runpod_unavailable",
                    f"{error}, and {body['name']} is not there; it may still come. Run `python -m deploy plan` in a "
                    "minute, and apply again",
                ) from error
            return found

    def _post(self, path: str, body: Mapping[str, Any]) -> str:
        try:
            return answers.read(answers.Created, self._once("POST", path, body), f"POST /{path}").id
        except TransientError as error:
            if error.detail.get("untouched"):
                raise
            raise DoubtfulError(error.message) from error
        except FatalError as error:
            raise DoubtfulError(error.message) from error

    def _once(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        asked = f"{method} /{path}"
        try:
            status, headers, content = self._exchange(method, path, body)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            said = f"{asked}: {self._client.base_url.host} cannot be reached ({type(error).__name__})"
            raise TransientError("runpod_unavailable", said, untouched=True) from error
        except httpx.RequestError as error:
            raise TransientError("runpod_unavailable", f"{asked}: no answer ({type(error).__name__})") from error
        if not httpx.codes.is_success(status):
            raise refusal(asked, status, headers, content)
        if status == httpx.codes.NO_CONTENT:
            return None
        try:
            return from_json(content)
        except ValueError as error:
            said = f"{asked}: RunPod answered {status} with something that is not JSON"
            raise FatalError("contract_mismatch", said) from error

    def _exchange(self, method: str, path: str, body: Mapping[str, Any] | None) -> tuple[int, httpx.Headers, bytes]:
        until = min(self._deadline, time.monotonic() + ANSWER_SECONDS)
        content = bytearray()
        with self._client.stream(method, path, json=body) as answer:
            for piece in answer.iter_bytes():
                content += piece
                if time.monotonic() > until:
                    raise httpx.ReadTimeout("the answer took too long")
                if len(content) > ANSWER_BYTES:
                    raise FatalError("contract_mismatch", f"{method} /{path}: the answer does not end")
        return answer.status_code, answer.headers, bytes(content)

    def _patiently(self, action: Callable[[], T]) -> T:
        return self._retrying(tenacity.retry_if_exception(_may_pass), TRIES)(action)

    def eventually(self, find: Callable[[], T | None]) -> T | None:
        """What it finds, now or a little later: a list may lag behind."""
        looking = self._retrying(tenacity.retry_if_result(lambda found: found is None), LOOKS)
        looking.retry_error_callback = lambda _state: None
        return looking(find)

    def _retrying(self, retry: tenacity.retry_base, tries: int) -> tenacity.Retrying:
        backoff = tenacity.wait_random_exponential(self._first_wait, WAIT_MAX)

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.detail.get("retry_after", 0.0) if isinstance(error, MivoError) else 0.0
            return float(min(max(asked, backoff(state)), WAIT_MAX, max(0.0, self._deadline - time.monotonic())))

        return tenacity.Retrying(
            stop=tenacity.stop_after_attempt(tries), wait=wait, retry=retry, before=self._go_on, reraise=True
        )

    def _go_on(self, _state: tenacity.RetryCallState) -> None:
        if time.monotonic() >= self._deadline:
            said = "RUNPOD_REST_SECONDS are over; what was done stays done, so run it again: it goes on"
            raise TransientError("execution_timeout", said)


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, TransientError) and error.code == "runpod_unavailable"


def refusal(asked: str, status: int, headers: Mapping[str, str], content: bytes) -> MivoError:
    """The error of an answer that is no success, with what RunPod says of it (RFC 9457, `ErrorResponse`)."""
    if status in RETRYABLE:
        after = headers.get("retry-after", "")
        return TransientError(
            "runpod_unavailable",
            f"{asked}: RunPod answered {status}",
            retry_after=float(after) if after.isdecimal() else 0.0,
            untouched=status == httpx.codes.TOO_MANY_REQUESTS,
        )
    match status:
        case httpx.codes.UNAUTHORIZED:
            said = "RunPod does not know this API key (401): make one in its console (Settings, API Keys)"
        case httpx.codes.FORBIDDEN:
            said = f"the API key may not do {asked} (403): give it Read/Write in RunPod's console (Settings, API Keys)"
        case httpx.codes.NOT_FOUND:
            said = f"{asked}: it is not there (404), or not any more; look at the plan again"
        case _:
            said = f"{asked}: RunPod refused it ({status}): {_detail(content)}"
    return UserError("invalid_input", said, status=status)


def _detail(content: bytes) -> str:
    try:
        body = from_json(content)
    except ValueError:
        return "no reason given"
    if not isinstance(body, dict):
        return "no reason given"
    listed = body.get("errors")
    parts = [body.get("detail"), *(listed if isinstance(listed, list) else [])]
    return "; ".join(str(part) for part in parts if part)[:400] or "no reason given"
