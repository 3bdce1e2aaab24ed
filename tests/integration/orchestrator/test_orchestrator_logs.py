import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from shared import logs

PRESIGNED = "https://s3.example/videos/x.mp4?X-Amz-Signature=c0ffee&X-Amz-Credential=key"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers, root.level
    stream = io.StringIO()
    logs.configure("tests", stream=stream)
    yield stream
    root.handlers, root.level = before, level
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_what_was_bound(stream: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(generation_id="g", stage="base_gen"):
        structlog.get_logger().info("stage run", attempt=2, runpod_id="r-1")
    [line] = lines(stream)
    assert line["service"] == "tests"
    assert (line["event"], line["generation_id"], line["attempt"], line["level"]) == ("stage run", "g", 2, "info")


def test_libraries_speak_in_the_same_form(stream: io.StringIO) -> None:
    logging.getLogger("some.library").warning("cannot reach %s", PRESIGNED)
    [line] = lines(stream)
    assert line["event"] == "cannot reach https://s3.example/videos/x.mp4?[removed]"


def test_nothing_secret_gets_through(stream: io.StringIO) -> None:
    log = structlog.get_logger()
    log.info("request", prompt="a lighthouse", nested={"Authorization": "Bearer c0ffee", "deep": [PRESIGNED]})
    log.info("callback", path="/api/callbacks/runpod/0123abcd/c0ffee-token")
    log.info("> Sec-WebSocket-Protocol: ltx2.progress, bearer.c0ffee-token")
    log.info("request", headers="Authorization: Bearer c0ffee")
    log.info("database", said="cannot connect to postgresql://user:c0ffee@db/x")  # pragma: allowlist secret
    log.error("failed", exc_info=ValueError(f"no answer from {PRESIGNED}"))
    log.error("failed", exc_info=ValueError("null value\nDETAIL:  Failing row contains (1, a lighthouse\nin c0ffee)."))
    written = stream.getvalue()
    assert "c0ffee" not in written
    assert "lighthouse" not in written
    assert "/api/callbacks/runpod/0123abcd/[removed]" in written


def test_talkative_libraries_are_quiet(stream: io.StringIO) -> None:
    logs.configure("tests", level="debug", stream=stream)
    for name, least in logs.NOISY.items():
        logging.getLogger(name).log(least - 1, "once more")
    assert stream.getvalue() == ""
