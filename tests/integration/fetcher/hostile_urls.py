"""The table of hostile URLs. `{inside}` is the port of a service that nobody may reach, `{outside}` that of a server
on the internet that means no good, whose paths are in `hostile_bodies.py`.
"""

from dataclasses import dataclass

OUT = "http://media.example:{outside}"


@dataclass(frozen=True)
class Row:
    name: str
    url: str
    code: str = "input_unreachable"
    video: bool = False
    """It is to be a video; else, an image."""
    seconds: float = 60
    production: bool = False
    """With the settings of production; else http, any port and 127.0.0.2 are allowed."""


def rows(group: str, urls: dict[str, str], *, production: bool = False) -> list[Row]:
    return [Row(f"{group}: {name}", url, production=production) for name, url in urls.items()]


SCHEMES = rows(
    "scheme",
    {
        "http where only https is taken": "http://media.example/a.png",
        "file": "file:///etc/passwd",
        "file with a host": "file://localhost/etc/passwd",
        "gopher": "gopher://127.0.0.1:{inside}/_GET%20/",
        "data": "data:image/png;base64,iVBORw0KGgo=",
        "ftp": "ftp://media.example/a.png",
        "dict": "dict://127.0.0.1:{inside}/info",
        "ldap": "ldap://127.0.0.1:{inside}/",
        "javascript": "javascript:alert(1)",
        "unix socket": "http+unix://%2Fvar%2Frun%2Fdocker.sock/info",
        "jar": "jar:http://media.example!/a.png",
        "no scheme": "//127.0.0.1:{inside}/",
        "a word": "lighthouse.png",
    },
    production=True,
)
PORTS = rows(
    "port",
    {
        "ssh": "https://media.example:22/",
        "smtp": "https://media.example:25/",
        "postgres": "https://media.example:5432/",
        "redis": "https://media.example:6379/",
        "comfyui": "https://media.example:8188/",
        "zero": "https://media.example:0/",
        "beyond": "https://media.example:65536/",
        "no number": "https://media.example:https/",
        "two": "https://media.example:443:{inside}/",
    },
    production=True,
)
USERINFO = rows(
    "user",
    {
        "name and password": "http://user:pass@media.example:{outside}/a.png",  # pragma: allowlist secret
        "a host as a name": "http://media.example@127.0.0.1:{inside}/",
        "a host and port before it": "http://media.example:80@127.0.0.1:{inside}/",
        "an empty one": "http://@127.0.0.1:{inside}/",
        "two at signs": "http://media.example@@127.0.0.1:{inside}/",
        "a backslash before it": "http://media.example\\@127.0.0.1:{inside}/",
        "spaces and two hosts": "http://1.1.1.1 &@127.0.0.1:{inside}#@media.example/",
    },
)
SPELLINGS = rows(
    "spelling",
    {
        "plain": "http://127.0.0.1:{inside}/",
        "trailing dot": "http://127.0.0.1.:{inside}/",
        "short": "http://127.1:{inside}/",
        "decimal": "http://2130706433:{inside}/",
        "hexadecimal": "http://0x7f000001:{inside}/",
        "hexadecimal in parts": "http://0x7f.0x0.0x0.0x1:{inside}/",
        "octal": "http://017700000001:{inside}/",
        "octal in parts": "http://0177.0.0.01:{inside}/",
        "octal with many zeros": "http://00000177.1:{inside}/",
        "mixed": "http://0x7f.0.1:{inside}/",
        "zero": "http://0:{inside}/",
        "all zeros": "http://0.0.0.0:{inside}/",
        "another loopback": "http://127.8.8.8:{inside}/",
        "a fragment with a host": "http://127.0.0.1:{inside}#@media.example/",
        "a query with a host": "http://127.0.0.1:{inside}?@media.example/",
        "percent-encoded": "http://%31%32%37.0.0.1:{inside}/",
        "percent-encoded NUL": "http://127.0.0.1%00.media.example:{inside}/",
        "two hosts": "http://media.example,127.0.0.1:{inside}/",
        "private A": "http://10.0.0.1:{inside}/",
        "private B as a number": "http://2886729729:{inside}/",
        "private C": "http://192.168.0.1:{inside}/",
        "carrier's NAT": "http://100.64.0.1:{inside}/",
        "link-local": "http://169.254.1.1:{inside}/",
        "multicast": "http://224.0.0.1:{inside}/",
        "broadcast": "http://255.255.255.255:{inside}/",
    },
)
METADATA = rows(
    "metadata",
    {
        "AWS": "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
        "AWS in decimal": "http://2852039166/latest/meta-data/",
        "AWS in octal": "http://0251.0376.0251.0376/latest/meta-data/",
        "AWS in v6": "http://[fd00:ec2::254]/latest/meta-data/",
        "AWS containers": "http://169.254.170.2/v2/credentials/",
        "Azure": "http://168.63.129.16/machine/?comp=goalstate",
        "Alibaba": "http://100.100.100.200/latest/meta-data/",
        "Oracle": "http://192.0.0.192/latest/",
        "Google by name": "http://metadata.google.internal/computeMetadata/v1/",
        "by a public name": "http://metadata.example/latest/meta-data/",
    },
)
V6 = rows(
    "v6",
    {
        "loopback": "http://[::1]:{inside}/",
        "loopback at length": "http://[0:0:0:0:0:0:0:1]:{inside}/",
        "nothing": "http://[::]:{inside}/",
        "mapped": "http://[::ffff:127.0.0.1]:{inside}/",
        "mapped in hexadecimal": "http://[::ffff:7f00:1]:{inside}/",
        "compatible": "http://[::127.0.0.1]:{inside}/",
        "translated": "http://[::ffff:0:127.0.0.1]:{inside}/",
        "6to4": "http://[2002:7f00:1::]:{inside}/",
        "NAT64": "http://[64:ff9b::7f00:1]:{inside}/",
        "NAT64 of one's own": "http://[64:ff9b:1::7f00:1]:{inside}/",
        "Teredo": "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]:{inside}/",
        "unique local": "http://[fd12:3456::1]:{inside}/",
        "link-local with a zone": "http://[fe80::1%25lo]:{inside}/",
        "no closing bracket": "http://[::1:{inside}/",
        "a name behind the bracket": "http://[::1].media.example:{inside}/",
    },
)
UNICODE = rows(
    "unicode",
    {
        "full-width digits": "http://１２７.０.０.１:{inside}/",  # noqa: RUF001  that is the trick
        "circled digits": "http://①②⑦.⓪.⓪.①:{inside}/",
        "mathematical digits": "http://𝟏𝟐𝟕.𝟎.𝟎.𝟏:{inside}/",  # noqa: RUF001
        "ideographic full stops": "http://127。0。0。1:{inside}/",
        "full-width full stops": "http://127．0．0．1:{inside}/",  # noqa: RUF001
        "circled letters": "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{inside}/",
        "a soft hyphen": "http://local\u00adhost:{inside}/",
        "a zero-width space": "http://local\u200bhost:{inside}/",
        "right to left": "http://local\u202ehost:{inside}/",
        "half a surrogate pair": "http://\ud800.example:{inside}/",
        "a line break": "http://media.example:{outside}/\r\nHost: inside.example",
        "punycode of nothing": "http://xn--:{inside}/",
    },
)
NAMES = rows(
    "DNS",
    {
        "an inner address": "http://inside.example:{inside}/",
        "with a trailing dot": "http://inside.example.:{inside}/",
        "in capitals": "HTTP://INSIDE.EXAMPLE:{inside}/",
        "a public and an inner address": "http://both.example:{inside}/",
        "a mapped address": "http://mapped.example:{inside}/",
        "a 6to4 address": "http://sixtofour.example:{inside}/",
        "a NAT64 address": "http://nat64.example:{inside}/",
        "an address with a zone": "http://zone.example:{inside}/",
        "no address": "http://empty.example:{inside}/",
        "nonsense": "http://nonsense.example:{inside}/",
        "unknown": "http://nowhere.example:{inside}/",
        "localhost": "http://localhost:{inside}/",
        "localhost with a trailing dot": "http://localhost.:{inside}/",
        "an empty label": "http://inside..example:{inside}/",
        "rebinding between two requests": "http://flip.example:{outside}/to/flip",
        "never answers": "http://silent.example:{inside}/",
    },
)
REDIRECTS = rows(
    "redirect",
    {
        "inside": OUT + "/to/inside",
        "inside by a name": OUT + "/to/inside-name",
        "inside on the third hop": OUT + "/to/2/inside",
        "one hop too many": OUT + "/to/4/inside",
        "for ever": OUT + "/to/itself",
        "to punycode of nothing": OUT + "/to/punycode",
        "to full-width digits": OUT + "/to/unicode",
        "file": OUT + "/to/file",
        "gopher": OUT + "/to/gopher",
        "data": OUT + "/to/data",
        "metadata": OUT + "/to/metadata",
        "with a password": OUT + "/to/password",
        "several choices": OUT + "/choices",
        "in a Refresh header": OUT + "/refresh",
        "to a line break": OUT + "/to/split",
    },
)
