"""The HTTP routes about prompts, queue and history."""

import json
import re
import time
import uuid
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from local.comfyui_preview.engine import problems
from local.comfyui_preview.engine.describe import describe
from local.comfyui_preview.engine.executor import Prompt
from local.comfyui_preview.engine.inputs import Offer
from local.comfyui_preview.engine.queue import PromptQueue
from local.comfyui_preview.engine.validation import NodeClasses, validate

_CANONICAL_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _refusal(error: dict[str, Any], node_errors: dict[str, Any] | None = None) -> JSONResponse:
    return JSONResponse({"error": error, "node_errors": node_errors or {}}, 400)


class PromptRoutes:
    def __init__(self, queue: PromptQueue, classes: NodeClasses, offer: Offer) -> None:
        self._queue, self._classes, self._offer = queue, classes, offer
        self._number = 0

    def routes(self) -> list[Route]:
        return [
            Route("/prompt", self.post_prompt, methods=["POST"]),
            Route("/prompt", self.get_prompt),
            Route("/queue", self.get_queue),
            Route("/queue", self.post_queue, methods=["POST"]),
            Route("/history", self.get_history),
            Route("/history", self.post_history, methods=["POST"]),
            Route("/history/{prompt_id}", self.get_history),
            Route("/interrupt", self.interrupt, methods=["POST"]),
            Route("/free", self.free, methods=["POST"]),
            Route("/jobs/{prompt_id}/cancel", self.cancel, methods=["POST"]),
            Route("/object_info", self.object_info),
            Route("/object_info/{name}", self.object_info),
        ]

    async def post_prompt(self, request: Request) -> Response:
        try:
            body = await request.json()
        except json.JSONDecodeError:  # recorded: ComfyUI answers broken JSON like this
            return PlainTextResponse("500 Internal Server Error\n\nServer got itself in trouble", 500)
        number = self._take_number(body)
        if "prompt" not in body:
            return _refusal(problems.NO_PROMPT)
        prompt_id = body.get("prompt_id") or str(uuid.uuid4())
        if not (isinstance(prompt_id, str) and _CANONICAL_UUID.fullmatch(prompt_id)):
            return _refusal(problems.invalid_prompt_id(prompt_id))
        graph = body["prompt"]
        verdict = validate(graph, self._classes, self._offer)
        if verdict.error:
            return _refusal(verdict.error, verdict.node_errors)
        extra = dict(body.get("extra_data") or {})
        if "client_id" in body:
            extra["client_id"] = body["client_id"]
        extra["create_time"] = int(time.time() * 1000)
        self._queue.put(Prompt(number, prompt_id, graph, extra, verdict.outputs))
        return JSONResponse({"prompt_id": prompt_id, "number": number, "node_errors": verdict.node_errors})

    def _take_number(self, body: dict[str, Any]) -> float:
        if "number" in body:
            return float(body["number"])
        number = -self._number if body.get("front") else self._number
        self._number += 1
        return number

    async def get_prompt(self, _: Request) -> Response:
        return JSONResponse({"exec_info": {"queue_remaining": self._queue.remaining}})

    async def get_queue(self, _: Request) -> Response:
        return JSONResponse(self._queue.snapshot())

    async def post_queue(self, request: Request) -> Response:
        body = await request.json()
        if body.get("clear"):
            self._queue.delete(lambda _: True)
        unwanted = set(body.get("delete", ()))
        self._queue.delete(lambda prompt_id: prompt_id in unwanted)
        return Response()

    async def get_history(self, request: Request) -> Response:
        most = request.query_params.get("max_items")
        history = self._queue.history(request.path_params.get("prompt_id"), int(most) if most else None)
        return JSONResponse(history)

    async def post_history(self, request: Request) -> Response:
        body = await request.json()
        if body.get("clear"):
            self._queue.forget(None)
        self._queue.forget(list(body.get("delete", ())))
        return Response()

    async def interrupt(self, request: Request) -> Response:
        body = json.loads(await request.body() or b"{}")
        self._queue.interrupt(body.get("prompt_id"))
        return Response()

    async def free(self, request: Request) -> Response:
        if (await request.json()).get("free_memory"):
            self._queue.free()
        return Response()

    async def cancel(self, request: Request) -> Response:
        """Cancels a running or pending prompt; `cancelled` is false for one that is neither."""
        prompt_id = request.path_params["prompt_id"]
        dropped = self._queue.delete(lambda pending: pending == prompt_id)
        return JSONResponse({"cancelled": dropped or self._queue.interrupt(prompt_id)})

    async def object_info(self, request: Request) -> Response:
        name = request.path_params.get("name")
        wanted = self._classes if name is None else {n: c for n, c in self._classes.items() if n == name}
        return JSONResponse({n: describe(node_class, self._offer) for n, node_class in wanted.items()})
