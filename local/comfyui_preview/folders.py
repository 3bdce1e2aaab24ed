"""ComfyUI's folders below the base directory, and the rules by which a graph may name a file in them."""

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

FolderType = Literal["output", "input", "temp"]
_ANNOTATION = re.compile(r"^(.*) \[(output|input|temp)\]$")


class OutsideError(ValueError):
    """A name leads out of the folder that it must stay in."""


@dataclass(frozen=True)
class Saved:
    """Where a node may write its next file."""

    folder: Path
    subfolder: str
    stem: str
    counter: int

    def path(self, suffix: str) -> Path:
        return self.folder / f"{self.stem}_{self.counter:05}_{suffix}"


@dataclass(frozen=True)
class Folders:
    base: Path
    embeddings: Path

    def of(self, kind: str) -> Path:
        """KeyError for an unknown kind."""
        return {"output": self.base / "output", "input": self.base / "input", "temp": self.base / "temp"}[kind]

    def create(self) -> None:
        for kind in ("output", "input", "temp"):
            self.of(kind).mkdir(parents=True, exist_ok=True)
        self.embeddings.mkdir(parents=True, exist_ok=True)

    def inside(self, root: Path, *parts: str) -> Path:
        """root/parts; OutsideError when that is not below root."""
        found = root.joinpath(*parts).resolve()
        if not found.is_relative_to(root.resolve()):
            raise OutsideError(f"{'/'.join(parts)} is outside of {root.name}")
        return found

    def annotated(self, name: str) -> Path:
        """The file that `name`, `sub/name` or `name [output]` names (facts/comfyui.md section 4)."""
        match = _ANNOTATION.match(name)
        kind = cast("FolderType", match[2]) if match else "input"
        return self.inside(self.of(kind), match[1] if match else name)

    def inputs(self, *suffixes: str) -> list[str]:
        """The files that lie directly in input/, as the enums of loader nodes list them."""
        return sorted(p.name for p in self.of("input").iterdir() if p.is_file() and p.name.endswith(suffixes))

    def next_output(self, prefix: str, kind: FolderType = "output") -> Saved:
        """The folder and counter for a prefix such as `stage1/video`; the error text is ComfyUI's own."""
        root = self.of(kind).resolve()
        wanted = Path(_dated(prefix))
        folder = (root / wanted.parent).resolve()
        if not folder.is_relative_to(root):
            raise Exception(  # noqa: TRY002  exactly this type is what clients of ComfyUI see
                "**** ERROR: Saving image outside the output folder is not allowed."
                f"\n full_output_folder: {folder}\n         output_dir: {root}"
            )
        folder.mkdir(parents=True, exist_ok=True)
        numbered = re.compile(re.escape(wanted.name) + r"_(\d+)_")
        taken = (numbered.match(path.name) for path in folder.iterdir())
        counter = max((int(match[1]) for match in taken if match), default=0) + 1
        subfolder = "" if wanted.parent == Path() else str(wanted.parent)
        return Saved(folder, subfolder, wanted.name, counter)


def _dated(prefix: str) -> str:
    now = time.localtime()
    words = {"year": now.tm_year, "month": now.tm_mon, "day": now.tm_mday, "hour": now.tm_hour}
    words |= {"minute": now.tm_min, "second": now.tm_sec}
    for word, value in words.items():
        prefix = prefix.replace(f"%{word}%", f"{value:02}")
    return prefix
