"""The table of `models list`, as plain text."""

from collections.abc import Sequence

from models.selection import total, unpinned
from shared import models
from shared.models import ModelFile


def table(files: Sequence[ModelFile]) -> str:
    """One line a file, and the sum."""
    lines = [_line(file) for file in files]
    whole = total(files)
    lines.append(f"{_size(whole.bytes, exact=whole.exact)}  {len(files)} files")
    if loose := sum(bool(unpinned(file)) for file in files):
        lines.append(f"{loose} of them are not fully pinned: run `python -m models pin` where the hub can be reached")
    return "\n".join(lines) + "\n"


def _line(file: ModelFile) -> str:
    repository = models.repositories().get(file.repository or "")
    notes = [f"split from {models.file(file.split_from).name}" if file.split_from else str(file.repository)]
    if repository is not None:
        notes.append(repository.licence + (", gated" if repository.gated else ""))
    if missing := unpinned(file):
        notes.append(f"unpinned: {', '.join(missing)}")
    size = _size(file.size, exact=bool(file.bytes)) if file.size else "         ?"
    return f"{size}  {file.folder}/{file.name}  ({'; '.join(notes)})"


def _size(size: int, *, exact: bool) -> str:
    """Gigabytes are those of the makers of disks: 10^9 bytes."""
    return f"{'' if exact else '~'}{size / 1e9:.3f} GB".rjust(10)
