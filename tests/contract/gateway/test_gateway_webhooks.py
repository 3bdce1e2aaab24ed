"""Webhooks go to a real HTTP server of the test."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.contract.gateway.harness import Client, WireWorker
from tests.waiting import wait_for


class Receiver(ThreadingHTTPServer):
    """Answers the codes of `answers` one after the other, then 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[int] = []
        self.bodies: list[Any] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hook?token=secret"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.path == "/hook?token=secret"
        code = self.server.answers.pop(0) if self.server.answers else 200
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.server.bodies.append(json.loads(body))

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)


async def finish(client: Client, url: str, body: Any) -> dict[str, Any]:
    job_id = await client.run({"n": 1}, webhook=url)
    worker = WireWorker(client, "w1")
    await worker.take()
    await worker.done(job_id, body)
    return await client.status(job_id)


@pytest.mark.parametrize("body", [{"output": {"a": 1}}, {"error": "no"}])
async def test_a_webhook_carries_what_status_says(client: Client, receiver: Receiver, body: Any) -> None:
    view = await finish(client, receiver.url, body)
    wait_for(lambda: receiver.bodies, "the webhook")
    assert receiver.bodies == [view]


async def test_a_cancelled_job_calls_too(client: Client, receiver: Receiver) -> None:
    job_id = await client.run(webhook=receiver.url)
    await client.post(f"cancel/{job_id}")
    wait_for(lambda: receiver.bodies, "the webhook")
    assert receiver.bodies[0]["status"] == "CANCELLED"


async def test_a_webhook_is_tried_three_times(client: Client, receiver: Receiver) -> None:
    receiver.answers = [500, 204]
    view = await finish(client, receiver.url, {"output": 1})
    wait_for(lambda: len(receiver.bodies) == 3, "three tries")
    assert receiver.bodies == [view] * 3


async def test_after_three_misses_it_is_given_up(
    receiver: Receiver, start_gateway: Callable[..., str], connect: Callable[[str], Client]
) -> None:
    own = connect(start_gateway(webhook_gap_seconds=0.1))
    receiver.answers = [500, 500, 500]
    await finish(own, receiver.url, {"output": 1})
    wait_for(lambda: len(receiver.bodies) == 3, "three tries")
    await finish(own, receiver.url, {"output": 2})
    wait_for(lambda: len(receiver.bodies) == 4, "the next webhook")
    assert [body["output"] for body in receiver.bodies] == [1, 1, 1, 2]


async def test_a_dead_receiver_harms_nobody(client: Client, receiver: Receiver) -> None:
    await finish(client, "http://127.0.0.1:9/", {"output": 1})
    view = await finish(client, receiver.url, {"output": 2})
    wait_for(lambda: receiver.bodies, "the webhook of the other")
    assert receiver.bodies == [view]
