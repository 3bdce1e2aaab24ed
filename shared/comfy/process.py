"""ComfyUI as a child of the worker: started once, watched, stopped with everything it started."""

import asyncio
import contextlib
import errno
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from shared.comfy import memory
from shared.comfy.client import ComfyClient
from shared.comfy.settings import ComfySettings
from shared.errors import CapacityError, MivoError, TransientError
from shared.ports import COMFYUI, free_ports

log = structlog.get_logger(__name__)

KILL_SECONDS = 30.0  # until a killed process has given 100 GB of memory and its GPU back
MAX_LINE = 500  # characters of a log line that are kept
MAX_WARNINGS = 1_000
# What ComfyUI only mumbles although the result is wrong: LoRA keys that fit nothing, LoRA tensors of a wrong shape
# (facts/comfyui.md section 7). A node pack that did not load is no such case: its nodes are refused by name.
SUSPICIOUS = ("lora key not loaded", "ERROR lora")
# Official LTX-2 LoRAs also train the text projection, which a model-only loader has no use for.
HARMLESS = "text_embedding_projection"
COLOURS = re.compile(r"\x1b\[[0-9;]*m")  # ComfyUI 0.25 colours its log even where nobody looks
TETHER = Path(__file__).with_name("tether.py")
NODE_PACKS = Path(__file__).parents[2] / "workers" / "comfy_nodes"
"""A folder of `custom_nodes`, by its place: what lies in it runs in ComfyUI's interpreter, never in this one."""
FOLDERS = ("input/conditioning", "output", "temp", "models", "custom_nodes", "user")


