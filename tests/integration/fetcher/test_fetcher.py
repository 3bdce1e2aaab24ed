"""The fetcher over real sockets, against servers that mean no good.

127.0.0.2 plays the internet (it alone is allowed), 127.0.0.1 a service inside that nobody may reach.
"""

import asyncio
import hashlib
import logging
from ipaddress import ip_network
from pathlib import Path

import httpx
import pytest

from shared.errors import UserError
from shared.fetcher import Fetcher, FetchSettings
from shared.url_guard import GuardedTransport
from tests.integration.fetcher.hostile_servers import (
    INSIDE,
    OUTSIDE,
    always,
    answer,
    certificate,
    fetcher,
    names,
    redirect,
    serving,
)


async def refusal(url: str, tmp_path: Path, **changes: object) -> UserError:
    """Fetch what must be refused; nothing may stay on the disk."""
    with pytest.raises(UserError) as raised:
        await fetcher(**changes).fetch(url, tmp_path / "file", max_bytes=1000)  # type: ignore[arg-type]
    assert not any(tmp_path.iterdir())  # noqa: ASYNC240  one look
    return raised.value


async def test_a_file_is_fetched(tmp_path: Path) -> None:
    async with serving(always(answer(b"a picture", "Content-Type: image/PNG; x=y"))) as server:
        got = await fetcher().fetch(server.url("/a.png?X-Amz-Signature=s3cr3t"), tmp_path / "file", max_bytes=1000)
    assert (got.path, got.bytes, got.media_type) == (tmp_path / "file", 9, "image/png")
    assert got.sha256 == hashlib.sha256(b"a picture").hexdigest()
    assert got.path.read_bytes() == b"a picture"
    assert f"host: media.example:{server.port}" in server.requests[0].lower()
    assert server.requests[0].startswith("GET /a.png?X-Amz-Signature=s3cr3t ")


async def test_a_chunked_body_of_the_largest_size(tmp_path: Path) -> None:
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"64\r\n" + b"x" * 100 + b"\r\n"
    chunks += b"384\r\n" + b"y" * 900 + b"\r\n0\r\n\r\n"
    async with serving(always(chunks)) as server:
        got = await fetcher().fetch(server.url(), tmp_path / "file", max_bytes=1000)
    assert (got.bytes, got.media_type) == (1000, "application/octet-stream")


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_a_redirect_is_followed(tmp_path: Path, status: str) -> None:
    async with serving(always(answer(b"there"))) as second:
        async with serving(redirect(second.url(host="cdn.example"), status)) as first:
            got = await fetcher().fetch(first.url(), tmp_path / "file", max_bytes=1000)
        assert got.bytes == 5
        assert f"host: cdn.example:{second.port}" in second.requests[0].lower()


@pytest.mark.parametrize(
    "target",
    [
        "http://inside.example:{port}/",
        "http://127.0.0.1:{port}/",
        "http://127.1:{port}/",
        "http://2130706433:{port}/",
        "http://0x7f000001:{port}/",
        "http://017700000001:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://0:{port}/",
        "//127.0.0.1:{port}/",
        "http://media.example@127.0.0.1:{port}/",
        "http://user:pass@media.example:{port}/",  # pragma: allowlist secret
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/latest/meta-data/",
        "file:///etc/passwd",
        "ftp://media.example/",
        "gopher://127.0.0.1:{port}/_x",
        "http://nowhere.example/",
    ],
)
async def test_a_redirect_to_the_inside_is_refused(tmp_path: Path, target: str) -> None:
    async with serving(always(answer(b"inside")), INSIDE) as inside:
        async with serving(redirect(target.format(port=inside.port))) as outside:
            error = await refusal(outside.url(), tmp_path)
        assert inside.requests == []
    assert error.code == "input_unreachable"


async def test_the_inside_is_refused_at_once(tmp_path: Path) -> None:
    async with serving(always(answer(b"inside")), INSIDE) as inside:
        for host in ("inside.example", INSIDE, "127.1", "localhost.", "2130706433"):
            assert (await refusal(inside.url(host=host), tmp_path)).code == "input_unreachable"
        assert inside.requests == []


