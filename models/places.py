"""Where a weight file lies already, and whether it is whole."""

import hashlib
from pathlib import Path
from uuid import uuid4

import structlog

from models import weights
from models.settings import Check, ModelsSettings
from shared import models
from shared.models import ModelFile

log = structlog.get_logger(__name__)


def in_target(root: Path, file: ModelFile) -> Path:
    return root / file.folder / file.name


def trouble(path: Path, file: ModelFile, check: Check) -> str | None:
    """Why this file cannot be used; None when it can. A link that leads nowhere is a file that is not there."""
    if not path.is_file():
        return "not there"
    size = path.stat().st_size
    if not size:
        return "empty"
    if check is Check.NONE:
        return None
    if file.bytes is not None and size != file.bytes:
        return f"{size} bytes long instead of {file.bytes}"
    return unsound(path, file) or (wrong_hash(path, file.sha256) if check is Check.HASHES else None)


def unsound(path: Path, file: ModelFile) -> str | None:
    """What the header of a safetensors file says against the rest of it."""
    if not file.name.endswith(".safetensors"):
        return None
    try:
        weights.check(path)
    except weights.BrokenWeightsError as error:
        return str(error)
    return None


def wrong_hash(path: Path, wanted: str | None) -> str | None:
    """Reads it whole."""
    if wanted is None:
        return None
    found = sha256(path)
    return None if found == wanted else f"its sha256 is {found} instead of {wanted}"


def sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def elsewhere(file: ModelFile, settings: ModelsSettings) -> Path | None:
    """The file on the network volume, else in RunPod's cache of the hub, if it is whole."""
    for path in (settings.volume / file.folder / file.name, _cached(file, settings.hub_cache)):
        if path is None or not path.exists():
            continue
        why = trouble(path, file, settings.check)
        if why is None:
            return path
        log.warning("model_unusable", path=str(path), why=why)
    return None


def _cached(file: ModelFile, cache: Path) -> Path | None:
    """The hub's own layout: models--ORG--NAME/snapshots/COMMIT/PATH. Without a pinned commit, what refs/main names."""
    if file.repository is None:
        return None
    folder = cache / f"models--{file.repository.replace('/', '--')}"
    commit = models.repositories()[file.repository].revision
    if commit is None:
        main = folder / "refs" / "main"
        commit = main.read_text(encoding="utf-8").strip() if main.is_file() else None
    if commit is None:
        found = sorted((folder / "snapshots").glob("*"))
        commit = found[0].name if len(found) == 1 else None
    return folder / "snapshots" / commit / file.path_in_repository if commit else None


def link(source: Path, target: Path) -> None:
    """A symbolic link in one step, over whatever is there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.{uuid4().hex}")
    fresh.symlink_to(source.absolute())
    fresh.replace(target)
