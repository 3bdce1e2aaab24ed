"""RunPod's REST API v2 over a real socket, as well-behaved or as hostile as a test wants it."""

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from tests.integration.deploy.account import FakeAccount, RefusedError

KEY = "rpa_only_for_tests"
ENDLESS = 10**6


@dataclass(frozen=True)
class Manner:
    """How one request is answered."""

    status: int | None = None
    """An error, and nothing is done."""
    headers: tuple[tuple[str, str], ...] = ()
    lost: bool = False
    """It is done, and the connection ends without an answer."""
    dropped: bool = False
    """Nothing is done, and the connection ends without an answer."""
    raw: bytes | None = None
    """It is done, and this is the answer."""
    trickle: bool = False
    """Done, and answered by a blank now and then, until somebody has had enough."""
    extra: bool = False
    """Done, with fields in the answer that no document names."""
    hide: bool = False
    """A list that does not show what was made last."""


GOOD = Manner()


class Asked(NamedTuple):
    what: str
    body: Any
    authorization: str | None


@dataclass
class RestServer:
    """`manners` are used up by the requests for their `METHOD /path`, ids replaced by `*`; then `always`."""

    account: FakeAccount = field(default_factory=FakeAccount)
    port: int = 0
    manners: dict[str, deque[Manner]] = field(default_factory=dict)
    always: dict[str, Manner] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    before: dict[str, Callable[[], object]] = field(default_factory=dict)
    """What happens just before the next request of that kind."""
    rolling: bool = False
    go: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v2"

    def behave(self, what: str, *manners: Manner, always: Manner = GOOD) -> None:
        self.manners[what] = deque(manners)
        self.always[what] = always

    def count(self, what: str) -> int:
        return sum(row.what == what for row in self.asked)

    def writes(self) -> list[str]:
        return [row.what for row in self.asked if not row.what.startswith("GET")]

    def next_manner(self, what: str) -> Manner:
        waiting = self.manners.get(what)
        return waiting.popleft() if waiting else self.always.get(what, GOOD)

    def answer(self, what: str, known: str, body: Any) -> tuple[int, Any]:
        account = self.account
        if what.startswith("GET"):
            return 200, self.look(what, known)
        routes: dict[str, tuple[int, Callable[[], Any]]] = {
            "POST /serverless": (201, lambda: account.create_endpoint(body)),
            "PATCH /serverless/*": (200, lambda: account.change_endpoint(known, body)),
            "DELETE /serverless/*": (204, lambda: account.delete_endpoint(known)),
            "POST /network-volumes": (201, lambda: account.create_volume(body)),
            "PATCH /network-volumes/*": (200, lambda: account.change_volume(known, body)),
            "DELETE /network-volumes/*": (204, lambda: account.delete_volume(known)),
        }
        if what not in routes:
            raise RefusedError(404, "no such path")
        status, act = routes[what]
        return status, act()

    def look(self, what: str, known: str) -> dict[str, Any]:
        account = self.account
        workers = {"inProgress": self.rolling, "workersOnLatest": 1, "workersTotal": 1 + self.rolling}
        lists: dict[str, dict[str, Any]] = {
            "/serverless": {"endpoints": [*account.endpoints.values()]},
            "/network-volumes": {"networkVolumes": [*account.volumes.values()]},
            "/registries": {"registries": account.registries},
            "/catalog/gpus": {"gpus": account.gpus},
            "/account/secrets": {
                "secrets": [{"id": f"s{at}", "name": name} for at, name in enumerate(account.secrets)]
            },
        }
        if known in account.endpoints:
            lists["/serverless/*/releases"] = {"rollout": workers, "releases": []}
        path = what.removeprefix("GET ")
        if path not in lists:
            raise RefusedError(404, "no such path")
        return lists[path]


class Listener(ThreadingHTTPServer):
    daemon_threads = True
    rest: RestServer


class Handler(BaseHTTPRequestHandler):
    server: Listener

    def log_message(self, *_: object) -> None: ...

    def respond(self) -> None:
        rest = self.server.rest
        what, known = kind_of(self.command, self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        with rest.lock:
            rest.before.pop(what, lambda: None)()
            rest.asked.append(Asked(what, body, self.headers.get("Authorization")))
            manner = rest.next_manner(what)
            status, content = self.done(manner, what, known, body)
        if manner.lost or manner.dropped:
            return
        if manner.extra:
            content = surprised(content)
        if manner.hide:
            content = {name: rows[:-1] for name, rows in content.items()}
        raw = b"" if content is None else json.dumps(content).encode()
        with suppress(BrokenPipeError, ConnectionResetError):  # the client has gone
            self.write(status, manner, raw if manner.raw is None else manner.raw)

    def done(self, manner: Manner, what: str, known: str, body: Any) -> tuple[int, Any]:
        if manner.dropped:
            return 0, None
        if manner.status is not None:
            return manner.status, {"title": "No", "status": manner.status, "detail": "as the test wants it"}
        if self.headers.get("Authorization") != f"Bearer {KEY}":
            return 401, {"title": "Unauthorized", "status": 401, "detail": "missing bearer token"}
        try:
            return self.server.rest.answer(what, known, body)
        except RefusedError as error:
            return error.status, error.body

    def write(self, status: int, manner: Manner, raw: bytes) -> None:
        self.send_response(status)
        for name, value in manner.headers:
            self.send_header(name, value)
        if manner.trickle:
            raw = b" " * ENDLESS
        if status != 204:
            self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        if not manner.trickle:
            self.wfile.write(raw)
            return
        while not self.server.rest.go.wait(0.02):
            self.wfile.write(b" ")

    do_GET = do_POST = do_PATCH = do_DELETE = respond  # noqa: N815  the names that http.server calls


def kind_of(method: str, path: str) -> tuple[str, str]:
    """`PATCH /serverless/*` and the id, or "" where there is none."""
    parts = path.strip("/").split("/")[1:]
    known = parts[1] if len(parts) > 1 and parts[0] in {"serverless", "network-volumes"} else ""
    return f"{method} /{'/'.join('*' if part == known else part for part in parts)}", known


def surprised(content: Any) -> Any:
    """With fields that no document names, in it and in the rows of its list."""
    if not isinstance(content, dict):
        return content
    lists = {
        name: [{**row, "surprise": {"nested": [1]}} for row in rows]
        for name, rows in content.items()
        if isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
    }
    return {**content, **lists, "surprise": True}


@contextmanager
def serving() -> Iterator[RestServer]:
    found = RestServer()
    listener = Listener(("127.0.0.1", 0), Handler)
    listener.rest = found
    found.port = listener.server_address[1]
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield found
    finally:
        found.go.set()
        listener.shutdown()
        listener.server_close()
        thread.join(10)