async def test_a_redirect_from_https_to_http_is_refused(tmp_path: Path) -> None:
    tls, trust = certificate("media.example")
    async with serving(always(answer(b"plain"))) as plain, serving(redirect(plain.url()), tls=tls) as secure:
        error = await refusal(secure.url(scheme="https"), tmp_path, ssl_context=trust, allow_http=False)
        assert plain.requests == []
    assert "only https" in error.message


async def test_a_name_that_changes_after_the_check_changes_nothing(tmp_path: Path) -> None:
    """DNS rebinding: the resolver is asked once for a request, and the connection goes where it said then."""
    asked: list[str] = []

    async def rebinding(host: str) -> list[str]:
        asked.append(host)
        return [OUTSIDE if len(asked) == 1 else INSIDE]

    settings = FetchSettings.model_validate(
        {"allow_http": True, "allow_any_port": True, "allow_networks": [f"{OUTSIDE}/32"]}
    )
    async with serving(always(answer(b"out"))) as server:
        got = await Fetcher(settings, resolver=rebinding).fetch(server.url(), tmp_path / "f", max_bytes=10)
        assert (got.bytes, asked) == (3, ["media.example"])
        with pytest.raises(UserError, match="not public"):
            await Fetcher(settings, resolver=rebinding).fetch(server.url(), tmp_path / "f", max_bytes=10)


async def test_a_redirect_loop_ends(tmp_path: Path) -> None:
    async with serving(redirect("/again")) as server:
        error = await refusal(server.url(), tmp_path)
        assert len(server.requests) == 4
    assert "redirects more than 3 times" in error.message


