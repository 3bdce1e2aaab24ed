"""Mivo's end of a webhook, on a real socket."""

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from tests.waiting import eventually

Taken = list[tuple[dict[str, str], bytes]]


@dataclass
class Receiver:
    url: str = ""
    answers: deque[int] = field(default_factory=deque)
    """Status codes of the next answers; then 204."""
    taken: Taken = field(default_factory=list)
    progress_gate: asyncio.Event | None = None
    """While it is not set, webhooks about progress are taken and not answered."""

    async def hook(self, request: Request) -> Response:
        body = await request.body()
        self.taken.append((dict(request.headers), body))
        if self.progress_gate is not None and json.loads(body).get("type") == "generation.progress":
            await self.progress_gate.wait()
        return Response(status_code=self.answers.popleft() if self.answers else 204)

    async def count(self, number: int) -> Taken:
        async def enough() -> bool:
            return len(self.taken) >= number

        await eventually(enough)
        return self.taken

    def told(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.taken]
