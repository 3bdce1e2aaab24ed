"""Fails when a Python module has more than 300 lines: then it is two things."""

import subprocess
import sys
from pathlib import Path

LIMIT = 300


def main() -> int:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        check=True,
        capture_output=True,
        text=True,
    )
    sizes = {name: len(Path(name).read_text().splitlines()) for name in listed.stdout.split() if Path(name).exists()}
    long = {name: lines for name, lines in sizes.items() if lines > LIMIT}
    for name, lines in long.items():
        print(f"{name}: {lines} lines, over {LIMIT}")
    middle = sorted(sizes.values())[len(sizes) // 2] if sizes else 0
    print(f"file sizes: {len(sizes)} modules, median {middle} lines, longest {max(sizes.values(), default=0)}")
    return 1 if long else 0


if __name__ == "__main__":
    sys.exit(main())
