"""The places of a page that a command fills in: between a comment with their name and `<!-- end -->`."""

from collections.abc import Sequence


def placed(page: str, name: str, table: str) -> str:
    """The page with that table anew. ValueError: it has no such place."""
    begin, end = f"<!-- made by `make docs`: {name} -->\n", "<!-- end -->"
    before, found, after = page.partition(begin)
    _, ended, rest = after.partition(end)
    if not (found and ended):
        raise ValueError(f"the page has no place for the table of {name}")
    return f"{before}{begin}{table}\n{end}{rest}"


def markdown(*lines: Sequence[str]) -> str:
    """A table; the first line is its head."""
    head, *rows = (f"| {' | '.join(line)} |" for line in lines)
    return "\n".join([head, "|---" * len(lines[0]) + "|", *rows])
