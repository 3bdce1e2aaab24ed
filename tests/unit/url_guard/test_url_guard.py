"""Which URLs and addresses are refused, as tables. No socket is opened."""

from ipaddress import ip_address, ip_network

import httpx
import pytest

from shared.errors import UserError
from shared.url_guard import UrlPolicy, addresses_of, check_host, check_url, is_public

PRODUCTION = UrlPolicy()
LOCAL = UrlPolicy(
    allow_http=True,
    allow_any_port=True,
    allow_networks=(ip_network("127.0.0.0/8"),),
)

HOSTILE_SHAPES = [
    ("http://example.com/a.png", "only https"),
    ("ftp://example.com/a.png", "only https"),
    ("file:///etc/passwd", "only https"),
    ("gopher://example.com/_x", "only https"),
    ("data:image/png;base64,AAAA", "only https"),
    ("javascript:alert(1)", "only https"),
    ("//example.com/a.png", "only https"),
    ("example.com/a.png", "only https"),
    ("", "only https"),
    ("https://", "names no host"),
    ("https:///a.png", "names no host"),
    ("https://user@example.com/", "user name or password"),
    ("https://user:pass@example.com/", "user name or password"),  # pragma: allowlist secret
    ("https://example.com@127.0.0.1/", "user name or password"),
    ("https://:pass@example.com/", "user name or password"),
    ("https://example.com:22/", "80 and 443"),
    ("https://example.com:8443/", "80 and 443"),
    ("https://example.com:6379/", "80 and 443"),
    ("https://example.com:0/", "80 and 443"),
    ("https://example.com:99999/", "not a URL|80 and 443"),
    ("https://example.com:port/", "not a URL"),
    ("https://exa mple.com/", "names no host"),
    ("https://[fe80::1%25eth0]/", "names no host|not a URL"),
    ("https://exa%6dple.com/", "names no host|not a URL"),
    ("https://example.com/\x00", "not a URL"),
    ("https://example.com/\r\nX-Injected: 1", "not a URL"),
    ("https://[::1/", "not a URL"),
    ("https://" + "a" * 2100 + ".com/", "longer than 2048"),
]


@pytest.mark.parametrize(("url", "says"), HOSTILE_SHAPES)
def test_shapes_that_are_refused(url: str, says: str) -> None:
    with pytest.raises(UserError, match=f"input_unreachable.*({says})"):
        check_url(url, PRODUCTION)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/a.png?X-Amz-Signature=abc",
        "https://example.com:443/",
        "https://example.com:80/",
        "HTTPS://EXAMPLE.COM/",
        "https://bücher.example/",
        "https://[2606:4700::1111]/",
    ],
)
def test_shapes_that_are_taken(url: str) -> None:
    check_url(url, PRODUCTION)


PRIVATE = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.9.9.9"),  # noqa: S104  nothing is bound
    *("169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1"),
    *("192.168.0.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1"),
    *("255.255.255.255", "168.63.129.16"),
    *("::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "fe80::1"),
    *(
        "192.88.99.1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fec0::1",
        "ff02::1",
        "100::1",
        "2001:db8::1",
        "2001::1",
    ),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::1"),
    "2001:0:4136:e378:8000:63bf:80ff:fffe",  # Teredo, of 127.0.0.1
]


@pytest.mark.parametrize("text", PRIVATE)
def test_addresses_that_are_not_public(text: str) -> None:
    assert not is_public(ip_address(text), PRODUCTION)


@pytest.mark.parametrize(
    "text", ["1.1.1.1", "8.8.8.8", "104.16.0.1", "172.32.0.1", "2606:4700::1111", "64:ff9b::808:808"]
)
def test_addresses_that_are_public(text: str) -> None:
    assert is_public(ip_address(text), PRODUCTION)


def test_a_network_can_be_allowed_and_only_that() -> None:
    assert is_public(ip_address("127.0.0.1"), LOCAL)
    assert is_public(ip_address("::ffff:127.0.0.1"), LOCAL) is False
    assert not is_public(ip_address("10.0.0.1"), LOCAL)
    assert not is_public(ip_address("169.254.169.254"), LOCAL)


async def nobody(host: str) -> list[str]:
    raise AssertionError(f"the DNS was asked for {host}")


SPELLINGS = [
    *("127.0.0.1", "127.0.0.1.", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1"),
    *("017700000001", "0x7f.1", "0", "0.0.0.0", "[::1]", "[::]", "[::ffff:7f00:1]", "[::ffff:127.0.0.1]"),  # noqa: S104  nothing is bound
    *("[0:0:0:0:0:0:0:1]", "[fe80::1]", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518"),
]


@pytest.mark.parametrize("host", SPELLINGS)
async def test_every_spelling_of_a_private_address_is_seen_through(host: str) -> None:
    with pytest.raises(UserError, match=r"input_unreachable.*(not public|not a URL)"):
        await addresses_of(check_url(f"https://{host}/", PRODUCTION), PRODUCTION, nobody)


@pytest.mark.parametrize(
    "answer",
    [
        ["127.0.0.1"],
        ["::1"],
        ["1.1.1.1", "10.0.0.1"],
        ["1.1.1.1", "::ffff:192.168.0.1"],
        ["fe80::1%eth0"],
    ],
)
async def test_a_name_with_any_private_address_is_refused(answer: list[str]) -> None:
    async def resolver(_: str) -> list[str]:
        return answer

    with pytest.raises(UserError, match="not public") as raised:
        await addresses_of(httpx.URL("https://inside.example/"), PRODUCTION, resolver)
    assert not any(address in str(raised.value) for address in answer)  # tells nothing of our network


@pytest.mark.parametrize("failure", [OSError("no such host"), TimeoutError(), UnicodeError("label too long")])
async def test_a_name_that_the_dns_does_not_know(failure: Exception) -> None:
    async def resolver(_: str) -> list[str]:
        raise failure

    with pytest.raises(UserError, match="cannot be found"):
        await addresses_of(httpx.URL("https://nowhere.example/"), PRODUCTION, resolver)


async def test_a_name_without_addresses() -> None:
    async def resolver(_: str) -> list[str]:
        return []

    with pytest.raises(UserError, match="cannot be found"):
        await addresses_of(httpx.URL("https://nowhere.example/"), PRODUCTION, resolver)


@pytest.mark.parametrize("answer", [[], ["1.1.1.1"], OSError("no such host"), TimeoutError()])
async def test_a_url_for_later_may_have_a_name_that_the_dns_does_not_know_yet(answer: list[str] | Exception) -> None:
    async def resolver(_: str) -> list[str]:
        if isinstance(answer, Exception):
            raise answer
        return answer

    await check_host(httpx.URL("https://later.example/hook"), PRODUCTION, resolver)


@pytest.mark.parametrize("host", ["inside.example", "10.0.0.1", "0x7f.1", "[::1]", "[64:ff9b::7f00:1]"])
async def test_a_url_for_later_may_not_lead_inside_today(host: str) -> None:
    async def resolver(_: str) -> list[str]:
        return ["1.1.1.1", "192.168.0.1"]

    with pytest.raises(UserError, match="not public"):
        await check_host(httpx.URL(f"https://{host}/hook"), PRODUCTION, resolver)
