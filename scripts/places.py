"""Files that a command makes, whole or in the places of a page between a comment with their name and `<!-- end -->`."""

from collections.abc import Mapping, Sequence
from pathlib import Path


def placed(page: str, name: str, table: str, *, task: str = "docs") -> str:
    """The page with that table anew. ValueError: it has no such place."""
    begin, end = f"<!-- made by `make {task}`: {name} -->\n", "<!-- end -->"
    before, found, after = page.partition(begin)
    _, ended, rest = after.partition(end)
    if not (found and ended):
        raise ValueError(f"the page has no place for the table of {name}")
    return f"{before}{begin}{table}\n{end}{rest}"


def markdown(*lines: Sequence[str]) -> str:
    """A table; the first line is its head."""
    head, *rows = (f"| {' | '.join(line)} |" for line in lines)
    return "\n".join([head, "|---" * len(lines[0]) + "|", *rows])


def kept(texts: Mapping[Path, str], *, check: bool) -> int:
    """Write the files that do not hold their text. With `check` only tell which: 1 when there is one."""
    old = [path for path, text in texts.items() if not path.exists() or path.read_text() != text]
    for path in old:
        if check:
            print(f"{path} is old; run `make docs`")
        else:
            path.write_text(texts[path])
    return 1 if check and old else 0
