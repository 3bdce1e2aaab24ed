"""Outgoing webhooks, signed as Standard Webhooks says: `webhook-id`, `webhook-timestamp`, `webhook-signature`."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from pydantic import SecretStr

from orchestrator.settings import WEBHOOK_PREFIX


class Sender(Protocol):
    """Posts to a user's URL behind the URL guard; the HTTP status. UserError input_unreachable when it cannot."""

    async def post(self, url: str, *, body: bytes, headers: dict[str, str]) -> int: ...


def signed_headers(secrets: Sequence[SecretStr], message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """One signature for each active secret, so that a receiver may know either of them."""
    timestamp = str(int(at.timestamp()))
    content = b".".join((message_id.encode(), timestamp.encode(), body))
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_signature(secret, content) for secret in secrets),
    }


def _signature(secret: SecretStr, content: bytes) -> str:
    key = base64.b64decode(secret.get_secret_value().removeprefix(WEBHOOK_PREFIX))
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def message(kind: str, at: datetime, data: dict[str, Any]) -> dict[str, Any]:
    """The body: `{"type": "generation.succeeded", "timestamp": ..., "data": {...}}`."""
    return {"type": kind, "timestamp": at.isoformat(), "data": data}
