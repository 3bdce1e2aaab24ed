"""A small client of the preview engine over real sockets, for its own contract tests."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import numpy as np
import numpy.typing as npt
import websocket

from tests.waiting import wait_for

DEADLINE = 30.0
Graph = dict[str, dict[str, Any]]
Event = dict[str, Any]


@dataclass
class Listener:
    """One WebSocket; `heard` keeps all JSON events."""

    url: str
    heard: list[Event] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._socket = websocket.create_connection(self.url, timeout=DEADLINE)
        self._socket.settimeout(1.0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def say(self, message: dict[str, Any]) -> None:
        self._socket.send(json.dumps(message))

    def until(self, wanted: Callable[[Event], bool]) -> list[Event]:
        """Everything heard up to and with the first wanted event."""
        start = len(self.heard)
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            try:
                event = json.loads(self._socket.recv())
            except websocket.WebSocketTimeoutException:  # the server's pings would put off a longer timeout for ever
                continue
            self.heard.append(event)
            if wanted(event):
                return self.heard[start:]
        raise AssertionError(f"not heard in time; heard {[e['type'] for e in self.heard]}")

    def rest(self, silence: float) -> list[Event]:
        """Whatever still comes, until nothing has come for `silence` seconds."""
        start = len(self.heard)
        self._socket.settimeout(silence)
        try:
            while True:
                self.heard.append(json.loads(self._socket.recv()))
        except websocket.WebSocketTimeoutException:
            return self.heard[start:]

    def story(self, prompt_id: str) -> list[Event]:
        """Everything up to the end of a prompt."""
        return self.until(lambda e: is_end(e, prompt_id))


def is_end(event: Event, prompt_id: str) -> bool:
    data = event["data"]
    return bool(event["type"] == "executing" and data["node"] is None and data["prompt_id"] == prompt_id)


class Engine:
    """A running preview engine, its folder and its HTTP API."""

    def __init__(self, base: Path, port: int, *flags: str) -> None:
        self.base, self.port = base, port
        command = [sys.executable, "-m", "local.comfyui_preview", "--port", str(port), "--base-directory", str(base)]
        log = (base / "engine.log").open("wb")
        self.process = subprocess.Popen([*command, *flags], stdout=log, stderr=subprocess.STDOUT)
        log.close()
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE)
        wait_for(self._answers)

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.base / "engine.log").read_text()
        try:
            return self.http.get("/features").status_code == 200
        except httpx.TransportError:
            return False

    def close(self) -> None:
        self.http.close()
        self.process.terminate()
        try:
            self.process.wait(DEADLINE)
        finally:
            self.process.kill()

    def post(self, graph: Graph, **more: Any) -> httpx.Response:
        return self.http.post("/prompt", json={"prompt": graph, **more})

    def submit(self, graph: Graph, **more: Any) -> str:
        answer = self.post(graph, **more)
        assert answer.status_code == 200, answer.text
        assert answer.json()["node_errors"] == {}, answer.text
        return str(answer.json()["prompt_id"])

    def history(self, prompt_id: str) -> dict[str, Any]:
        entry: dict[str, Any] = self.http.get(f"/history/{prompt_id}").json()
        return entry

    def run(self, graph: Graph, *, deadline: float = DEADLINE) -> dict[str, Any]:
        """Runs a graph to its end and gives its entry in the history."""
        prompt_id = self.submit(graph)
        entry: dict[str, Any] = wait_for(lambda: self.history(prompt_id), seconds=deadline)[prompt_id]
        return entry

    def outputs(self, graph: Graph, *, deadline: float = DEADLINE) -> dict[str, Path]:
        """Node id -> the file it wrote; the run must succeed."""
        entry = self.run(graph, deadline=deadline)
        assert entry["status"]["completed"], entry["status"]["messages"][-1]
        files: dict[str, Path] = {}
        for node_id, shown in entry["outputs"].items():
            for name in ("images", "latents"):
                for file in shown.get(name, ()):
                    files[node_id] = self.base / file["type"] / file["subfolder"] / file["filename"]
        return files

    def listen(self, client_id: str | None = None, path: str = "/ws") -> Listener:
        query = f"?clientId={client_id}" if client_id else ""
        return Listener(f"ws://127.0.0.1:{self.port}{path}{query}")


def frames_of(path: Path, width: int, height: int) -> npt.NDArray[np.uint8]:
    """All pictures of a small mp4, [N, height, width, 3], decoded by ffmpeg."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"]
    raw = subprocess.run(command, check=True, capture_output=True, timeout=DEADLINE).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)


def probe(path: Path) -> dict[str, Any]:
    command = ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", str(path)]
    told: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=DEADLINE).stdout)
    return told


def film(path: Path, pictures: npt.NDArray[np.uint8], *, fps: int = 24, sound: bool = True) -> Path:
    """Writes pictures [N, H, W, 3] as a video, with a tone of the same length."""
    count, height, width = pictures.shape[:3]
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-video_size", f"{width}x{height}", "-framerate", str(fps)]
    tone = ["-f", "lavfi", "-i", f"sine=440:sample_rate=48000:duration={count / fps}", "-c:a", "aac"] if sound else []
    codec = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "10", "-pix_fmt", "yuv420p"]
    command = ["ffmpeg", "-v", "error", "-y", *raw, "-i", "pipe:0", *tone, *codec, str(path)]
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(command, input=pictures.tobytes(), check=True, capture_output=True, timeout=DEADLINE)
    return path


def disc(count: int, width: int, height: int) -> npt.NDArray[np.uint8]:
    """A bright disc that crosses a dark picture from left to right, [count, height, width, 3]."""
    y, x = np.mgrid[0:height, 0:width]
    pictures = np.full((count, height, width, 3), (20, 30, 50), np.uint8)
    for index in range(count):
        centre = width * (0.25 + 0.5 * index / max(count - 1, 1))
        pictures[index][np.hypot(x - centre, y - height / 2) < height / 4] = (240, 220, 180)
    return pictures
