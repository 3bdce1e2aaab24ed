"""Fetching as real processes: killed in mid-way, and two at once into one volume."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.answers import Seen
from models.fetch import fetch
from models.part import Part
from shared.models import ModelFile
from tests.integration.models import rows
from tests.integration.models.weight_server import GOOD, Manner, WeightServer
from tests.waiting import wait_for

BODY = rows.content(2_000_000)
FILE = rows.pinned(BODY)
PATH = rows.on_hub(FILE)
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(server: WeightServer, root: Path, tmp_path: Path) -> Iterator[Start]:
    running: list[subprocess.Popen[bytes]] = []

    def run(*files: ModelFile, **over: object) -> subprocess.Popen[bytes]:
        settings = rows.settings(server, tmp_path, silence_seconds=60, slow_seconds=60, **over)
        said = {
            "root": str(root),
            "files": [file.model_dump() for file in files],
            "settings": settings.model_dump(mode="json", exclude_none=True),
        }
        process = subprocess.Popen([sys.executable, "-m", "tests.integration.models.fetching", json.dumps(said)])
        running.append(process)
        return process

    yield run
    for process in running:
        process.kill()
        process.wait(30)


def journal(root: Path) -> list[int]:
    found = list((root / FILE.folder).glob(".*.done"))
    return [int(line) for line in found[0].read_text().splitlines()] if found else []


def test_after_kill_9_only_what_is_missing_comes(
    server: WeightServer, start: Start, root: Path, tmp_path: Path
) -> None:
    server.put(PATH, BODY, *[GOOD] * 10, always=Manner(hold=True))
    process = start(FILE, connections=2)
    wait_for(lambda: len(journal(root)) >= 6)
    process.kill()
    process.wait(30)
    assert not rows.at(root, FILE).exists(), "half a file never stands in its place"
    assert {path.suffix for path in root.rglob(".*") if path.is_file()} == {".part", ".done", ".lock"}
    done = journal(root)

    server.put(PATH, BODY)
    server.asked.clear()
    fetch([FILE], root, rows.settings(server, tmp_path), rows.progress())
    assert rows.at(root, FILE).read_bytes() == BODY
    every = range(0, len(BODY), rows.SEGMENT)
    assert sorted(server.starts(PATH)) == [at for at in every if at // rows.SEGMENT not in done]
    assert rows.litter(root) == []


def test_what_was_begun_of_another_content_is_not_gone_on_with(
    server: WeightServer, start: Start, root: Path, tmp_path: Path
) -> None:
    server.put(PATH, BODY, *[GOOD] * 6, always=Manner(hold=True))
    process = start(rows.row(), connections=2)
    wait_for(lambda: len(journal(root)) >= 2)
    process.kill()
    process.wait(30)

    other = rows.content(2_000_000, seed=9)
    server.put(PATH, other)
    fetch([rows.row()], root, rows.settings(server, tmp_path), rows.progress())
    assert rows.at(root, FILE).read_bytes() == other


def test_two_processes_into_one_volume_fetch_it_once(server: WeightServer, start: Start, root: Path) -> None:
    server.put(PATH, BODY, *[GOOD] * 8, always=Manner(hold=True))
    first = start(FILE, connections=2)
    wait_for(lambda: len(journal(root)) >= 2)
    second = start(FILE, connections=2)
    wait_for(lambda: len([row for row in server.asked if row.range == "bytes=0-0"]) >= 3)  # the second has looked, too
    server.put(PATH, BODY)
    server.go.set()  # what was held ends short, and is asked for again
    assert (first.wait(60), second.wait(60)) == (0, 0)
    assert rows.at(root, FILE).read_bytes() == BODY
    whole_segments = [at for at in server.starts(PATH) if at % rows.SEGMENT == 0]
    assert len(whole_segments) == len(set(whole_segments)), "a segment came twice"
    assert rows.litter(root) == []


def test_the_one_that_waits_takes_over_when_the_other_is_killed(server: WeightServer, start: Start, root: Path) -> None:
    server.put(PATH, BODY, *[GOOD] * 6, always=Manner(hold=True))
    first = start(FILE, connections=2)
    wait_for(lambda: len(journal(root)) >= 2)
    second = start(FILE, connections=2)
    wait_for(lambda: len([row for row in server.asked if row.range == "bytes=0-0"]) >= 3)
    server.put(PATH, BODY)
    first.kill()
    assert second.wait(60) == 0
    assert rows.at(root, FILE).read_bytes() == BODY


def test_a_torn_journal_costs_no_more_than_its_last_segments(server: WeightServer, root: Path, tmp_path: Path) -> None:
    """As a full disk or a dying machine leaves one: torn lines, and numbers that no segment has."""
    server.put(PATH, BODY)
    seen = Seen(len(BODY), hashlib.md5(BODY, usedforsecurity=False).hexdigest(), None, ranges=True)
    rows.at(root, FILE).parent.mkdir(parents=True)
    part = Part(rows.at(root, FILE), seen, rows.SEGMENT)
    with part.opened() as descriptor:
        part.sink(descriptor, 0)(BODY[: 2 * rows.SEGMENT])
    for segment in part.missing()[:2]:
        part.done(segment)
    with next(root.rglob("*.done")).open("ab") as journal_file:
        journal_file.write(b"000000" + b"00000002\n99999999\n\xff\n0000")
    fetch([FILE], root, rows.settings(server, tmp_path), rows.progress())
    assert rows.at(root, FILE).read_bytes() == BODY
    assert sorted(server.starts(PATH)) == [at for at in range(0, len(BODY), rows.SEGMENT) if at >= 2 * rows.SEGMENT]
