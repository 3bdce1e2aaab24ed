"""The DNS of the table of hostile URLs."""

import asyncio
from collections import defaultdict

from shared.url_guard import Resolver
from tests.integration.fetcher.hostile_servers import INSIDE, OUTSIDE

KNOWN = {
    "media.example": [OUTSIDE],
    "inside.example": [INSIDE],
    "localhost": [INSIDE],
    "metadata.example": ["169.254.169.254"],
    "metadata.google.internal": ["169.254.169.254"],
    "both.example": [OUTSIDE, INSIDE],
    "mapped.example": [f"::ffff:{INSIDE}"],
    "sixtofour.example": ["2002:7f00:1::"],
    "nat64.example": ["64:ff9b::7f00:1"],
    "zone.example": ["fe80::1%lo"],
    "empty.example": [],
    "nonsense.example": ["not an address"],
}


def resolver() -> Resolver:
    """As a resolver of the system: whatever the case, with or without the last dot. Each has a memory of its own."""
    asked: dict[str, int] = defaultdict(int)

    async def answer(host: str) -> list[str]:
        name = host.lower().rstrip(".")
        asked[name] += 1
        if name == "flip.example":
            return [OUTSIDE if asked[name] == 1 else INSIDE]
        if name == "silent.example":
            await asyncio.Event().wait()
        if name not in KNOWN:
            raise OSError(host)
        return KNOWN[name]

    return answer
