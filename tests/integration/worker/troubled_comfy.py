"""The preview engine as a ComfyUI that misbehaves: as a child of ComfyProcess, as often as a file tells it to.

`trouble.json` in its base directory names troubles and how often each happens; what has happened is taken off, so that
the next job finds a good server, also after a restart. Troubles of the wire are made on the wire, around an app that
knows nothing of them; those of a run, in the pause between two steps of the sampler.
"""

import asyncio
import errno
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.comfyui_preview.cli import parse
from local.comfyui_preview.engine.node import Job
from local.comfyui_preview.nodes.testing import OutOfMemoryError
from local.comfyui_preview.server.app import create_app

FILE = "trouble.json"
PACK = ("LTXVSaveConditioning", "LTXVLoadConditioning", "LTXVLoopingSampler", "LTXVGemmaCLIPModelLoader")
"""Of ComfyUI-LTXVideo: what is missing when it fails to import (facts/comfyui.md section 0)."""
FOREIGN = ("execution_start", "progress", "execution_error", "execution_success", "executing")


class Troubles:
    def __init__(self, base: Path) -> None:
        self._path = base / FILE
        self._lock = threading.Lock()

    def spend(self, name: str) -> bool:
        """Whether this trouble is to happen now; it happens once less then. Server and sampler are two threads."""
        with self._lock:
            return self._spend(name)

    def _spend(self, name: str) -> bool:
        if not self._path.exists():
            return False
        left: dict[str, int] = json.loads(self._path.read_text())
        if left.get(name, 0) < 1:
            return False
        left[name] -= 1
        self._path.write_text(json.dumps(left))
        return True


def at_start(troubles: Troubles) -> None:
    if troubles.spend("slow_start"):
        threading.Event().wait(4)
    if troubles.spend("never_starts"):
        threading.Event().wait()
    if troubles.spend("dies_at_start"):
        sys.exit(3)


def in_the_sampler(troubles: Troubles) -> Callable[[Job, float], None]:
    """Between its steps, once the first has been told."""
    node: Job | None = None

    def pause(job: Job, seconds: float) -> None:
        nonlocal node
        job.stop.wait(seconds)
        if job is not node:
            node = job
            if troubles.spend("slow_load"):
                job.stop.wait(4)
            return
        job.stop.wait(0.2)  # what was told is on its way
        if troubles.spend("crash"):
            os.kill(os.getpid(), signal.SIGKILL)
        if troubles.spend("freeze"):
            os.kill(os.getpid(), signal.SIGSTOP)
        if troubles.spend("oom"):
            raise OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        if troubles.spend("disk_full"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if troubles.spend("stall"):
            job.stop.wait()
        if troubles.spend("eat_memory"):
            eaten = [bytearray(os.urandom(1 << 20)) for _ in range(1 << 20)]
            del eaten

    return pause


class Troubled:
    """ASGI around the app."""

    def __init__(self, app: ASGIApp, troubles: Troubles) -> None:
        self._app, self._troubles = app, troubles

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = str(scope.get("path", ""))
        if scope["type"] == "websocket":
            await self._app(scope, receive, self._events(send))
        elif path == "/view":
            await self._app(scope, receive, self._file(send, scope["query_string"].decode()))
        elif path == "/upload/image" and self._troubles.spend("upload_500"):
            await send({"type": "http.response.start", "status": 500, "headers": []})
            await send({"type": "http.response.body", "body": b"500 Internal Server Error"})
        elif path == "/object_info":
            await self._app(scope, receive, self._catalogue(send))
        else:
            await self._app(scope, receive, send)

    def _events(self, send: Send) -> Send:
        """A socket that is closed, or that hears of other prompts."""
        gone = False

        async def told(message: Message) -> None:
            nonlocal gone
            event = json.loads(message["text"]) if message.get("text") else {"type": "", "data": {}}
            kind = event["type"]
            close = (kind == "progress" and self._troubles.spend("close_in_mid_run")) or (
                kind in {"executing", "progress"} and self._troubles.spend("close_always")
            )
            if kind in {"execution_success", "execution_error"} and self._troubles.spend("close_at_the_end"):
                await asyncio.sleep(0.1)  # the history is written meanwhile; nobody hears of the end
                close = True
            if kind == "executing" and self._troubles.spend("foreign_events"):
                data: dict[str, Any] = {
                    "prompt_id": "of somebody else",
                    "node": None,
                    "value": 1,
                    "max": 2,
                    "nodes": [],
                }
                for other in FOREIGN:
                    await send({"type": "websocket.send", "text": json.dumps({"type": other, "data": data})})
            if not gone:
                gone = close
                await send({"type": "websocket.close", "code": 1001} if close else message)

        return told

    def _file(self, send: Send, query: str) -> Send:
        """A file that comes short, cut or damaged."""
        what = "video" if ".mp4" in query else "latent"
        if self._troubles.spend("short_body"):
            return _changed(send, lambda body: body[: len(body) // 2], keep_length=True)
        if self._troubles.spend(f"cut_{what}"):
            return _changed(send, lambda body: body[: len(body) // 2])
        if self._troubles.spend(f"damaged_{what}"):
            return _changed(send, lambda body: b"\xff" * 1000 + body[1000:])
        return send

    def _catalogue(self, send: Send) -> Send:
        if self._troubles.spend("no_audio_vae"):
            return _changed(send, lambda body: body.replace(b"ltx-2-19b-audio-vae.safetensors", b"another.safetensors"))
        if not self._troubles.spend("no_pack"):
            return send

        def without_pack(body: bytes) -> bytes:
            return json.dumps({name: entry for name, entry in json.loads(body).items() if name not in PACK}).encode()

        return _changed(send, without_pack)


def _changed(send: Send, change: Callable[[bytes], bytes], *, keep_length: bool = False) -> Send:
    """The whole body at once, changed; with `keep_length` the headers still promise the old one."""
    start: Message = {}
    body = bytearray()

    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
            return
        body.extend(message.get("body", b""))
        if message.get("more_body"):
            return
        new = change(bytes(body))
        length = str(len(body) if keep_length else len(new)).encode()
        headers = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
        await send({**start, "headers": [*headers, (b"content-length", length)]})
        await send({"type": "http.response.body", "body": new, "more_body": keep_length})
        if keep_length:
            raise ConnectionAbortedError("on purpose: the server goes away in the middle of a file")

    return told


def main() -> None:
    command = parse(sys.argv[1:])
    troubles = Troubles(command.settings.base)
    at_start(troubles)
    Job.pause = in_the_sampler(troubles)  # type: ignore[method-assign,assignment]
    app: Any = Troubled(create_app(command.settings, sys.argv), troubles)
    uvicorn.run(app, host=command.host, port=command.port, log_level="critical", timeout_graceful_shutdown=2)


if __name__ == "__main__":
    main()
