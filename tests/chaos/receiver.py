"""Mivo's backend, as far as webhooks go: a real HTTP server that verifies signatures, and is not always well."""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self

from standardwebhooks import Webhook, WebhookVerificationError

TROUBLED_TRIES = 2
"""So many first tries of a delivery may go wrong; the next one is taken."""

Mood = Literal["takes it", "says 500", "hangs up"]


@dataclass(frozen=True)
class Arrival:
    webhook_id: str
    valid: bool
    taken: bool
    """We answered 204; otherwise 500 or nothing, and it has to come again."""
    kind: str
    data: Mapping[str, Any]


class Receiver:
    """`url` takes webhooks while the block lasts; `arrivals` is what came."""

    def __init__(self, secret: str, *, seed: int) -> None:
        self._webhook = Webhook(secret)
        self._seed = seed
        self._lock = threading.Lock()
        self._tries: Counter[str] = Counter()
        self.arrivals: list[Arrival] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                mood = receiver.take({name.lower(): value for name, value in self.headers.items()}, body)
                if mood == "hangs up":
                    self.close_connection = True
                    return
                self.send_response(204 if mood == "takes it" else 500)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """What came is in `arrivals`."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="receiver", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/webhooks"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    def take(self, headers: dict[str, str], body: bytes) -> Mood:
        """Note an arrival; the mood depends on the seed, the delivery and how often it came, on nothing else."""
        webhook_id = headers.get("webhook-id", "")
        try:
            self._webhook.verify(body, headers)
            valid = True
        except WebhookVerificationError:
            valid = False
        message = json.loads(body)
        with self._lock:
            self._tries[webhook_id] += 1
            mood = self._mood(webhook_id, self._tries[webhook_id])
            self.arrivals.append(Arrival(webhook_id, valid, mood == "takes it", message["type"], message["data"]))
        return mood

    def _mood(self, webhook_id: str, number: int) -> Mood:
        if number > TROUBLED_TRIES:
            return "takes it"
        moods: list[Mood] = ["takes it", "takes it", "says 500", "hangs up"]
        digest = hashlib.sha256(f"{self._seed} {webhook_id} {number}".encode()).digest()
        return moods[digest[0] % len(moods)]
