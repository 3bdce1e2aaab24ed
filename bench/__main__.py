"""`make bench`: measure on this machine, print the table; ARGS="chain" for one of them, ARGS="--write" for the docs."""

import argparse
import asyncio
import hashlib
import os
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import accepts, chain, cold_import, decode_memory, exchange, followers, in_flight, latents, reuse, waste
from bench.rows import Row
from scripts.places import markdown, placed

PAGE = Path("docs/performance.md")
BENCHES: dict[str, Callable[[], list[Row]]] = {
    "cold_import": cold_import.measure,
    "latents": latents.measure,
    "exchange": lambda: asyncio.run(exchange.measure()),
    "chain": lambda: asyncio.run(chain.measure()),
    "accepts": lambda: asyncio.run(accepts.measure()),
    "in_flight": lambda: asyncio.run(in_flight.measure()),
    "followers": lambda: asyncio.run(followers.measure()),
    "reuse": lambda: asyncio.run(reuse.measure()),
    "waste": waste.measure,
    "decode_memory": lambda: asyncio.run(decode_memory.measure()),
}
"""In the order of the table."""
HEAD = ("what", "must reach", "found", "")


def main() -> int:
    """0 whether figures are reached or not: a benchmark tells, it does not judge a busy machine."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("only", nargs="*", metavar="NAME", help=f"some of: {', '.join(BENCHES)}")
    parser.add_argument("--write", action="store_true", help=f"replace the table in {PAGE}; takes all of them")
    arguments = parser.parse_args()
    if unknown := set(arguments.only) - set(BENCHES):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    if arguments.write and arguments.only:
        parser.error("--write replaces the whole table, so it takes no names")
    rows = [row for name in arguments.only or BENCHES for row in BENCHES[name]()]
    machine = _machine()
    table = Table(title=machine)
    for head in HEAD:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*_cells(row))
    Console().print(table)
    details = [row.detail for row in rows if row.detail]
    for detail in details:
        Console().print(detail, markup=False, highlight=False, soft_wrap=True)
    if arguments.write:
        told = "\n\n".join([f"Measured: {machine}, by `make bench ARGS=--write`.", _markdown(rows), *details])
        PAGE.write_text(placed(PAGE.read_text(), "measured", told, task="bench"))
    return 0


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {memory:.0f} GB, Python {platform.python_version()}; "
        f"one core hashes 64 MB (sha256) in {_yardstick() * 1000:.0f} ms"
    )


def _yardstick() -> float:
    """How quick this machine is: the least seconds of a few, by which tables of different machines compare."""
    body, spent = bytes(64_000_000), []
    for _ in range(5):
        began = time.perf_counter()
        hashlib.sha256(body).digest()
        spent.append(time.perf_counter() - began)
    return min(spent)


def _markdown(rows: list[Row]) -> str:
    return markdown(HEAD, *(_cells(row) for row in rows))


def _cells(row: Row) -> tuple[str, str, str, str]:
    return row.what, row.must, row.found, "reached" if row.reached else "missed"


if __name__ == "__main__":
    raise SystemExit(main())
