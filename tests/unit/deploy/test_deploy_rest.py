"""Answers of RunPod that are no success, as errors that say what to do."""

import json

import pytest

from deploy.rest import RETRYABLE, refusal
from shared.errors import TransientError, UserError


@pytest.mark.parametrize("status", sorted(RETRYABLE))
def test_what_may_pass_is_worth_another_try_and_says_when(status: int) -> None:
    error = refusal("POST /serverless", status, {"retry-after": "12"}, b"")
    assert isinstance(error, TransientError)
    assert error.detail["retry_after"] == 12
    assert error.detail["untouched"] is (status == 429), "only 429 surely did nothing"
    for strange in ("", "soon", "-1", "Wed, 21 Oct 2026 07:28:00 GMT"):
        assert refusal("GET /x", status, {"retry-after": strange}, b"").detail["retry_after"] == 0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            {"title": "x", "status": 422, "detail": "no", "errors": ["$: 'a' not allowed", "$.b: 1"]},
            "no; $: 'a' not allowed; $.b: 1",
        ),
        ({"detail": "no", "errors": "all of it"}, "(422): no"),
        ({"detail": None}, "no reason given"),
        ([], "no reason given"),
        ("x" * 9000, "no reason given"),
        ({"detail": "x" * 9000}, "(422): " + "x" * 400),
    ],
)
def test_a_refusal_carries_runpods_reason_and_no_more_than_a_line_of_it(content: object, says: str) -> None:
    error = refusal("PATCH /serverless/a", 422, {}, json.dumps(content).encode())
    assert isinstance(error, UserError)
    assert error.message.startswith("PATCH /serverless/a: RunPod refused it (422): ")
    assert error.message.endswith(says)


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xff\xfe", b"[" * 100_000])
def test_a_reason_that_cannot_be_read_is_none(content: bytes) -> None:
    assert refusal("GET /x", 400, {}, content).message.endswith("no reason given")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    assert "RunPod refused it" in refusal("GET /x", status, {"location": "https://elsewhere.example.com"}, b"").message