async def test_a_slow_body_meets_the_deadline(tmp_path: Path) -> None:
    async def behave(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx")
        await asyncio.Event().wait()

    async with serving(behave) as server:
        assert "took more than 0.3 s" in (await refusal(server.url(), tmp_path, seconds=0.3)).message
        error = await refusal(server.url(), tmp_path, silence_seconds=0.2)
    assert "did not answer in time" in error.message


async def test_a_server_that_drips_is_not_waited_for(tmp_path: Path) -> None:
    async def behave(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:  # never silent, never done
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with serving(behave) as server:
        error = await refusal(server.url(), tmp_path, seconds=0.5, silence_seconds=0.3)
    assert "took more than 0.5 s" in error.message


async def test_silence_before_the_answer(tmp_path: Path) -> None:
    async def behave(_: str, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with serving(behave) as server:
        assert (await refusal(server.url(), tmp_path, silence_seconds=0.2)).code == "input_unreachable"


async def test_an_endless_body_is_cut(tmp_path: Path) -> None:
    async def behave(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async with serving(behave) as server:
        assert (await refusal(server.url(), tmp_path)).code == "input_too_large"


@pytest.mark.parametrize(
    ("sent", "code", "says"),
    [
        (answer(b"x" * 1001), "input_too_large", "more than 0.001 MB"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n", "input_too_large", "smaller one"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001, "input_too_large", "smaller one"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "input_unreachable", "cannot be reached"),
        (answer(b"\x1f\x8b", "Content-Encoding: gzip"), "input_unreachable", "compressed"),
        (answer(b"x", "Content-Encoding: br"), "input_unreachable", "compressed"),
        (answer(b""), "input_unreachable", "empty file"),
        (answer(b"no", status="404 Not Found"), "input_unreachable", "answered 404"),
        (answer(b"no", status="403 Forbidden"), "input_unreachable", "answered 403"),
        (answer(b"no", status="500 Oops"), "input_unreachable", "answered 500"),
        (answer(b"no", status="206 Partial Content"), "input_unreachable", "answered 206"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "input_unreachable", "answered 204"),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", "input_unreachable", "answered 302"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "input_unreachable", "cannot be reached"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n", "input_unreachable", "cannot be reached"),
        (b"", "input_unreachable", "cannot be reached"),
    ],
    ids=[
        *("one byte more", "claims terabytes", "more without a length", "less than claimed", "gzip", "brotli"),
        *("empty", "404", "403", "500", "206", "204", "redirect to nowhere", "ssh", "huge header", "hangs up"),
    ],
)
async def test_answers_that_are_refused(tmp_path: Path, sent: bytes, code: str, says: str) -> None:
    async with serving(always(sent)) as server:
        error = await refusal(server.url("/a?X-Amz-Signature=s3cr3t"), tmp_path)
    assert error.code == code
    assert says in error.message
    assert "s3cr3t" not in repr(error.body())


async def test_nobody_listens(tmp_path: Path) -> None:
    async with serving(always(b"")) as server:
        gone = server.url("/a?X-Amz-Signature=s3cr3t")
    error = await refusal(gone, tmp_path)
    assert error.message.startswith("media.example cannot be reached (ConnectError)")
    assert "s3cr3t" not in str(error)


async def test_secrets_of_urls_stay_out_of_logs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        serving(always(answer(b"there"))) as second,
        serving(redirect(second.url("/b?X-Amz-Signature=s3cr3t"))) as first,
    ):
        await fetcher().fetch(first.url("/a?X-Amz-Signature=s3cr3t"), tmp_path / "file", max_bytes=1000)
    assert "s3cr3t" not in caplog.text


async def test_tls_speaks_of_the_name_although_we_connect_to_the_address(tmp_path: Path) -> None:
    tls, trust = certificate("media.example")
    asked: list[str | None] = []
    tls.sni_callback = lambda _socket, name, _context: asked.append(name)
    async with serving(always(answer(b"secure")), tls=tls) as server:
        url = server.url(scheme="https")
        got = await fetcher(trust, allow_http=False).fetch(url, tmp_path / "file", max_bytes=1000)
    assert (got.bytes, asked) == (6, ["media.example"])


async def test_a_certificate_of_another_name_is_refused(tmp_path: Path) -> None:
    tls, trust = certificate("other.example")
    async with serving(always(answer(b"secure")), tls=tls) as server:
        error = await refusal(server.url(scheme="https"), tmp_path, ssl_context=trust)
        assert server.requests == []
    assert "cannot be reached (ConnectError)" in error.message


async def test_a_certificate_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    tls, _ = certificate("media.example")
    async with serving(always(answer(b"secure")), tls=tls) as server:
        await refusal(server.url(scheme="https"), tmp_path)
        assert server.requests == []


async def test_the_next_address_is_tried_when_one_is_dead(tmp_path: Path) -> None:
    async def two(_: str) -> list[str]:
        return ["127.0.0.3", OUTSIDE]

    settings = FetchSettings.model_validate(
        {"allow_http": True, "allow_any_port": True, "allow_networks": ["127.0.0.2/31"]}
    )
    async with serving(always(answer(b"second"))) as server:
        got = await Fetcher(settings, resolver=two).fetch(server.url(), tmp_path / "f", max_bytes=10)
    assert got.bytes == 6


async def test_the_same_guard_serves_outgoing_posts() -> None:
    policy = FetchSettings.model_validate(
        {"allow_http": True, "allow_any_port": True, "allow_networks": [ip_network(f"{OUTSIDE}/32")]}
    ).policy
    resolver = names(media_example=OUTSIDE, inside_example=INSIDE)
    async with (
        serving(always(answer(b"ok"))) as server,
        httpx.AsyncClient(transport=GuardedTransport(policy, resolver=resolver), trust_env=False) as client,
    ):
        sent = await client.post(server.url("/hook"), json={"type": "generation.succeeded"})
        assert (sent.status_code, server.requests[0].split()[0]) == (200, "POST")
        with pytest.raises(UserError, match="not public"):
            await client.post(server.url("/hook", host="inside.example"), json={})
        assert len(server.requests) == 1


async def test_the_real_resolver_is_the_default(tmp_path: Path) -> None:
    async with serving(always(answer(b"inside")), INSIDE) as inside:
        settings = FetchSettings.model_validate({"allow_http": True, "allow_any_port": True})
        with pytest.raises(UserError, match="not public"):
            await Fetcher(settings).fetch(inside.url(host="localhost"), tmp_path / "f", max_bytes=10)
        local = settings.model_copy(update={"allow_networks": (ip_network("127.0.0.0/8"), ip_network("::1/128"))})
        got = await Fetcher(local).fetch(inside.url(host="localhost"), tmp_path / "f", max_bytes=10)
    assert got.bytes == 6
