"""What a node is: declared inputs and outputs, and `run`. Adding a node to the engine is adding one such class."""

import hashlib
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from local.comfyui_preview.engine.inputs import Input
from local.comfyui_preview.folders import Folders
from local.comfyui_preview.service.served import Service
from local.comfyui_preview.settings import Settings

Graph = dict[str, dict[str, Any]]


class InterruptedPromptError(Exception):
    """POST /interrupt: thrown at the next progress report or node boundary, like ComfyUI's own."""


@dataclass(frozen=True)
class Job:
    """What a running node may use of its surroundings."""

    settings: Settings
    folders: Folders
    graph: Graph
    report: Callable[[float, float], None]  # (value, max); raises InterruptedPromptError
    stop: threading.Event
    service: Service | None = None
    """None: render; else sleep that long."""
    count: Callable[[float], None] = lambda _: None
    """Told the seconds of every pause; fewer where it was cut short."""

    def pause(self, seconds: float) -> None:
        """Waits, but no longer than until somebody interrupts."""
        began = time.monotonic()
        self.stop.wait(seconds)
        self.count(min(seconds, time.monotonic() - began))

    def sleep(self, seconds: float) -> None:
        """Waits to the end, whoever interrupts: for nodes that stand for silent work."""
        time.sleep(seconds)


@dataclass(frozen=True)
class Result:
    """The outputs of a node by slot, and what an output node shows in `executed` and in the history."""

    outputs: tuple[Any, ...] = ()
    shown: dict[str, list[Any]] | None = field(default=None)


def show(kind: str, path: Path, subfolder: str, folder: str = "output") -> dict[str, list[Any]]:
    """The `ui` of a saved file."""
    return {kind: [{"filename": path.name, "subfolder": subfolder, "type": folder}]}


class Node(ABC):
    """A node class. Its Python name is ComfyUI's class_type."""

    inputs: ClassVar[dict[str, Input]]
    outputs: ClassVar[tuple[tuple[str, str], ...]] = ()  # (type, name) by slot
    is_output: ClassVar[bool] = False
    category: ClassVar[str] = "preview"
    test_only: ClassVar[bool] = False
    # the inputs that `problem` judges instead of the ordinary checks (ComfyUI's VALIDATE_INPUTS)
    judged: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def declared(cls, values: dict[str, Any]) -> dict[str, Input]:
        """The inputs, with those that the chosen options of dynamic combos bring."""
        found = dict(cls.inputs)
        for name, one in cls.inputs.items():
            chosen = values.get(name)
            if one.branches and isinstance(chosen, str):
                found |= {f"{name}.{part}": taken for part, taken in one.branches.get(chosen, {}).items()}
        return found

    @classmethod
    def problem(cls, folders: Folders, literals: dict[str, Any]) -> str | None:
        """Why the judged inputs will not do, or None."""
        del folders, literals
        return None

    @classmethod
    def fingerprint(cls, folders: Folders, literals: dict[str, Any]) -> str:
        """Changes when something changed that the inputs do not show, such as a file's content (IS_CHANGED)."""
        del folders, literals
        return ""

    def __init__(self, job: Job) -> None:
        self.job = job

    @abstractmethod
    def run(self, *args: Any, **inputs: Any) -> Result:
        """Does the node's work. Subclasses name the inputs that they use and let `**_` take the others."""


def content_of(path: Path) -> str:
    """sha256 of a file that need not exist any more."""
    if not path.is_file():
        return "missing"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
