"""A small ComfyUI over real sockets that plays a script for each prompt and misbehaves on demand.

Run as a program (`python scripted_comfy.py --port N ...`) it takes ComfyUI's flags and is a child for ComfyProcess;
there every prompt kills the process. It judges no graph: it is told what to answer.
"""

import argparse
import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Form, Request, UploadFile, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response

START_SECONDS = 20.0


@dataclass
class Job:
    """One posted prompt. Scripts drive it; `emit` reaches the client's socket, if it has one now."""

    comfy: "ScriptedComfy"
    prompt_id: str
    client_id: str
    graph: dict[str, Any]
    stop_asked: asyncio.Event = field(default_factory=asyncio.Event)
    messages: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def emit(self, kind: str, **data: Any) -> None:
        data["prompt_id"] = self.prompt_id
        if kind.startswith("execution_"):
            self.messages.append((kind, data))
        await self.comfy.send(self.client_id, kind, data)

    async def start(self, *, cached: list[str] | None = None) -> None:
        await self.emit("execution_start")
        await self.emit("execution_cached", nodes=cached or [])

    async def sample(self, node: str, *steps: int, of: int) -> None:
        await self.emit("executing", node=node, display_node=node)
        for step in steps:
            await self.emit("progress", node=node, value=step, max=of)

    def record(self, outputs: dict[str, Any] | None = None, *, status: str = "success") -> None:
        """Leave the queue for the history, in one step as ComfyUI does."""
        self.comfy.running.pop(self.prompt_id, None)
        self.comfy.history[self.prompt_id] = {
            "prompt": [1, self.prompt_id, self.graph, {}, []],
            "outputs": outputs or {},
            "status": {"status_str": status, "completed": status == "success", "messages": self.messages},
        }

    async def succeed(self, outputs: dict[str, Any] | None = None) -> None:
        for node, output in (outputs or {}).items():
            await self.emit("executed", node=node, display_node=node, output=output)
        await self.emit("execution_success")
        self.record(outputs)
        await self.emit("executing", node=None)

    async def fail(self, kind: str, message: str, *, node: str = "1", node_type: str = "UNETLoader") -> None:
        said = {"exception_type": kind, "exception_message": message, "traceback": ["secret"]}
        await self.emit("execution_error", node_id=node, node_type=node_type, **said)
        self.record(status="error")
        await self.emit("executing", node=None)

    async def until_stopped(self) -> None:
        await self.stop_asked.wait()
        await self.emit("execution_interrupted", node_id="1", node_type="UNETLoader")
        self.record(status="error")
        await self.emit("executing", node=None)


Script = Callable[[Job], Awaitable[None]]


