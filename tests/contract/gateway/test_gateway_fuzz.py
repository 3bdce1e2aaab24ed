"""Whatever is sent to the gateway, it answers with success or a 4xx: over a real socket, into a real Postgres."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.contract.gateway.harness import BEARER

FUZZ = settings(
    max_examples=50,
    derandomize=True,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
LEGAL = {200, 204, 400, 401, 404, 405, 413, 422, 429}

text = st.text(st.characters(exclude_categories=())) | st.sampled_from(["\0", "\ud800", "a\0b", "\U0010ffff", ""])
numbers = st.integers() | st.floats() | st.sampled_from([2**63, -(2**63) - 1, 10**400, 1e308])
values = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)
submissions = st.fixed_dictionaries(
    {},
    optional={
        "input": values,
        "webhook": values | st.sampled_from(["http://127.0.0.1:9/x", "http://[::1", "http://x\0/"]),
        "policy": values | st.fixed_dictionaries({}, optional={"executionTimeout": numbers, "ttl": numbers}),
        "s3Config": values,
    },
)
results = st.fixed_dictionaries(
    {},
    optional={"output": values, "error": values, "status": values | st.just("IN_PROGRESS"), "stopPod": values},
)


@pytest.fixture(scope="module")
def http(gateway_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway_url, headers=BEARER, timeout=30, trust_env=False) as client:
        yield client
        assert client.get("/healthz").status_code == 200  # nothing in the background has died of it either


def written(value: Any) -> bytes:
    """As JSON with everything that JSON allows: NUL, half surrogate pairs, huge numbers; and NaN, which it does not."""
    return json.dumps(value).encode()


def judged(answer: httpx.Response) -> None:
    assert answer.status_code in LEGAL, (answer.request.url, answer.status_code, answer.text)


@FUZZ
@given(body=st.binary(max_size=300) | values.map(written) | submissions.map(written))
def test_run_takes_or_refuses_any_body(http: httpx.Client, body: bytes) -> None:
    answer = http.post("/v2/fuzz/run", content=body)
    judged(answer)
    if answer.status_code == 200:
        job_id = answer.json()["id"]
        assert http.get(f"/v2/fuzz/status/{job_id}").json()["status"] == "IN_QUEUE"
        assert http.post(f"/v2/fuzz/cancel/{job_id}").status_code in {200, 429}


@FUZZ
@given(body=st.binary(max_size=300) | values.map(written) | results.map(written))
def test_a_worker_may_post_any_result(http: httpx.Client, body: bytes) -> None:
    base = f"/v2/fuzz-{uuid4().hex}"
    job_id = http.post(f"{base}/run", json={"input": {}}).json()["id"]
    assert http.get(f"{base}/job-take/w1?job_in_progress=0").json()["id"] == job_id
    for path in ("job-stream", "job-done"):
        judged(http.post(f"{base}/{path}/w1/{job_id}", content=body))
    for path in ("stream", "status"):
        judged(http.get(f"{base}/{path}/{job_id}"))
    http.post(f"{base}/job-done/w1/{job_id}", json={"output": 1})
    assert http.get(f"{base}/status/{job_id}").json()["status"] not in {"IN_QUEUE", "IN_PROGRESS"}


@FUZZ
@given(word=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40) | st.just("\0"))
def test_any_word_may_stand_in_a_path_or_a_query(http: httpx.Client, word: str) -> None:
    hidden = quote(word, safe="")
    for method, path in (
        ("GET", f"/v2/fuzz/status/{hidden}"),
        ("GET", f"/v2/fuzz/stream/{hidden}"),
        ("POST", f"/v2/fuzz/cancel/{hidden}"),
        ("POST", f"/v2/fuzz/retry/{hidden}"),
        ("POST", f"/v2/fuzz/job-done/{hidden}/{hidden}"),
        ("POST", f"/v2/fuzz/job-stream/{hidden}/{hidden}?session={hidden}"),
        ("GET", f"/v2/fuzz/ping/{hidden}?job_id={hidden}&status=unhealthy&check={hidden}&reason={hidden}"),
        ("POST", f"/v2/{hidden}/run"),
        ("GET", f"/v2/{hidden}/health"),
    ):
        judged(http.request(method, path, content=b"{}" if method == "POST" else None))


@FUZZ
@given(key=st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_categories=["Cc"]), max_size=60))
def test_any_key_but_ours_is_refused(http: httpx.Client, key: str) -> None:
    answer = http.get("/v2/fuzz/health", headers=[(b"Authorization", b"x" + key.encode("latin-1"))])
    assert answer.status_code in {400, 401}, answer.text
