"""What the server of the table of hostile URLs answers: too much, too slow, or something else than it says."""

import asyncio
import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from io import BytesIO

from PIL import Image

from tests.integration.fetcher.hostile_servers import Behaviour, always, answer, redirect
from tests.integration.fetcher.hostile_urls import OUT, Row

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
TARGETS = {
    "inside": "http://127.0.0.1:{inside}/",
    "itself": "/to/itself",
    "punycode": "http://xn--:{inside}/",
    "unicode": "http://１２７.０.０.１:{inside}/",  # noqa: RUF001  the trick
    "inside-name": "http://inside.example:{inside}/",
    "flip": "http://flip.example:{inside}/",
    "file": "file:///etc/passwd",
    "gopher": "gopher://127.0.0.1:{inside}/_x",
    "data": "data:image/png;base64,iVBORw0KGgo=",
    "metadata": "http://169.254.169.254/latest/meta-data/",
    "password": "http://user:pass@media.example:{outside}/a",  # pragma: allowlist secret
    "split": "http://media.example:{outside}/%0d%0aX: y\r\n http://127.0.0.1:{inside}/",
}


def picture(kind: str = "PNG", size: tuple[int, int] = (64, 36), mode: str = "RGB") -> bytes:
    file = BytesIO()
    Image.new(mode, size).save(file, kind)
    return file.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_with(*chunks: bytes, size: tuple[int, int] = (64, 36)) -> bytes:
    """A PNG whose header says `size`, with more chunks before its pixels."""
    whole = picture()
    header = chunk(b"IHDR", struct.pack(">II", *size) + whole[24:29])
    return whole[:8] + header + b"".join(chunks) + whole[33:]


def zipped(size: int = 50_000_000) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(size))
    return file.getvalue()


