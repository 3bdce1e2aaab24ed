"""Writes the tables of docs/scaling.md, from some 100,000 simulated generations (about half a minute).

`--check` fails when one is not what the code says; with it, names of tables (`advice bursts`) are all that is made.
"""

import sys
from pathlib import Path

from scaling.answers import TABLES
from scripts.places import kept, markdown, placed

PAGE = Path("docs/scaling.md")


def written(page: str, names: list[str]) -> str:
    """The page with these tables anew; all of them where none is named."""
    for make in TABLES:
        if not names or make.__name__ in names:
            table = make()
            page = placed(page, table.title, markdown(table.head, *table.rows))
    return page


def main(arguments: list[str]) -> int:
    names = [name for name in arguments if not name.startswith("--")]
    return kept({PAGE: written(PAGE.read_text(), names)}, check="--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
