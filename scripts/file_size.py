"""Fails when a module has more than 300 lines: then it is two things."""

import subprocess
import sys
from pathlib import Path

LIMIT = 300
KINDS = ("*.py", "*.js", "*.mjs", "*.ts")
NOT_OURS = {"clients/typescript/src/api.ts"}
"""Generated."""


def main() -> int:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *KINDS],
        check=True,
        capture_output=True,
        text=True,
    )
    ours = [Path(name) for name in listed.stdout.split() if name not in NOT_OURS]
    sizes = {path: len(path.read_text().splitlines()) for path in ours if path.exists()}
    long = {path: lines for path, lines in sizes.items() if lines > LIMIT}
    for path, lines in long.items():
        print(f"{path}: {lines} lines, over {LIMIT}")
    middle = sorted(sizes.values())[len(sizes) // 2] if sizes else 0
    print(f"file sizes: {len(sizes)} modules, median {middle} lines, longest {max(sizes.values(), default=0)}")
    return 1 if long else 0


if __name__ == "__main__":
    sys.exit(main())