def jpeg_of(width: int, height: int) -> bytes:
    """A JPEG that lies about its size."""
    whole = bytearray(picture("JPEG"))
    at = whole.index(b"\xff\xc0")
    whole[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(whole)


PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:{inside}/seg.ts\n#EXT-X-ENDLIST\n"
SVG = '<svg xmlns="http://www.w3.org/2000/svg"><image href="http://127.0.0.1:{inside}/"/></svg>'
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {inside} RTP/AVP 96\n"
DASH = '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>http://127.0.0.1:{inside}/</BaseURL></MPD>'
BOMB = zlib.compress(bytes(100_000_000), 9)
IMAGES: dict[str, Callable[[], bytes]] = {
    "html": lambda: b"<html><meta http-equiv=refresh content='0;url=http://127.0.0.1/'></html>",
    "svg": SVG.encode,
    "gif": lambda: picture("GIF"),
    "bmp": lambda: picture("BMP"),
    "tiff": lambda: picture("TIFF"),
    "postscript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run\n",
    "pdf-with-jpeg": lambda: b"%PDF-1.4\n" + picture("JPEG"),
    "html-that-begins-as-png": lambda: b"\x89PNG\r\n\x1a\n<script>alert(1)</script>",
    "gif-and-zip": lambda: picture("GIF") + zipped(100),
    "zip": zipped,
    "gzipped-png": lambda: gzip.compress(picture()),
    "text-bomb": lambda: png_with(chunk(b"zTXt", b"a\0\0" + BOMB)),
    "international-text-bomb": lambda: png_with(chunk(b"iTXt", b"a\0\1\0\0\0" + BOMB)),
    "profile-bomb": lambda: png_with(chunk(b"iCCP", b"a\0\0" + BOMB)),
    "cut": lambda: picture()[:60],
}
HUGE: dict[str, Callable[[], bytes]] = {
    "400-megapixels": lambda: picture("PNG", (20_000, 20_000), "1"),
    "a-png-that-claims-exapixels": lambda: png_with(size=(2**31 - 1, 2**31 - 1)),
    "a-jpeg-that-claims-4-gigapixels": lambda: jpeg_of(65_500, 65_500),
    "one-row-of-50-megapixels": lambda: png_with(size=(50_000_000, 1)),
}
VIDEOS: dict[str, str] = {
    "playlist": PLAYLIST,
    "concat": "ffconcat version 1.0\nfile http://127.0.0.1:{inside}/a.mp4\n",
    "session-description": SDP,
    "dash": DASH,
    "playlist-that-begins-as-mp4": "\0\0\0\x18ftypisom\0\0\0\0isommp42" + PLAYLIST,
    "text": "this is a text",
}
WIRE: dict[str, bytes] = {
    "transfer-gzip": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "deflate": answer(BOMB, "Content-Encoding: deflate"),
    "zstd": answer(b"x", "Content-Encoding: zstd"),
    "gzip-twice": answer(b"x", "Content-Encoding: gzip, gzip"),
    "two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "negative-length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx",
    "length-and-chunks": CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n") + b"zz\r\n",
    "chunk-of-exabytes": CHUNKED + b"fffffffffffffff\r\nx",
    "chunk-of-no-size": CHUNKED + b"-1\r\nx",
    "switches-protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    "http-0.9": b"a picture, honestly",
    "choices": answer(b"", "Location: http://127.0.0.1/", status="300 Multiple Choices"),
    "refresh": answer(b"", "Refresh: 0; url=http://127.0.0.1/"),
}


def forever(first: bytes, piece: bytes, pause: float = 0) -> Behaviour:
    async def behave(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return behave


ENDLESS: dict[str, tuple[Behaviour, float, str]] = {
    # behaviour, seconds that the fetch may take, code
    "endless-body": (forever(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536), 20, "input_too_large"),
    "endless-chunks": (forever(CHUNKED, b"1000\r\n" + b"x" * 4096 + b"\r\n"), 20, "input_too_large"),
    "endless-headers": (forever(b"HTTP/1.1 200 OK\r\n", b"X-More: " + b"x" * 1000 + b"\r\n"), 20, "input_unreachable"),
    "endless-hints": (forever(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", 0.001), 0.5, "input_unreachable"),
    "endless-chunk-size": (forever(CHUNKED, b"0" * 1000), 20, "input_unreachable"),
    "a-drip": (forever(b"HTTP/1.1 200 OK\r\n\r\n", b"x", 0.02), 0.5, "input_unreachable"),
    "a-drip-of-headers": (forever(b"HTTP/1.1 200 OK\r\nX: ", b"x", 0.02), 0.5, "input_unreachable"),
    "silence": (forever(b"", b"", 0.05), 0.5, "input_unreachable"),
}

BODIES = [
    *(Row(f"body: {name}", f"{OUT}/image/{name}", "input_not_media") for name in IMAGES),
    *(Row(f"body: {name}", f"{OUT}/image/{name}", "input_too_large") for name in HUGE),
    *(Row(f"body: {name}", f"{OUT}/video/{name}", "input_not_media", video=True) for name in VIDEOS),
    *(Row(f"wire: {name}", f"{OUT}/{name}") for name in WIRE if name not in {"choices", "refresh"}),
    *(Row(f"wire: {name}", f"{OUT}/{name}", code, seconds=seconds) for name, (_, seconds, code) in ENDLESS.items()),
]


def server_of(inside: int, outside: Callable[[], int]) -> Behaviour:
    """Answers every path of the table."""

    async def behave(path: str, writer: asyncio.StreamWriter) -> None:
        await _of_path(path, inside, outside())(path, writer)

    return behave


def _of_path(path: str, inside: int, outside: int) -> Behaviour:
    match path.strip("/").split("/"):
        case ["to", hops, name]:
            target = f"/to/{int(hops) - 1}/{name}" if int(hops) > 1 else f"/to/{name}"
            return redirect(target)
        case ["to", name]:
            return redirect(TARGETS[name].format(inside=inside, outside=outside))
        case ["image", name]:
            return always(answer((IMAGES | HUGE)[name](), "Content-Type: image/png"))
        case ["video", name]:
            return always(answer(VIDEOS[name].replace("{inside}", str(inside)).encode(), "Content-Type: video/mp4"))
        case [name]:
            return ENDLESS[name][0] if name in ENDLESS else always(WIRE[name])
    raise AssertionError(path)
