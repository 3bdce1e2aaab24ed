"""Every URL of the table is refused for its own reason, and nothing inside hears of it."""

from collections import Counter
from pathlib import Path

import pytest
from pydantic import HttpUrl, TypeAdapter, ValidationError

from shared.errors import UserError
from shared.fetcher import Fetcher, FetchSettings
from shared.media import check_image, check_video, normalise_image
from tests.integration.fetcher import hostile_urls as table
from tests.integration.fetcher.hostile_bodies import BODIES, picture, server_of, zipped
from tests.integration.fetcher.hostile_resolver import resolver
from tests.integration.fetcher.hostile_servers import INSIDE, OUTSIDE, Server, always, answer, serving
from tests.integration.fetcher.hostile_urls import Row

TABLE = [
    *table.SCHEMES,
    *table.PORTS,
    *table.USERINFO,
    *table.SPELLINGS,
    *table.METADATA,
    *table.V6,
    *table.UNICODE,
    *table.NAMES,
    *table.REDIRECTS,
    *BODIES,
]
MAX_BYTES = 2_000_000
LOCAL = {"allow_http": True, "allow_any_port": True, "allow_networks": [f"{OUTSIDE}/32"]}
URL = TypeAdapter(HttpUrl)


async def received(row: Row, url: str, path: Path) -> None:
    """As the orchestrator takes a URL: fetch it, then decode it to know what it is."""
    settings = FetchSettings.model_validate({"seconds": row.seconds, **({} if row.production else LOCAL)})
    await Fetcher(settings, resolver=resolver()).fetch(url, path, max_bytes=MAX_BYTES)
    if row.video:
        await check_video(path)
    else:
        check_image(path)


def spellings(url: str) -> set[str]:
    """The URL as it was sent, and as the request's own parser hands it on: two parsers must not disagree."""
    try:
        return {url, str(URL.validate_python(url))}
    except ValidationError:
        return {url}


@pytest.mark.parametrize("row", TABLE, ids=[row.name for row in TABLE])
async def test_a_hostile_url_is_refused(row: Row, tmp_path: Path) -> None:
    asked: list[Server] = []
    async with (
        serving(always(answer(b"inside")), INSIDE) as inside,
        serving(server_of(inside.port, lambda: asked[0].port)) as outside,
    ):
        asked.append(outside)
        for url in spellings(row.url.format(inside=inside.port, outside=outside.port)):
            with pytest.raises(UserError) as raised:
                await received(row, url, tmp_path / "file")
            assert raised.value.code == row.code, raised.value
            (tmp_path / "file").unlink(missing_ok=True)
            assert not any(tmp_path.iterdir())  # noqa: ASYNC240  one look
            assert all(text not in str(raised.value) for text in (INSIDE, "pass@", "Traceback"))
        assert inside.requests == []
        if row.production:
            assert outside.requests == []


def test_the_table_is_as_long_as_promised() -> None:
    assert len({row.url for row in TABLE}) == len(TABLE) >= 60
    groups = Counter(row.name.partition(":")[0] for row in TABLE)
    assert set(groups) == {
        *("scheme", "port", "user", "spelling", "metadata", "v6", "unicode", "DNS", "redirect", "body", "wire")
    }
    assert min(groups.values()) >= 5


async def test_the_same_server_serves_an_honest_picture(tmp_path: Path) -> None:
    """So that the table does not pass because nothing works."""
    async with serving(always(answer(picture(), "Content-Type: image/png"))) as outside:
        for host in ("media.example", "MEDIA.example", "media.example.", OUTSIDE):
            url = f"http://{host}:{outside.port}/a.png"
            await received(Row("honest", url), url, tmp_path / "file")
        assert len(outside.requests) == 4


@pytest.mark.parametrize("tail", [b"<script>alert(1)</script>", zipped(100), b"#!/bin/sh\nid\n"])
def test_what_hides_behind_a_picture_goes_no_further(tmp_path: Path, tail: bytes) -> None:
    """A polyglot that is a true PNG is taken as one; what the engine gets is painted anew from its pixels."""
    source, target = tmp_path / "polyglot.png", tmp_path / "clean.png"
    source.write_bytes(picture() + tail)
    assert check_image(source).media_type == "image/png"
    normalise_image(source, target, delivered=(64, 36), generated=(64, 36))
    assert tail not in target.read_bytes()