class ComfyProcess:
    """At most one ComfyUI process. In attach mode (`url`) start, stop and restart do nothing.

    `start` has to be called in a thread that lives as long as the worker (its main thread): the kernel ties the
    child to that thread.
    """

    def __init__(self, settings: ComfySettings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._port = 0
        self._counter: Path | None = None
        self._kills = 0
        self._lock = asyncio.Lock()
        self._warnings: deque[tuple[int, str]] = deque(maxlen=MAX_WARNINGS)
        self._mark = 0
        self.hidden: tuple[str, ...] = ()
        """Texts that never reach our log, whatever ComfyUI prints: the prompt of the job under way."""

    @property
    def attached(self) -> bool:
        """Whether the server belongs to somebody else."""
        return self._settings.url is not None

    @property
    def base_url(self) -> str:
        """Where the server listens; changes with every start."""
        if self._settings.url is not None:
            return str(self._settings.url).rstrip("/")
        return f"http://127.0.0.1:{self._port}"

    @property
    def base_dir(self) -> Path | None:
        """ComfyUI's folders, where they are ours to read and write; None in attach mode (use upload and view)."""
        return None if self.attached else self._settings.base_dir.absolute()

    @property
    def pid(self) -> int | None:
        """Our process, while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def alive(self) -> bool:
        """Whether our process runs; in attach mode whether the port takes connections."""
        if self._settings.url is None:
            return self.pid is not None
        address = (self._settings.url.host or "", self._settings.url.port or 80)
        try:
            socket.create_connection(address, timeout=1.0).close()
        except OSError as error:
            return error.errno != errno.ECONNREFUSED  # slow is not dead
        return True

    def client(self, **options: Any) -> ComfyClient:
        """A client of the server as it runs now; make a new one after every start. `options`: see ComfyClient."""
        return ComfyClient(self.base_url, process_end=self.end, **options)

    def end(self) -> MivoError | None:
        """How our process ended; None while it lives. `comfy_crashed`, or `out_of_memory` where the kernel says so.

        A kill for want of memory is known by the count of the process's own cgroup (`comfy/memory.py`) alone; without
        one, or when the whole container is killed with it, nobody can tell it from any other kill.
        """
        if self.alive():
            return None
        code = self._process.poll() if self._process is not None else None
        if code == -signal.SIGKILL and (memory.kills(self._counter) or 0) > self._kills:
            return CapacityError("out_of_memory", "the kernel killed ComfyUI: the memory of the host ran out")
        how = f"by signal {-code}" if code is not None and code < 0 else f"with exit code {code}"
        return TransientError("comfy_crashed", f"the ComfyUI process has ended {how}", exit_code=code)

    async def start(self) -> Mapping[str, Any]:
        """Start the process unless it runs; what it says of itself (GET /system_stats), once it answers.

        Raises TransientError: comfy_crashed when it ends first, comfy_unreachable after `ready_seconds`.
        """
        async with self._lock:
            return await self._start()

    async def stop(self, grace_seconds: float = 10.0) -> None:
        """End the process and its whole group: politely, then by force after `grace_seconds`.

        TransientError comfy_crashed when even that does not end it: the driver of its GPU hangs.
        """
        async with self._lock:
            await self._stop(grace_seconds)

    async def restart(self, grace_seconds: float = 10.0) -> Mapping[str, Any]:
        """A fresh process: after out_of_memory, comfy_crashed, or a client that is `stuck`."""
        async with self._lock:
            await self._stop(grace_seconds)
            return await self._start()

    def kill(self) -> None:
        """End the process and its group by force, from any thread; whoever waits for it sees that it ended."""
        if self._process is not None:
            _signal_group(self._process.pid, signal.SIGKILL)

    def mark(self) -> int:
        """A point in the log, for `warnings_since`."""
        return self._mark

    def warnings_since(self, mark: int) -> tuple[str, ...]:
        """Suspicious log lines after a mark (at most the last 1,000): errors that ComfyUI does not report."""
        return tuple(line for number, line in self._warnings if number > mark)

    async def _start(self) -> Mapping[str, Any]:
        if not self.attached and not self.alive():
            await self._stop(0.0)  # what a dead leader left of its group
            self._spawn()
        async with self.client() as client:
            try:
                stats = await client.wait_ready(self._settings.ready_seconds)
            except BaseException:
                await self._stop(0.0)
                raise
        if self.pid is not None:
            self._counter = memory.counter_of(self.pid)
            self._kills = memory.kills(self._counter) or 0
        return stats

    def _spawn(self) -> None:
        settings, base = self._settings, self._settings.base_dir.absolute()
        for folder in FOLDERS:
            (base / folder).mkdir(parents=True, exist_ok=True)
        (self._port,) = free_ports(1, among=COMFYUI)
        flags = ["--listen", "127.0.0.1", "--port", str(self._port), "--base-directory", str(base)]
        flags += ["--extra-model-paths-config", str(_map_folders(base))]
        flags += ["--preview-method", "none", "--disable-metadata"]
        if settings.dir is not None:  # ComfyUI keeps its database in the checkout, where two processes collide over it
            flags += ["--database-url", "sqlite:///:memory:"]
        flags += shlex.split(settings.extra_args)
        self._process = subprocess.Popen(  # noqa: S603  the command is the worker's own setting
            [sys.executable, "-I", str(TETHER), str(os.getpid()), *settings.argv, *flags],
            cwd=settings.dir,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        self._reader = threading.Thread(target=self._read_log, args=(self._process,), name="comfy-log", daemon=True)
        self._reader.start()
        log.info("comfy_started", pid=self._process.pid, port=self._port)

    async def _stop(self, grace_seconds: float) -> None:
        process, reader = self._process, self._reader
        if process is None or reader is None:
            return
        _signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):  # the group is killed next
            await asyncio.to_thread(process.wait, grace_seconds)
        _signal_group(process.pid, signal.SIGKILL)
        try:
            await asyncio.to_thread(process.wait, KILL_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise TransientError("comfy_crashed", "ComfyUI hangs in the kernel: it cannot be killed") from error
        await asyncio.to_thread(reader.join, 5.0)  # the pipe ends with the last process that holds it
        self._process = self._reader = None

    def _read_log(self, process: subprocess.Popen[bytes]) -> None:
        """Every line into our log; the end of the stream is the end of the process, noticed at once."""
        assert process.stdout is not None  # noqa: S101  opened as PIPE above
        with process.stdout as stream:
            while raw := stream.readline(1 << 16):  # a progress bar may never end its line
                line = self._hide(COLOURS.sub("", raw.decode(errors="replace")).strip())[:MAX_LINE]
                if HARMLESS not in line and any(word in line for word in SUSPICIOUS):
                    self._mark += 1
                    self._warnings.append((self._mark, line))
                if line:
                    log.info("comfy", line=line)
        log.info("comfy_ended", pid=process.pid, exit_code=process.wait())

    def _hide(self, line: str) -> str:
        for text in self.hidden:
            for part in filter(str.strip, text.splitlines()):
                line = line.replace(part.strip(), "[hidden]")
        return line


def _map_folders(base: Path) -> Path:
    """ComfyUI's path file: one more folder of node packs, ours, so that they are always those of this very code; and
    LTXVSaveConditioning's files in input/conditioning, where upload and /view reach them (facts/comfyui.md section 4,
    executed). JSON is YAML.
    """
    mapping = {
        "mivo": {"base_path": str(base / "input"), "is_default": True, "embeddings": "conditioning"},
        "mivo_nodes": {"custom_nodes": str(NODE_PACKS)},
    }
    path = base / "mivo_model_paths.yaml"
    path.write_text(json.dumps(mapping, indent=2), encoding="utf-8")
    return path


def _signal_group(leader: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # the whole group has ended
        os.killpg(leader, number)
