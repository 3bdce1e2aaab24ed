"""The fenced blocks of the pages for operators, and who has to run each: a test, a test with a cloud, or a person."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGES = tuple(ROOT / "docs" / name for name in ("operations.md", "deploy-vm.md", "deploy-ecs.md"))
_FENCE = re.compile(r"^ *```([^\n]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    page: Path
    info: str
    """What stands behind the fence: language and mark."""
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}: {self.text.strip().splitlines()[0][:60]}"


def blocks(info: str | None = None, pages: tuple[Path, ...] = PAGES) -> list[Block]:
    """All of the pages, or those with this info string."""
    found = [Block(page, info_string, text) for page in pages for info_string, text in _FENCE.findall(page.read_text())]
    return [block for block in found if info in {None, block.info}]


def run(block: Block, folder: Path, variables: Mapping[str, str] | None = None) -> str:
    """Run it in `folder` as a person would in an activated environment, any failure being one of the block's."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text],
        cwd=folder,
        env={
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "NO_PROXY": "127.0.0.1",
            **(variables or {}),
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
    return done.stdout
