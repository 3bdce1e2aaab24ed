"""Small weight files, the rows that speak of them, and settings for a server on this machine."""

import hashlib
import random
from pathlib import Path
from typing import Any

from models import weights
from models.progress import Lines
from models.settings import ModelsSettings
from shared.models import ModelFile
from tests.integration.models.weight_server import WeightServer

SEGMENT = 64 * 1024


def content(size: int = 600_000, seed: int = 1) -> bytes:
    """A true safetensors file of about so many bytes."""
    data = random.Random(seed).randbytes(size)
    return weights.build({"x": ("U8", (size,), size)}, {"config": "{}"}) + data


def row(name: str = "a.safetensors", repository: str = "Lightricks/LTX-2", **more: Any) -> ModelFile:
    return ModelFile(role=f"test/{name}", name=name, folder="checkpoints", repository=repository, **more)


def pinned(body: bytes, name: str = "a.safetensors", **more: Any) -> ModelFile:
    return row(name, bytes=len(body), sha256=hashlib.sha256(body).hexdigest(), **more)


def on_hub(file: ModelFile) -> str:
    return f"/{file.repository}/resolve/main/{file.path_in_repository}"


def settings(server: WeightServer, tmp_path: Path, **over: Any) -> ModelsSettings:
    given: dict[str, Any] = {
        "hub": server.url,
        "volume": tmp_path / "volume",
        "hub_cache": tmp_path / "cache",
        "connections": 4,
        "segment_bytes": SEGMENT,
        "tries": 4,
        "wait_seconds": 0.01,
        "wait_seconds_max": 0.1,
        "silence_seconds": 5,
        "seconds": 60,
        "spare_bytes": 0,
        **over,
    }
    return ModelsSettings(**given)


def progress() -> Lines:
    return Lines()


def at(root: Path, file: ModelFile) -> Path:
    return root / file.folder / file.name


def litter(root: Path) -> list[str]:
    """What fetching left behind, but for lock files."""
    found = (path.name for path in root.rglob(".*"))
    return sorted(name for name in found if not name.endswith(".lock"))
