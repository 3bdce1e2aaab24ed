"""The two servers that every case runs on: the preview engine, and a real ComfyUI where the environment names one."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from local import tiny_models
from shared.comfy.process import ComfyProcess
from shared.comfy.settings import ComfySettings
from shared.worker.engine import Engine

NODE_PACK = Path(__file__).with_name("custom_nodes") / "mivo_tiny"
STEP_SECONDS = 0.01  # of the preview's sampler: long enough to be caught in

NO_REAL = "set COMFYUI_DIR (a checkout; COMFYUI_PYTHON is its interpreter) or COMFYUI_URL (a running server)"


@dataclass
class Server:
    """One engine for the whole session."""

    name: Literal["preview", "real"]
    process: ComfyProcess
    engine: Engine = field(init=False)
    stats: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.engine = Engine(self.process)

    async def look(self) -> None:
        """Starts it, and asks what it is."""
        await self.engine.start()
        async with self.process.client() as client:
            self.stats = await client.system_stats()

    def files(self) -> set[str]:
        """What lies in ComfyUI's input and output folders now; nothing where they are not ours to look at."""
        base = self.process.base_dir
        if base is None:
            return set()
        folders = (base / "input", base / "output")
        return {str(path.relative_to(base)) for folder in folders for path in folder.rglob("*") if path.is_file()}


def only(**given: Any) -> ComfySettings:
    """Settings of a server that is not the environment's."""
    return ComfySettings(**{"url": None, "dir": None, "command": None, **given})


def preview(base: Path) -> Server:
    command = f"{sys.executable} -m local.comfyui_preview"
    extra = f"--test-nodes --step-seconds {STEP_SECONDS}"
    return Server("preview", ComfyProcess(only(command=command, base_dir=base, extra_args=extra)))


def real_is_named() -> bool:
    return bool(os.environ.get("COMFYUI_DIR") or os.environ.get("COMFYUI_URL"))


def real(base: Path) -> Server:
    """A ComfyUI on tiny weights below `base` (COMFYUI_DIR), or one that runs already with its own (COMFYUI_URL)."""
    given = ComfySettings()
    if given.dir is None:
        return Server("real", ComfyProcess(given))
    prepare(base, given.dir)
    extra = given.extra_args or "--cpu"  # tiny weights gain nothing from a GPU, and many machines have none
    return Server("real", ComfyProcess(given.model_copy(update={"base_dir": base, "extra_args": extra})))


def prepare(base: Path, checkout: Path) -> None:
    """Models, and the node packs of the checkout: with another base directory ComfyUI no longer looks at its own."""
    tiny_models.write(base / "models")
    packs = base / "custom_nodes"
    packs.mkdir(parents=True)
    for pack in [*(checkout.absolute() / "custom_nodes").iterdir(), NODE_PACK]:
        if pack.is_dir() and not pack.name.startswith((".", "__")):
            (packs / pack.name).symlink_to(pack.resolve())
