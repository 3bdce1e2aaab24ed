"""Reading weight files over HTTP: by ranges, with patience, never for ever."""

import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self, TypeVar

import httpx
import tenacity

from models import answers
from models.answers import Address, Seen
from models.settings import ModelsSettings
from shared.errors import FatalError, TransientError

T = TypeVar("T")
Sink = Callable[[bytes], None]


class Web:
    """One pool of connections and one deadline for everything. Used from many threads."""

    def __init__(self, settings: ModelsSettings) -> None:
        self.settings = settings
        self.stop = threading.Event()
        """Once set, every reader gives up."""
        self._deadline = time.monotonic() + settings.seconds
        self._client = httpx.Client(
            follow_redirects=True,
            max_redirects=5,
            timeout=httpx.Timeout(settings.silence_seconds, pool=settings.seconds),
            limits=httpx.Limits(max_connections=settings.connections + 8),
            headers={"Accept-Encoding": "identity", "User-Agent": "mivo-ltx2"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop.set()
        self._client.close()

    def go_on(self) -> None:
        """TransientError execution_timeout once the time is over or somebody stopped us."""
        if self.stop.is_set():
            raise TransientError("execution_timeout", "fetching was stopped")
        if time.monotonic() > self._deadline:
            raise TransientError(
                "execution_timeout", f"fetching took more than {self.settings.seconds:g} s; start it again, it goes on"
            )

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond a stop."""
        self.go_on()
        self.stop.wait(seconds)

    def look(self, address: Address) -> Seen:
        """Ask for the first byte. FatalError says what to do about a file that one cannot have."""

        def ask() -> Seen:
            with Answer(self._client, address, {"Range": "bytes=0-0"}) as answer:
                return answers.seen(answer)

        return self._patiently(lambda: _translated(address, ask))

    def read(self, address: Address, begun: Seen, start: int, end: int, sink: Sink) -> None:
        """Bytes [start, end), in order, into `sink`. ChangedError when it is not the same file any more."""
        while start < end:
            start = self._patiently(lambda at=start: self._some(address, begun, at, end, sink))  # type: ignore[misc]

    def whole(self, address: Address, begun: Seen, begin: Callable[[], Sink]) -> None:
        """The whole file in one answer, for servers without ranges; `begin` starts anew at each try."""

        def once() -> None:
            with Answer(self._client, address, {}) as answer:
                got = sum(self._pieces(answer, begun.size, begin()))
            if got < begun.size:
                raise TransientError("connection_lost", f"{address.label}: only {got} of {begun.size} bytes came")

        self._patiently(lambda: _translated(address, once))

    def content(self, address: Address) -> bytes:
        """A small file, or a document of the hub's API, at once."""

        def ask() -> bytes:
            with Answer(self._client, address, {}) as answer:
                return answer.read()

        return self._patiently(lambda: _translated(address, ask))

    def _some(self, address: Address, begun: Seen, start: int, end: int, sink: Sink) -> int:
        """At least one byte more; the new start. What breaks after the first byte only ends the piece."""
        at = start
        try:
            with Answer(self._client, address, {"Range": f"bytes={start}-{end - 1}"}) as answer:
                answers.require_same(answer, begun, start)
                for size in self._pieces(answer, end - start, sink):
                    at += size
        except (httpx.TransportError, TransientError) as error:
            self.go_on()
            if at == start:
                raise _as_ours(error, address) from error
        if at == start:
            raise TransientError("connection_lost", f"{address.label}: the server sent nothing")
        return at

    def _pieces(self, answer: httpx.Response, most: int, sink: Sink) -> Iterator[int]:
        """Hand an answer on as it comes, at most so many bytes; yields how many each time.

        TransientError when hardly anything comes: another connection may be quicker.
        """
        since, lately = time.monotonic(), 0
        for raw in answer.iter_raw():
            piece = raw[:most]
            sink(piece)
            most -= len(piece)
            yield len(piece)
            if not most:
                return
            self.go_on()
            lately += len(piece)
            took = time.monotonic() - since
            if took >= self.settings.slow_seconds:
                if lately < self.settings.slow_bytes_per_second * took:
                    raise TransientError("connection_lost", f"{answer.request.url.host} sends too slowly")
                since, lately = time.monotonic(), 0

    def _patiently(self, action: Callable[[], T]) -> T:
        settings = self.settings
        backoff = tenacity.wait_random_exponential(settings.wait_seconds, settings.wait_seconds_max)

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.detail.get("retry_after", 0.0) if isinstance(error, TransientError) else 0.0
            return float(min(max(asked, backoff(state)), settings.wait_seconds_max))

        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(settings.tries) | tenacity.stop_when_event_set(self.stop),
            wait=wait,
            retry=tenacity.retry_if_exception(
                lambda error: isinstance(error, TransientError) and error.code != "execution_timeout"
            ),
            sleep=self.pause,
            reraise=True,
        )
        self.go_on()
        return retrying(action)


class Answer:
    """A streamed answer that brings bytes; anything else is raised as our error."""

    def __init__(self, client: httpx.Client, address: Address, more: dict[str, str]) -> None:
        self._address = address
        self._context = client.stream("GET", address.url, headers={**address.headers, **more})

    def __enter__(self) -> httpx.Response:
        answer = self._context.__enter__()
        if error := answers.refusal(answer, self._address):
            self._context.__exit__(None, None, None)
            raise error
        return answer

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._context.__exit__(kind, error, trace)


def _translated(address: Address, action: Callable[[], T]) -> T:
    try:
        return action()
    except httpx.HTTPError as error:
        raise _as_ours(error, address) from error


def _as_ours(error: Exception, address: Address) -> TransientError | FatalError:
    """Without the text of the other: it may hold a signed URL."""
    if isinstance(error, TransientError | FatalError):
        return error
    if isinstance(error, httpx.TransportError):
        return TransientError("connection_lost", f"{address.label}: {type(error).__name__}")
    return FatalError("model_missing", f"{address.label}: {type(error).__name__}", reason="refused")
