"""Servers that lie, break, crawl and change their mind, while a file comes from them."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from models.answers import Seen
from models.fetch import fetch
from models.part import Part
from models.progress import Bars, Lines
from shared.errors import FatalError, TransientError
from tests.integration.models import rows
from tests.integration.models.weight_server import GOOD, Manner, WeightServer

BODY = rows.content()
FILE = rows.pinned(BODY)
PATH = rows.on_hub(FILE)
OTHER = rows.content(seed=2)


@pytest.fixture
def bring(server: WeightServer, root: Path, tmp_path: Path) -> Callable[..., bytes]:
    def run(*manners: Manner, always: Manner = GOOD, **over: object) -> bytes:
        server.put(PATH, BODY, *manners, always=always)
        fetch([FILE], root, rows.settings(server, tmp_path, **over), rows.progress())
        assert rows.litter(root) == []
        return rows.at(root, FILE).read_bytes()

    return run


@pytest.mark.parametrize(
    "manners",
    [
        [GOOD, Manner(cut=1000), Manner(cut=30_000), Manner(cut=1)],
        [Manner(status=503), Manner(status=502), GOOD, Manner(status=500), Manner(status=429)],
        [GOOD, Manner(cut=0), Manner(cut=0)],
        [GOOD, Manner(surplus=b"more than was asked for")],
    ],
    ids=["truncated", "5xx", "nothing sent", "too much sent"],
)
def test_what_breaks_goes_on_where_it_broke(bring: Callable[..., bytes], manners: list[Manner]) -> None:
    assert bring(*manners) == BODY


def test_a_server_that_always_truncates_still_gives_the_file(bring: Callable[..., bytes], server: WeightServer) -> None:
    """Every byte that comes starts the count of failures anew; no byte is asked for twice."""
    assert bring(GOOD, always=Manner(cut=10_000)) == BODY
    starts = server.starts(PATH)
    assert len(starts) == len(set(starts)) > len(BODY) / 10_000


def test_retry_after_is_kept_up_to_our_own_limit(bring: Callable[..., bytes], server: WeightServer) -> None:
    busy = Manner(status=429, headers=(("Retry-After", "3600"),))
    began = time.monotonic()
    assert bring(busy, wait_seconds_max=0.5) == BODY
    assert time.monotonic() - began >= 0.5
    assert len([row for row in server.asked if row.range == "bytes=0-0"]) == 3  # refused, told, asked by the download


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_is_down_for_good_is_the_network_s_fault(
    bring: Callable[..., bytes], server: WeightServer, status: int
) -> None:
    with pytest.raises(TransientError, match=f"answered {status}"):
        bring(always=Manner(status=status))
    assert len(server.asked) == 4, "as many tries as the settings say"


def test_nobody_listens(server: WeightServer, root: Path, tmp_path: Path) -> None:
    settings = rows.settings(server, tmp_path, hub="http://127.0.0.1:9")
    with pytest.raises(TransientError, match="ConnectError"):
        fetch([FILE], root, settings, rows.progress())


@pytest.mark.parametrize("crawl", [Manner(trickle=True), Manner(hold=True)], ids=["trickle", "hold"])
def test_a_connection_that_crawls_is_given_up_for_another(bring: Callable[..., bytes], crawl: Manner) -> None:
    assert bring(GOOD, GOOD, crawl, slow_seconds=0.3, silence_seconds=0.5) == BODY


def test_the_whole_takes_only_so_long(bring: Callable[..., bytes], root: Path) -> None:
    with pytest.raises(TransientError, match="fetching took more than 1 s; start it again, it goes on"):
        bring(GOOD, always=Manner(trickle=True), seconds=1, slow_seconds=60)
    assert not rows.at(root, FILE).exists()


def test_a_server_without_ranges_gives_it_in_one_answer(bring: Callable[..., bytes], server: WeightServer) -> None:
    plain = Manner(ranges=False)
    assert bring(plain, plain, Manner(ranges=False, cut=100_000), always=plain) == BODY
    assert len(server.asked) == 4  # told, asked by the download, truncated, whole


@pytest.mark.parametrize(
    "change",
    [
        Manner(content=OTHER),
        Manner(etag="another"),
        Manner(ranges=False),
        Manner(whole=len(BODY) + 1),
        Manner(shift=-7),
    ],
    ids=["other content", "other etag", "ranges gone", "other length", "other range"],
)
def test_a_file_that_changes_in_mid_way_is_begun_anew(bring: Callable[..., bytes], change: Manner) -> None:
    assert bring(GOOD, GOOD, GOOD, GOOD, change) == BODY


def test_halves_of_two_contents_are_never_put_together(server: WeightServer, root: Path, tmp_path: Path) -> None:
    """Even where no hash is known, and both have the same length and the same header."""
    loose = rows.row()
    server.put(PATH, BODY, *[GOOD] * 5, always=Manner(content=OTHER))
    fetch([loose], root, rows.settings(server, tmp_path), rows.progress())
    assert rows.at(root, loose).read_bytes() == OTHER


def test_a_file_that_never_stays_the_same_is_given_up(bring: Callable[..., bytes], root: Path) -> None:
    with pytest.raises(FatalError, match=r"its ETag is another one.*3 times"):
        bring(*[Manner(etag=str(number)) for number in range(200)])
    assert not rows.at(root, FILE).exists()


def test_wrong_bytes_never_reach_their_place(bring: Callable[..., bytes], server: WeightServer, root: Path) -> None:
    with pytest.raises(FatalError, match=r"its sha256 is [0-9a-f]{64} instead of") as told:
        bring(always=Manner(content=OTHER))
    assert told.value.detail["reason"] == "wrong_bytes"
    assert not rows.at(root, FILE).exists()
    assert rows.litter(root) == []
    whole = len(range(0, len(BODY), rows.SEGMENT))
    assert len(server.starts(PATH)) == 3 * whole, "wrong bytes are not resumed"


@pytest.mark.parametrize("ranges", [True, False])
def test_the_bars_end_where_the_file_does_whatever_came_twice(
    server: WeightServer, root: Path, tmp_path: Path, *, ranges: bool
) -> None:
    server.put(
        PATH, BODY, *[Manner(ranges=ranges)] * 2, Manner(ranges=ranges, cut=50_000), always=Manner(ranges=ranges)
    )
    bars = Bars()
    fetch([FILE], root, rows.settings(server, tmp_path), bars)
    (task,) = bars._bars.tasks
    assert (task.description, task.completed, task.total) == (FILE.name, len(BODY), len(BODY))
    assert task.finished


class FullDisk(Lines):
    """From the first byte on: /dev/full stands where the part is to be written."""

    def __init__(self, target: Path) -> None:
        super().__init__()
        self._target = target

    def begin(self, name: str, size: int, done: int) -> None:
        super().begin(name, size, done)
        seen = Seen(len(BODY), hashlib.md5(BODY, usedforsecurity=False).hexdigest(), None, ranges=True)
        Part(self._target, seen, rows.SEGMENT).path.symlink_to("/dev/full")


def test_a_disk_that_fills_up_in_mid_way_is_told(server: WeightServer, root: Path, tmp_path: Path) -> None:
    """Others write to a volume, too, after the room was measured."""
    server.put(PATH, BODY)
    with pytest.raises(FatalError, match=r"the disk of .* is full; free some, start again: it goes on"):
        fetch([FILE], root, rows.settings(server, tmp_path), FullDisk(rows.at(root, FILE)))
    assert not rows.at(root, FILE).exists()


@pytest.mark.parametrize("status", [400, 403, 404, 410, 451])
def test_a_plain_no_is_not_asked_again(bring: Callable[..., bytes], server: WeightServer, status: int) -> None:
    with pytest.raises(FatalError, match=r"Lightricks/LTX-2/a\.safetensors"):
        bring(always=Manner(status=status))
    assert len(server.asked) == 1


def test_a_redirect_that_never_ends_is_a_no(bring: Callable[..., bytes]) -> None:
    with pytest.raises(FatalError, match="TooManyRedirects"):
        bring(always=Manner(status=302, headers=(("Location", PATH),)))


def test_a_compressed_answer_is_refused(bring: Callable[..., bytes]) -> None:
    with pytest.raises(FatalError, match="compressed"):
        bring(always=Manner(headers=(("Content-Encoding", "gzip"),)))
