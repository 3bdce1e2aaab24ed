"""The certificate authorities that this process trusts."""

import ssl
from functools import cache

import httpx


@cache
def trusted() -> ssl.SSLContext:
    """Read once: it takes 20 ms of CPU, in which an event loop stands still, and httpx does it for every client."""
    return httpx.create_ssl_context(trust_env=False)
