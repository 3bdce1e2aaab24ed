"""A server of weight files over real sockets, as well-behaved or as hostile as a test wants it."""

import hashlib
import re
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

PIECE = 16 * 1024


@dataclass(frozen=True)
class Manner:
    """How one request is answered."""

    status: int | None = None
    """An error, instead of the file."""
    headers: tuple[tuple[str, str], ...] = ()
    ranges: bool = True
    cut: int | None = None
    """Bytes after which the connection ends, whatever was announced."""
    surplus: bytes = b""
    """Sent, and announced, after the bytes that were asked for."""
    whole: int | None = None
    """The length of the file that is claimed."""
    shift: int = 0
    """Bytes by which the range that is sent is another one than was asked for."""
    etag: str | None = None
    content: bytes | None = None
    """In place of the file's."""
    trickle: bool = False
    """A byte at a time, slowly, until somebody has had enough."""
    hold: bool = False
    """Half of what was asked for, then nothing until the server is let go."""


GOOD = Manner()


class Asked(NamedTuple):
    path: str
    range: str | None
    authorization: str | None

    @property
    def start(self) -> int:
        return int((self.range or "bytes=0-").removeprefix("bytes=").partition("-")[0])


@dataclass
class WeightServer:
    """`manners` are used up, first in first out, by the requests for their path; then `always`, then good ones."""

    port: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    manners: dict[str, deque[Manner]] = field(default_factory=dict)
    always: dict[str, Manner] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    go: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def put(self, path: str, content: bytes, *manners: Manner, always: Manner = GOOD) -> None:
        self.files[path] = content
        self.manners[path] = deque(manners)
        self.always[path] = always

    def starts(self, path: str) -> list[int]:
        """First bytes of the ranges that were asked for; the look at byte 0 is left out."""
        return [row.start for row in self.asked if row.path == path and row.range != "bytes=0-0"]

    def next_manner(self, path: str) -> Manner:
        with self.lock:
            waiting = self.manners.get(path)
            return waiting.popleft() if waiting else self.always.get(path, GOOD)


@contextmanager
def serving() -> Iterator[WeightServer]:
    server = WeightServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def log_message(self, *_: object) -> None:
            """Tests read `asked`."""

        def do_GET(self) -> None:
            path = self.path
            with server.lock:
                server.asked.append(Asked(path, self.headers.get("Range"), self.headers.get("Authorization")))
            self.close_connection = True
            with suppress(ConnectionError):  # the client has gone
                answer(self, server, server.next_manner(path))

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    server.port = listening.server_address[1]
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.go.set()
        listening.shutdown()
        listening.server_close()
        thread.join(10)


def answer(handler: BaseHTTPRequestHandler, server: WeightServer, manner: Manner) -> None:
    content = manner.content if manner.content is not None else server.files.get(handler.path)
    if manner.status is not None or content is None:
        handler.send_response(manner.status or 404)
        for name, value in manner.headers:
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.send_header("Connection", "close")
        handler.end_headers()
        return
    asked = re.fullmatch(r"bytes=(\d+)-(\d+)", handler.headers.get("Range", ""))
    start, end = (int(asked[1]), min(int(asked[2]) + 1, len(content))) if asked and manner.ranges else (0, len(content))
    body = content[start + manner.shift : end + manner.shift] + manner.surplus
    handler.send_response(206 if asked and manner.ranges else 200)
    if asked and manner.ranges:
        whole = manner.whole or len(content)
        handler.send_header("Content-Range", f"bytes {start + manner.shift}-{end + manner.shift - 1}/{whole}")
    handler.send_header("ETag", f'"{manner.etag or hashlib.md5(content, usedforsecurity=False).hexdigest()}"')
    for name, value in manner.headers:
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.send_header("Connection", "close")
    handler.end_headers()
    send(handler, server, manner, body)


def send(handler: BaseHTTPRequestHandler, server: WeightServer, manner: Manner, body: bytes) -> None:
    if manner.trickle:
        for at in range(len(body)):
            handler.wfile.write(body[at : at + 1])
            if server.go.wait(0.02):
                return
    if manner.hold:
        handler.wfile.write(body[: len(body) // 2])
        server.go.wait(60)
        return
    body = body if manner.cut is None else body[: manner.cut]
    for at in range(0, len(body), PIECE):
        handler.wfile.write(body[at : at + PIECE])
