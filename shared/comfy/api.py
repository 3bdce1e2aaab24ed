"""ComfyUI's HTTP endpoints, one method each, with our typed errors. Facts: facts/comfyui.md sections 4 and 5."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import httpx
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from shared.comfy.events import FileRef
from shared.comfy.failures import GraphJson, rejection
from shared.errors import FatalError, MivoError, TransientError
from shared.tls import trusted

T = TypeVar("T")
GET_ATTEMPTS = 3
CHUNK = 1 << 20  # bytes


class ComfyApi:
    """The HTTP half of the client.

    Args:
        base_url: e.g. http://127.0.0.1:8188.
        process_end: says how the server's process ended, where this worker started it; None while it lives. It
            tells `comfy_crashed` from `comfy_unreachable`.
        request_seconds: limit of one small request, and of silence within a transfer. Generous, because Python
            code in ComfyUI that loads weights can hold the server's loop up for seconds.
    """

    def __init__(
        self,
        base_url: str,
        *,
        process_end: Callable[[], MivoError | None] | None = None,
        request_seconds: float = 30.0,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.request_seconds = request_seconds
        self._process_end = process_end
        self._http = httpx.AsyncClient(
            base_url=self.base_url, timeout=request_seconds, trust_env=False, verify=trusted()
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()

    def dead(self) -> MivoError | None:
        """How the server's process ended, when it is known to have: `comfy_crashed`, `out_of_memory`."""
        return self._process_end() if self._process_end is not None else None

    def gone(self, error: BaseException) -> MivoError:
        """What it means that the server does not answer."""
        kind = type(error).__name__  # without its text: that may hold a URL
        return self.dead() or TransientError("comfy_unreachable", f"ComfyUI does not answer ({kind})")

    async def post_prompt(self, graph: GraphJson, *, prompt_id: str, client_id: str) -> MivoError | None:
        """Queue a graph. Never repeated: the same prompt_id twice would run twice.

        Raises the error of `failures.rejection` when nothing was queued. Returns it when the server queued a part
        all the same (a 200 with `node_errors`): that part has to be cancelled.
        """
        body = {"prompt": graph, "prompt_id": prompt_id, "client_id": client_id}
        answer = await self._send("POST", "/prompt", json=body)
        said = _json(answer)
        if answer.status_code != httpx.codes.OK:
            raise rejection(answer.status_code, said, graph)
        wrong = isinstance(said, Mapping) and said.get("node_errors")
        return rejection(answer.status_code, said, graph) if wrong else None

    async def history(self, prompt_id: str) -> Mapping[str, Any] | None:
        """The entry of a run that has ended; None while it is unknown, queued or running."""
        entry = (await self._get_object(f"/history/{prompt_id}")).get(prompt_id)
        return entry if isinstance(entry, Mapping) else None

    async def place(self, prompt_id: str) -> Literal["running", "pending"] | None:
        """Where in the queue a run stands; None when it is not there (ended, deleted, or never known)."""
        queue = await self._get_object("/queue")
        if any(row[1] == prompt_id for row in queue["queue_running"]):
            return "running"
        return "pending" if any(row[1] == prompt_id for row in queue["queue_pending"]) else None

    async def ask_to_stop(self, prompt_id: str) -> None:
        """Cancel one run, pending or running, by the v0.25 way and by the older one; both are harmless elsewhere."""
        answer = await self._send("POST", f"/api/jobs/{prompt_id}/cancel")
        if answer.is_success:
            return
        await self._send("POST", "/queue", json={"delete": [prompt_id]})
        await self._send("POST", "/interrupt", json={"prompt_id": prompt_id})

    async def free(self) -> None:
        """Unload all models and forget the node cache."""
        self._expect(await self._send("POST", "/free", json={"unload_models": True, "free_memory": True}))

    async def system_stats(self) -> Mapping[str, Any]:
        return await self._get_object("/system_stats")

    async def object_info(self) -> Mapping[str, Any]:
        """The server's own node catalogue, in ComfyUI's form."""
        return await self._get_object("/object_info")

    async def upload(self, path: Path, name: str, *, subfolder: str = "", overwrite: bool = True) -> FileRef:
        """Put a file of any kind, up to 100 MiB, below ComfyUI's input/; returns how graphs may name it."""
        form = {"type": "input", "subfolder": subfolder, "overwrite": str(overwrite).lower()}
        with path.open("rb") as stream:  # not in a thread, where a cancel would lose it open
            answer = await self._send("POST", "/upload/image", files={"image": (name, stream)}, data=form)
        self._expect(answer)
        said = answer.json()
        return FileRef(said["name"], said.get("subfolder") or "", said.get("type") or "input")

    async def fetch_output(self, ref: FileRef, target: Path) -> Path:
        """Stream a file of ComfyUI into `target`, whole or not at all; a transfer that breaks is begun again.

        FatalError bad_output when ComfyUI lacks it. OSError when our own disk is full.
        """
        part = target.with_name(target.name + ".part")
        try:
            await self._again(self._fetch, ref, part)
            await asyncio.to_thread(part.replace, target)
        finally:
            await asyncio.to_thread(part.unlink, missing_ok=True)
        return target

    async def _fetch(self, ref: FileRef, part: Path) -> None:
        query = {"filename": ref.filename, "subfolder": ref.subfolder, "type": ref.kind}
        async with self._http.stream("GET", "/view", params=query) as answer:
            if answer.status_code >= 500:
                raise _refused(answer.status_code, "/view")
            if answer.status_code != httpx.codes.OK:
                raise FatalError("bad_output", f"ComfyUI has no file '{ref.filename}' ({answer.status_code})")
            with part.open("wb") as sink:  # not in a thread, where a cancel would lose it open
                async for chunk in answer.aiter_bytes(CHUNK):
                    await asyncio.to_thread(sink.write, chunk)

    async def _get_object(self, path: str) -> Mapping[str, Any]:
        """A JSON object."""
        answer = await self._again(self._http.get, path)
        self._expect(answer)
        said = _json(answer)
        if not isinstance(said, Mapping):
            raise TransientError("comfy_unreachable", f"ComfyUI answered {path} with no JSON object")
        return said

    async def _again(self, read: Callable[..., Awaitable[T]], *what: Any) -> T:
        """Asked for a few times: reading changes nothing on the server."""
        tries = AsyncRetrying(
            stop=stop_after_attempt(GET_ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.1, max=1.0),
            retry=retry_if_exception_type(httpx.TransportError),
            reraise=True,
        )
        try:
            return await tries(read, *what)
        except httpx.TransportError as error:
            raise self.gone(error) from error

    async def _send(self, method: str, path: str, **body: Any) -> httpx.Response:
        try:
            return await self._http.request(method, path, **body)
        except httpx.TransportError as error:
            raise self.gone(error) from error

    def _expect(self, answer: httpx.Response) -> None:
        if answer.is_success:
            return
        raise _refused(answer.status_code, answer.request.url.path)


def _refused(status: int, path: str) -> MivoError:
    if status >= 500:
        return TransientError("comfy_unreachable", f"ComfyUI answered {status} to {path}")
    return FatalError("internal", f"ComfyUI answered {status} to {path}")


def _json(answer: httpx.Response) -> object:
    """The body as JSON; its text where a server in trouble sends plain text (facts: 500 for broken JSON)."""
    try:
        return answer.json()
    except ValueError:
        return answer.text[:200]
