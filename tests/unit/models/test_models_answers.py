"""What a server's answer means, and how a safetensors file is known to be whole."""

from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from models import answers, weights
from models.answers import Address

HERE = Address("http://hub.example/x", "x")
NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("", 0.0),
        ("soon", 0.0),
        ("-3", 0.0),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
        ("Sun, 22 Nov 2026 12:00:30", 0.0),
    ],
)
def test_retry_after_in_both_its_forms(text: str, seconds: float) -> None:
    assert answers.retry_after(text, NOW) == seconds


def response(status: int, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers=named, request=httpx.Request("GET", HERE.url))


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(408, True), (425, True), (429, True), (500, True), (503, True), (522, True)]
    + [(code, False) for code in (400, 401, 403, 404, 405, 410, 416, 451, 501)],
)
def test_which_answers_may_be_others_the_next_time(status: int, retryable: bool) -> None:
    error = answers.refusal(response(status), HERE)
    assert error is not None
    assert error.retryable is retryable


@pytest.mark.parametrize("status", [200, 206])
def test_bytes_are_no_refusal(status: int) -> None:
    assert answers.refusal(response(status), HERE) is None


@pytest.mark.parametrize(
    ("headers", "mark"),
    [
        ({"etag": '"a"'}, "a"),
        ({"etag": 'W/"a"', "last_modified": "then"}, "then"),
        ({"etag": 'W/"a"'}, None),
        ({}, None),
        ({"etag": '"a"', "x_linked_etag": '"b"'}, "b"),
    ],
)
def test_what_marks_a_content(headers: dict[str, str], mark: str | None) -> None:
    assert answers.mark(response(206, **headers)) == mark


names = st.dictionaries(st.text(min_size=1, max_size=8), st.binary(max_size=40), max_size=6)


@settings(max_examples=60, deadline=None, database=None)
@given(tensors=names, said=st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=3))
def test_a_header_that_is_built_is_read_by_the_format_s_own_library(
    tmp_path_factory: pytest.TempPathFactory, tensors: dict[str, bytes], said: dict[str, str]
) -> None:
    tensors.pop("__metadata__", None)
    path: Path = tmp_path_factory.mktemp("x") / "x.safetensors"
    rows = {name: ("U8", (len(data),), len(data)) for name, data in tensors.items()}
    path.write_bytes(weights.build(rows, said) + b"".join(tensors.values()))
    with safe_open(path, "np") as file:
        assert {name: file.get_tensor(name).tobytes() for name in file.keys()} == tensors  # noqa: SIM118  no mapping
        assert (file.metadata() or {}) == said
    weights.check(path)


WHOLE = weights.build({"a": ("U8", (5,), 5), "b": ("U8", (3,), 3)}, {}) + b"12345678"


@pytest.mark.parametrize("content", [WHOLE[:size] for size in range(len(WHOLE))] + [WHOLE + b"\0", b"<html>" * 20])
def test_every_cut_is_seen(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(weights.BrokenWeightsError):
        weights.check(path)
