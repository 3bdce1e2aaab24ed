"""Servers that mean no good, over real sockets, and the names under which the fetcher finds them."""

import asyncio
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.fetcher import Fetcher, FetchSettings

OUTSIDE, INSIDE = "127.0.0.2", "127.0.0.1"
Behaviour = Callable[[str, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """A server on one of the two addresses; remembers what it was asked."""

    address: str
    port: int = 0
    requests: list[str] = field(default_factory=list)

    def url(self, path: str = "/", host: str = "media.example", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


@asynccontextmanager
async def serving(
    behave: Behaviour, address: str = OUTSIDE, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    found = Server(address)
    talking: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talking.add(task)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            found.requests.append(head)
            await behave(head.split()[1], writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the other side has gone, or the test is over
        finally:
            talking.discard(task)
            writer.close()

    server = await asyncio.start_server(talk, address, 0, ssl=tls)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        for task in list(talking):
            task.cancel()
        await asyncio.gather(*talking, return_exceptions=True)
        await server.wait_closed()


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def always(body: bytes) -> Behaviour:
    async def behave(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(body)

    return behave


def redirect(where: str, status: str = "302 Found") -> Behaviour:
    return always(answer(b"", f"Location: {where}", status=status))


def names(**known: str) -> Callable[[str], Awaitable[list[str]]]:
    async def resolver(host: str) -> list[str]:
        if host.replace(".", "_") not in known:
            raise OSError(host)
        return [known[host.replace(".", "_")]]

    return resolver


def fetcher(ssl_context: ssl.SSLContext | None = None, **changes: object) -> Fetcher:
    settings: dict[str, object] = {
        "allow_http": True,
        "allow_any_port": True,
        "allow_networks": [f"{OUTSIDE}/32"],
        "seconds": 10,
    }
    return Fetcher(
        FetchSettings.model_validate({**settings, **changes}),
        resolver=names(media_example=OUTSIDE, inside_example=INSIDE, cdn_example=OUTSIDE),
        ssl_context=ssl_context,
    )


def certificate(name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A self-signed certificate of one name: what the server shows, and what a client needs to trust it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = signed.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return _server_context(pem + private), ssl.create_default_context(cadata=pem.decode())


def _server_context(pem: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # which reads certificates from files only
    with tempfile.NamedTemporaryFile() as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name)
    return context
