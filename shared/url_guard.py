"""The guard for every URL that a user gave us: inputs that we fetch, webhooks that we send.

`GuardedTransport` judges each request that passes through it, so redirects too: the shape of the URL, then every
address that its host has, and then it connects to just these addresses. A name that is public when we look and
private when we connect (DNS rebinding) gets nothing: between looking and connecting nobody asks the DNS again.
"""

import asyncio
import logging
import re
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import httpx

from shared.errors import UserError
from shared.tls import trusted

Address = IPv4Address | IPv6Address
Resolver = Callable[[str], Awaitable[list[str]]]
"""Host name -> its addresses; OSError when it has none."""

RESOLVE_SECONDS = 5.0
MAX_URL = 2048  # characters, as much as browsers and servers agree on
TRIED = 4  # addresses of one host that we connect to before giving up
PORTS = {None, 80, 443}

HOST = re.compile(rb"[a-zA-Z0-9._-]+|[0-9a-fA-F:.]+")  # after IDNA: a name, or an address without a zone

NAT64 = ip_network("64:ff9b::/96")
NEVER = tuple(
    ip_network(text)
    for text in (
        "168.63.129.16/32",  # public by its looks, the host's own services inside Azure
        "192.0.0.0/24",  # Oracle Cloud's metadata; older Pythons think most of it global, as the next ones
        "192.88.99.0/24",
        "64:ff9b:1::/48",
        "2001::/23",
        "3fff::/20",
        "5f00::/16",
        "fec0::/10",
    )
)

for _name in ("httpx", "httpcore"):
    # they log whole URLs, with the signatures of presigned ones, which must never reach logs
    logging.getLogger(_name).setLevel(logging.WARNING)


@dataclass(frozen=True)
class UrlPolicy:
    """What may be asked for. The defaults are those of production."""

    allow_http: bool = False
    allow_any_port: bool = False
    allow_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Private networks that are reached all the same: 127.0.0.0/8 in the local cloud."""


async def system_resolver(host: str) -> list[str]:
    """What this machine's resolver says, best address first."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def refused(why: str) -> UserError:
    return UserError("input_unreachable", why)


def check_url(url: str | httpx.URL, policy: UrlPolicy) -> httpx.URL:
    """The parsed URL if its shape is allowed, without asking the DNS; UserError input_unreachable."""
    if len(str(url)) > MAX_URL:
        raise refused(f"the URL is longer than {MAX_URL} characters")
    try:
        parsed = httpx.URL(url)
        _ = parsed.host  # decodes punycode, which may be none: everybody below asks for it without expecting that
    except (httpx.InvalidURL, ValueError) as error:
        raise refused("this is not a URL; send one that starts with https://") from error
    if parsed.scheme != "https" and not (policy.allow_http and parsed.scheme == "http"):
        raise refused("only https:// URLs are fetched")
    if not HOST.fullmatch(parsed.raw_host):
        raise refused("the URL names no host")
    if parsed.userinfo:
        raise refused("the URL holds a user name or password; send one without, for example a presigned URL")
    if parsed.port not in PORTS and not policy.allow_any_port:
        raise refused("only the ports 80 and 443 are reached; leave the port out of the URL")
    return parsed


def is_public(address: Address, policy: UrlPolicy) -> bool:
    """Whether an address is one of the internet, and so is any IPv4 address that hides in it."""
    if any(address.version == network.version and address in network for network in policy.allow_networks):
        return True
    if isinstance(address, IPv6Address):
        if address in NAT64:  # networks without IPv4 reach every IPv4 host under such an address
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF), policy)
        hidden = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if any(inner is not None and not is_public(inner, policy) for inner in hidden):
            return False
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address.version == network.version and address in network for network in NEVER)
    )


async def addresses_of(url: httpx.URL, policy: UrlPolicy, resolver: Resolver) -> list[Address]:
    """Where to connect to; UserError input_unreachable when one of them is not public.

    One bad address condemns all: an honest host has none.
    """
    found = await _found(url, resolver)
    if not found:
        raise refused("the host of the URL cannot be found; check its name")
    _require_public(found, policy)
    return found[:TRIED]


async def check_host(url: httpx.URL, policy: UrlPolicy, resolver: Resolver = system_resolver) -> None:
    """For a URL that will be used later: UserError input_unreachable when its host is an inner one today.

    A host that the DNS does not know, or not soon enough, passes: it may by then, and is judged again then.
    """
    _require_public(await _found(url, resolver), policy)


async def _found(url: httpx.URL, resolver: Resolver) -> list[Address]:
    """The addresses of a host; none when it cannot be found."""
    host = url.raw_host.decode("ascii")
    literal = _literal(host)
    if literal is not None:
        return [literal]
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            return [ip_address(text.split("%")[0]) for text in await resolver(host)]
    except (OSError, UnicodeError, ValueError):  # TimeoutError is an OSError
        return []


def _require_public(found: list[Address], policy: UrlPolicy) -> None:
    if not all(is_public(address, policy) for address in found):
        raise refused("the URL leads to an address that is not public")


def _literal(host: str) -> Address | None:
    """The address that a host spells out, also in the ways of old: 2130706433, 0x7f.1 and 0177.0.0.1."""
    try:
        return ip_address(host.strip("[]").split("%")[0])
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host.rstrip(".")))
    except (OSError, ValueError):
        return None


class GuardedTransport(httpx.AsyncBaseTransport):
    """For `httpx.AsyncClient(transport=..., trust_env=False)`. Raises UserError for what it refuses.

    TLS still speaks of, and checks, the name in the URL.
    """

    def __init__(
        self,
        policy: UrlPolicy,
        *,
        resolver: Resolver = system_resolver,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._policy = policy
        self._resolver = resolver
        # connections are never reused: two names at one address must not share one that was verified for the first
        self._inner = httpx.AsyncHTTPTransport(
            verify=ssl_context or trusted(),
            limits=httpx.Limits(max_keepalive_connections=0),
            trust_env=False,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = check_url(request.url, self._policy)
        failure: Exception | None = None
        for address in await addresses_of(url, self._policy, self._resolver):
            pinned = httpx.Request(
                request.method,
                url.copy_with(host=str(address)),
                headers=request.headers,  # with the Host of the URL
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": url.raw_host.decode("ascii")},
            )
            try:
                return await self._inner.handle_async_request(pinned)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        raise failure or AssertionError("addresses_of returns at least one")

    async def aclose(self) -> None:
        await self._inner.aclose()
