"""One object behind S3's GET and PUT, as well-behaved or as broken as a test wants it."""

import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Asked(NamedTuple):
    verb: str
    range: str | None
    if_match: str | None


@dataclass
class BrokenS3:
    body: bytes = b""
    cuts: deque[int] = field(default_factory=deque)
    """Bytes after which the connection ends, whatever was announced: used up by the answers, first in first out."""
    new_version_after: int | None = None
    """Requests after which the object is another one of the same size."""
    on_put: Callable[[], object] = lambda: None
    """Called when an upload has come, before it is answered."""
    asked: list[Asked] = field(default_factory=list)
    port: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def version(self) -> str:
        limit = self.new_version_after
        return '"old"' if limit is None or len(self.asked) <= limit else '"new"'


@contextmanager
def broken_s3() -> Iterator[BrokenS3]:
    state = BrokenS3()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with state.lock:
                state.asked.append(Asked("GET", self.headers["Range"], self.headers["If-Match"]))
                version, cut = state.version, state.cuts.popleft() if state.cuts else None
            if self.headers["If-Match"] not in (None, version):
                self._reply(412, b"<Error><Code>PreconditionFailed</Code></Error>")
                return
            start, end = 0, len(state.body)
            found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"] or "")
            if found:
                start, end = int(found[1]), min(int(found[2]) + 1, end)
            extra = {"Content-Range": f"bytes {start}-{end - 1}/{len(state.body)}"} if found else {}
            self._reply(206 if found else 200, state.body[start:end], cut, ETag=version, **extra)

        def do_PUT(self) -> None:
            state.asked.append(Asked("PUT", None, None))
            state.body = self.rfile.read(int(self.headers["Content-Length"]))
            state.on_put()
            self._reply(200, b"", ETag='"old"')

        def do_HEAD(self) -> None:
            state.asked.append(Asked("HEAD", None, None))
            self._reply(200, b"")

        def _reply(self, status: int, body: bytes, cut: int | None = None, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(ConnectionError):  # who has seen enough hangs up
                self.wfile.write(body[:cut])
            if cut is not None:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)