class ScriptedComfy:
    """The server. Attributes are its state; tests read them and set the answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.script: Script = Job.until_stopped
        self.refusal: tuple[int, Any] | None = None  # answer of POST /prompt instead of a plain 200
        self.cancel_status = 200  # 404: a server that lacks /api/jobs/{id}/cancel
        self.deaf_sockets = False  # new sockets are accepted but never registered
        self.history_hidden = 0  # so many answers of /history still lack what is there
        self.slow = asyncio.Event()  # set: GET /queue and /history never answer
        self.url = ""
        self.running: dict[str, Job] = {}
        self.pending: list[str] = []
        self.history: dict[str, Any] = {}
        self.sockets: dict[str, WebSocket] = {}
        self.opened = 0
        self.calls: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    async def send(self, client_id: str, kind: str, data: dict[str, Any]) -> None:
        socket = self.sockets.get(client_id)
        if socket is not None:
            await socket.send_json({"type": kind, "data": data})

    async def drop_sockets(self) -> None:
        for client_id, socket in list(self.sockets.items()):
            del self.sockets[client_id]
            await socket.close()

    async def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        """For scripts: wait for something that the client does."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "the script waited in vain"
            await asyncio.sleep(0.01)

    def begin(self, port: int = 0) -> None:
        config = uvicorn.Config(self._app(), host="127.0.0.1", port=port, log_level=logging.CRITICAL, lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        end = time.monotonic() + START_SECONDS
        while not self._server.started:
            assert time.monotonic() < end, "the scripted server did not start"
            time.sleep(0.01)
        self.url = f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"

    def end(self) -> None:
        assert self._server is not None
        assert self._thread is not None
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(10.0)

    def _app(self) -> FastAPI:
        app = FastAPI()
        app.add_api_websocket_route("/ws", self._ws)
        app.add_api_route("/prompt", self._prompt, methods=["POST"], response_model=None)
        app.add_api_route("/queue", self._delete, methods=["POST"], response_model=None)
        app.add_api_route("/interrupt", self._interrupt, methods=["POST"], response_model=None)
        app.add_api_route("/api/jobs/{prompt_id}/cancel", self._cancel, methods=["POST"], response_model=None)
        app.add_api_route("/upload/image", self._upload, methods=["POST"], response_model=None)
        app.add_api_route("/free", self._free, methods=["POST"], response_model=None)
        app.add_api_route("/queue", self._queue, response_model=None)
        app.add_api_route("/history/{prompt_id}", self._history, response_model=None)
        app.add_api_route("/view", self._view, response_model=None)
        app.add_api_route("/system_stats", self._stats, response_model=None)
        return app

    async def _ws(self, socket: WebSocket) -> None:
        await socket.accept()
        client_id = socket.query_params["clientId"]
        self.opened += 1
        if not self.deaf_sockets:
            self.sockets[client_id] = socket
        await socket.send_json({"type": "status", "data": {"sid": client_id}})
        try:
            while True:
                await socket.receive_text()
        except WebSocketDisconnect:
            self.sockets.pop(client_id, None)  # like ComfyUI: by id, whichever socket it was

    async def _prompt(self, request: Request) -> Response:
        body = await request.json()
        self.calls.append("prompt")
        if self.refusal is not None and self.refusal[0] != 200:
            status, said = self.refusal
            return PlainTextResponse(said, status) if isinstance(said, str) else JSONResponse(said, status)
        job = Job(self, body["prompt_id"], body["client_id"], body["prompt"])
        assert job.client_id in self.sockets or self.deaf_sockets, "posted before the socket was open"
        self.running[job.prompt_id] = job
        task = asyncio.create_task(self._play(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        said = self.refusal[1] if self.refusal else {"prompt_id": job.prompt_id, "number": 1, "node_errors": {}}
        return JSONResponse(said)

    async def _play(self, job: Job) -> None:
        await self.script(job)

    async def _queue(self) -> Response:
        await self._lag()
        rows = [[1, i, job.graph, {}, []] for i, job in self.running.items() if i not in self.pending]
        return JSONResponse({"queue_running": rows, "queue_pending": [[2, i, {}, {}, []] for i in self.pending]})

    async def _history(self, prompt_id: str) -> Response:
        await self._lag()
        self.calls.append("history")
        if self.history_hidden > 0 and prompt_id in self.history:
            self.history_hidden -= 1
            return JSONResponse({})
        return JSONResponse({prompt_id: self.history[prompt_id]} if prompt_id in self.history else {})

    async def _lag(self) -> None:
        if self.slow.is_set():
            await asyncio.Event().wait()

    async def _cancel(self, prompt_id: str) -> Response:
        self.calls.append("cancel")
        if self.cancel_status == 200:
            self._stop(prompt_id)
        return JSONResponse({"cancelled": True}, self.cancel_status)

    async def _interrupt(self, request: Request) -> Response:
        self.calls.append("interrupt")
        self._stop((await request.json())["prompt_id"])
        return Response()

    async def _delete(self, request: Request) -> Response:
        self.calls.append("delete")
        for prompt_id in (await request.json())["delete"]:
            if prompt_id in self.pending:
                self.pending.remove(prompt_id)
                del self.running[prompt_id]
        return Response()

    def _stop(self, prompt_id: str) -> None:
        if prompt_id in self.running:
            self.running[prompt_id].stop_asked.set()

    async def _upload(self, image: UploadFile, subfolder: str = Form(""), overwrite: str = Form()) -> Response:
        target = self.folder / "input" / subfolder / str(image.filename)
        if image.filename == "huge.bin":
            return PlainTextResponse("Maximum request body size 104857600 exceeded.", 413)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(await image.read())
        self.calls.append(f"upload overwrite={overwrite}")
        return JSONResponse({"name": image.filename, "subfolder": subfolder, "type": "input"})

    async def _view(self, filename: str, subfolder: str = "", type: str = "output") -> Response:  # noqa: A002  its name
        path = self.folder / type / subfolder / filename
        return FileResponse(path) if path.is_file() else Response(status_code=404)

    async def _free(self, request: Request) -> Response:
        self.calls.append(f"free {await request.json()}")
        return Response()

    async def _stats(self) -> Response:
        return JSONResponse({"system": {"comfyui_version": "scripted", "argv": sys.argv}})


async def _die(_: Job) -> None:
    os._exit(9)


def main() -> None:
    flags = argparse.ArgumentParser()
    flags.add_argument("--port", type=int)
    flags.add_argument("--base-directory", type=Path)
    port = flags.parse_known_args()[0].port
    comfy = ScriptedComfy(flags.parse_known_args()[0].base_directory)
    comfy.script = _die
    print("\x1b[1m\x1b[33m[WARNING]\x1b[0m lora key not loaded: before anything ran")  # noqa: T201  this is its log
    print("lora key not loaded: text_embedding_projection.aggregate_embed.lora_A.weight")  # noqa: T201
    print("IMPORT FAILED: nodes_glsl.py", flush=True)  # noqa: T201
    comfy.begin(port)
    threading.Event().wait()


if __name__ == "__main__":
    main()
