"""`python -m bench.stand_in PORT`: RunPod's endpoint API for thousands of jobs that nobody computes.

Every job is at once in progress and tells how far it is by the clock, so that every look finds news; none ends. It
counts /status as RunPod does, over every window of 10 s, and refuses nothing. Cheap on purpose (no framework, no
database): it shares the cores with what is measured. Shapes: facts/runpod.md section A.
"""

import json
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send

WINDOW_SECONDS = 10.0
SECONDS = 600.0
"""Until a job says that it is nearly done."""
NEARLY = 0.9


@dataclass
class Jobs:
    since: dict[str, tuple[float, str]] = field(default_factory=dict)
    """Job -> when it came, and the attempt_id of its input."""
    looks: deque[float] = field(default_factory=deque)
    asked: int = 0
    most: int = 0
    """Calls of /status: all of them, and the most in any window."""

    def add(self, attempt_id: str) -> dict[str, Any]:
        job = f"{len(self.since):08d}-bench"
        self.since[job] = time.monotonic(), attempt_id
        return {"id": job, "status": "IN_QUEUE"}

    def look(self, job: str) -> dict[str, Any]:
        now = time.monotonic()
        self.looks.append(now)
        while self.looks[0] <= now - WINDOW_SECONDS:
            self.looks.popleft()
        self.asked += 1
        self.most = max(self.most, len(self.looks))
        began, attempt_id = self.since[job]
        fraction = min((now - began) / SECONDS, NEARLY)
        output = {"attempt_id": attempt_id, "fraction": fraction, "phase": "executing"}
        return {"id": job, "status": "IN_PROGRESS", "delayTime": 1, "workerId": "bench", "output": output}

    def counts(self) -> dict[str, int]:
        return {"jobs": len(self.since), "asked": self.asked, "most": self.most}


class App:
    """ASGI: POST /v2/E/run, GET /v2/E/status/JOB, GET /v2/E/health, GET /counts, POST /counts (begin to count anew)."""

    def __init__(self) -> None:
        self.jobs = Jobs()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = bytearray()
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        answer = json.dumps(self._answer(scope["method"], scope["path"], body)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def _answer(self, method: str, path: str, body: bytes | bytearray) -> dict[str, Any]:
        if path == "/counts":
            if method == "POST":
                self.jobs.asked = self.jobs.most = 0
            return self.jobs.counts()
        if path.endswith("/run"):
            return self.jobs.add(json.loads(body)["input"]["attempt_id"])
        if "/status/" in path:
            return self.jobs.look(path.rpartition("/")[2])
        return {"jobs": {"inProgress": len(self.jobs.since)}, "workers": {"idle": 0}}


if __name__ == "__main__":
    uvicorn.run(App(), port=int(sys.argv[1]), log_config=None, access_log=False, lifespan="off")
