"""A worker on the unmodified SDK. What a job does is in its input: {"do": ..., ...}."""

import asyncio
import ctypes
import os
import signal
import time
from pathlib import Path
from typing import Any

import cpuinfo

cpuinfo.get_cpu_info = dict  # as workers/__init__.py says

import runpod  # noqa: E402

Json = dict[str, Any]


async def handler(job: Json) -> Any:
    order = job["input"]
    match order["do"]:
        case "echo":
            return {"said": order["say"], "worker": os.environ["RUNPOD_POD_ID"]}
        case "progress":
            runpod.serverless.progress_update(job, {"pct": 50})
            await _file(order["until"])
            return {"pct": 100}
        case "raise":
            raise ValueError("on purpose")
        case "error":
            return {"error": "no such prompt", "details": [1, 2]}
        case "refresh":
            return {"done": True, "refresh_worker": True}
        case "wait":
            return await _wait(order)
    return None


async def _wait(order: Json) -> Json:
    """Says that it runs, then works until a file appears; a cancel leaves a trace and goes on up."""
    _note(order, f"started {os.environ['RUNPOD_POD_ID']}")
    try:
        await _file(order["until"])
    except asyncio.CancelledError:
        _note(order, "cancelled")
        raise
    return {"waited": True, "worker": os.environ["RUNPOD_POD_ID"]}


def _note(order: Json, line: str) -> None:
    with Path(order["trace"]).open("a", encoding="utf-8") as trace:
        trace.write(f"{line}\n")


async def _file(path: str) -> None:
    async with asyncio.timeout(60):
        while not Path(path).exists():  # noqa: ASYNC110, ASYNC240  the test speaks through a file
            await asyncio.sleep(0.05)


def generator(job: Json) -> Any:
    yield from job["input"]["chunks"]


def blocking(job: Json) -> Json:
    """A sync handler: it blocks the SDK's event loop, so no cancel reaches it."""
    order = job["input"]
    Path(order["trace"]).write_text("started\n", encoding="utf-8")
    deadline = time.monotonic() + 60
    while not Path(order["until"]).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return {"finished": True}


def die_with_parent() -> None:
    """The ping child of the SDK outlives a kill -9 of its parent (facts/runpod.md, fact 2) unless told otherwise."""
    libc = ctypes.CDLL(None)
    os.register_at_fork(after_in_child=lambda: libc.prctl(1, signal.SIGKILL))  # 1: PR_SET_PDEATHSIG


if __name__ == "__main__":
    if os.environ.get("TOY_DIE_WITH_PARENT"):
        die_with_parent()
    kinds: dict[str, Json] = {
        "async": {"handler": handler},
        "generator": {"handler": generator, "return_aggregate_stream": True},
        "blocking": {"handler": blocking},
    }
    runpod.serverless.start(kinds[os.environ.get("TOY_KIND", "async")])
