"""The ComfyUI of this worker: up when a job needs it, fresh after trouble, clean after each job."""

import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog

from shared.comfy.client import ComfyClient
from shared.comfy.process import ComfyProcess
from shared.errors import FatalError, MivoError, TransientError
from shared.stage import Names
from shared.worker.execute import CONDITIONING_FOLDER

log = structlog.get_logger(__name__)

SPENT = {"comfy_crashed", "comfy_unreachable", "connection_lost", "execution_timeout", "out_of_memory", "disk_full"}
"""After these the process is not trusted with another job."""

DOUBT_SECONDS = 2.0
"""Between SIGTERM and SIGKILL: one that is not trusted has nothing to save, and may be frozen."""


class Engine:
    """One per worker process; concurrency 1."""

    def __init__(self, process: ComfyProcess) -> None:
        self._process = process
        self._doubtful = False
        self._unsettled: ComfyClient | None = None
        self.spent = False
        """Not even a restart brought ComfyUI up: only a fresh worker can help."""
        self.name = "ComfyUI, not started"
        """Version as the server tells it; goes into manifests and into the video's metadata."""

    async def start(self) -> None:
        """Up and answering, or MivoError: comfy_crashed, comfy_unreachable, out_of_memory."""
        try:
            await self._start()
        except MivoError:
            self.spent = True
            raise
        self.spent = False

    async def _start(self) -> None:
        """A fresh process after doubt. One that crashes gets a second chance, for it may have lost its port or have
        been found alive and died while it was asked; so does one that ran before, and answers no more.
        """
        if self._doubtful:
            await self._process.stop(DOUBT_SECONDS)
            self._doubtful = False
        ran_before = self.pid is not None
        try:
            stats = await self._process.start()
        except TransientError as error:
            if error.code != "comfy_crashed" and not ran_before:
                raise
            log.warning("engine_restarts", code=error.code)
            stats = await self._process.restart()
        self.name = f"ComfyUI {stats['system']['comfyui_version']}"

    async def catalogue(self) -> Mapping[str, Any]:
        """What GET /object_info says of the node classes; asked once ComfyUI is up."""
        async with self._process.client() as client:
            return await client.object_info()

    @property
    def pid(self) -> int | None:
        """ComfyUI's process, while it runs and is ours."""
        return self._process.pid

    @property
    def base_dir(self) -> Path | None:
        """ComfyUI's folders, where they are ours."""
        return self._process.base_dir

    async def close(self) -> None:
        await self._process.stop()

    @asynccontextmanager
    async def session(self, names: Names, *, hidden: tuple[str, ...] = ()) -> AsyncIterator[ComfyClient]:
        """The client for one execution. Its files are removed afterwards, whatever happened.

        `hidden` are texts that must not reach the log, the user's prompt above all.

        FatalError model_missing when ComfyUI's log says that a LoRA did not fit: ComfyUI itself calls that a
        success and renders as if there were none (facts/comfyui.md section 7). It says so once and keeps the model
        in its cache, so the next job gets a fresh process, or it would succeed in silence.
        """
        await self._settle()
        await self.start()
        self._process.hidden = hidden
        mark = self._process.mark()
        client = self._process.client()
        try:
            yield client
            ignored = self._process.warnings_since(mark)
            if ignored:
                self._doubtful = True
                raise FatalError("model_missing", f"ComfyUI passed over {len(ignored)} problems: {ignored[0]}")
        except MivoError as error:
            self._doubtful = self._doubtful or error.code in SPENT
            raise
        finally:
            self._unsettled = client
            try:
                await self._settle()
            finally:
                self._sweep(names)

    async def _settle(self) -> None:
        """Wait until a cancelled run has stopped. A cancel that comes in here leaves the wait to the next session."""
        if self._unsettled is None:
            return
        await self._unsettled.aclose()
        self._doubtful = self._doubtful or self._unsettled.stuck
        self._unsettled = None

    def _sweep(self, names: Names) -> None:
        base = self._process.base_dir
        if base is None:
            return  # somebody else's server; its files are not ours to remove
        for kind in ("input", "output"):
            shutil.rmtree(base / kind / names.folder, ignore_errors=True)
        for conditioning in (names.conditioning, names.detail_conditioning):
            (base / "input" / CONDITIONING_FOLDER / conditioning).unlink(missing_ok=True)
