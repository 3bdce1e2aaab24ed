"""`make bench`: measure on this machine, print the table; with ARGS="--write", also into docs/performance.md."""

import argparse
import asyncio
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import cold_import, exchange, hop
from bench.rows import Row

PAGE = Path("docs/performance.md")
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def main() -> int:
    """0 whether figures are reached or not: a benchmark tells, it does not judge a busy machine."""
    arguments = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    arguments.add_argument("--write", action="store_true", help=f"replace the table in {PAGE}")
    write = arguments.parse_args().write
    rows = [*cold_import.measure(), *asyncio.run(exchange.measure()), *asyncio.run(hop.measure())]
    table = Table(title=_machine())
    for head in ("what", "must reach", "found", ""):
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(row.what, row.must, row.found, "reached" if row.reached else "missed")
    Console().print(table)
    if write:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text(f"{before}{BEGIN}\n{_markdown(rows)}\n{END}{after}")
    return 0


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {memory:.0f} GB, Python {platform.python_version()}"


def _markdown(rows: list[Row]) -> str:
    lines = [f"Measured: {_machine()}, by `make bench ARGS=--write`.", "", "| what | must reach | found | |"]
    lines += ["|---|---|---|---|"]
    lines += [f"| {row.what} | {row.must} | {row.found} | {'reached' if row.reached else 'missed'} |" for row in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
