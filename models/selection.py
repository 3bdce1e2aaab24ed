"""Which files a worker needs: asked of every input that its stage may get, never written down. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from shared import models
from shared.contracts import keys
from shared.contracts.vocabulary import Stage
from shared.models import ModelFile
from shared.worker import fitness
from shared.worker.settings import WorkerSettings


def needed(stages: Iterable[Stage], settings: WorkerSettings) -> tuple[ModelFile, ...]:
    """The files that some input of these stages reads, in the order of models.toml."""
    read: set[str] = set()
    for stage in stages:
        for work in fitness.variants(stage, settings):
            read |= keys.models_of(work).keys()
    return tuple(file for file in models.all_files().values() if file.name in read)


@dataclass(frozen=True)
class Total:
    """Of some files. `exact` is false where a size is only about right, or not known at all."""

    bytes: int
    exact: bool


def total(files: Iterable[ModelFile]) -> Total:
    rows = tuple(files)
    return Total(sum(file.size for file in rows), all(file.bytes for file in rows))


def unpinned(file: ModelFile) -> tuple[str, ...]:
    """What nobody has said of a file, so that nothing checks it: `models pin` finds it out.

    With a hash, the revision does not matter: other content would be refused.
    """
    missing = [name for name in ("bytes", "sha256") if getattr(file, name) is None]
    repository = models.repositories().get(file.repository or "")
    if missing and repository is not None and repository.revision is None:
        missing.append("revision")
    return tuple(missing)


def layers(files: Iterable[ModelFile], most: int) -> tuple[tuple[ModelFile, ...], ...]:
    """The files packed into image layers of at most `most` bytes, the largest first, each where it first fits.

    A file that is larger alone is in none of them: the image fetches it when it starts.
    """
    packed: list[list[ModelFile]] = []
    for file in sorted(files, key=lambda file: -file.size):
        if file.size > most:
            continue
        room = next((layer for layer in packed if total(layer).bytes + file.size <= most), None)
        if room is None:
            packed.append([file])
        else:
            room.append(file)
    return tuple(tuple(layer) for layer in packed)
