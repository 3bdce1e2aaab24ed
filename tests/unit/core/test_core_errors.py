"""The taxonomy of failures and its one wire form."""

import json
from collections import Counter
from itertools import chain
from typing import get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orchestrator.transitions import RETRIES
from shared import errors
from shared.errors import (
    FAMILIES,
    CapacityError,
    ErrorBody,
    FatalError,
    MivoError,
    TransientError,
    UpstreamError,
    UserError,
    family_of,
    from_wire,
    to_wire,
)

brisk = settings(deadline=None, database=None, max_examples=60)

DESIGN = {  # design section 7
    UserError: {"invalid_input", "input_unreachable", "input_too_large", "input_not_media", "idempotency_conflict"},
    TransientError: {
        "storage_unavailable",
        "comfy_unreachable",
        "comfy_crashed",
        "connection_lost",
        "worker_lost",
        "execution_timeout",
        "runpod_unavailable",
    },
    CapacityError: {"out_of_memory", "disk_full"},
    UpstreamError: {"artifact_missing", "artifact_corrupt"},
    FatalError: {"graph_rejected", "model_missing", "contract_mismatch", "bad_output", "internal"},
}
CODES = sorted(chain.from_iterable(DESIGN.values()))

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9) | st.integers(), inner, max_size=4),
    max_leaves=12,
)
ANY_TEXT = st.text(st.characters(), max_size=3000)  # lone surrogates and NUL included
LIKE_OURS = st.fixed_dictionaries(
    {"code": st.sampled_from(CODES) | ANYTHING, "message": ANY_TEXT | ANYTHING, "retryable": st.booleans() | ANYTHING},
    optional={"stage": ANY_TEXT | ANYTHING, "detail": ANYTHING, "error_type": ANYTHING, "more": ANYTHING},
)


def test_every_code_is_in_exactly_one_family() -> None:
    assert {family: set(family.codes) for family in FAMILIES} == DESIGN
    assert set(Counter(code for family in FAMILIES for code in family.codes).values()) == {1}
    assert {code for part in get_args(errors.ErrorCode) for code in get_args(part) or (part,)} == set(CODES)


def test_the_retry_table_knows_exactly_these_codes() -> None:
    assert sorted(RETRIES) == CODES


@pytest.mark.parametrize("code", CODES)
def test_what_may_be_retried_says_so(code: str) -> None:
    family = family_of(code)
    assert code in DESIGN[family]
    assert family.retryable == (RETRIES[code].retries > 0) == (family in {TransientError, CapacityError, UpstreamError})


def test_a_foreign_code_is_an_error() -> None:
    with pytest.raises(KeyError):
        family_of("teapot")
    with pytest.raises(ValueError, match="out_of_memory"):
        UserError("out_of_memory", "not the user's")


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("stage", [None, "base_gen"])
def test_to_the_wire_and_back(code: str, stage: str | None) -> None:
    error = family_of(code)(code, "it went wrong: ü", stage=stage, field="prompt", tries=2)  # type: ignore[arg-type]
    body = from_wire(to_wire(error))
    assert body == error.body()
    assert (body.code, body.message, body.stage) == (code, "it went wrong: ü", stage)
    assert body.retryable is type(error).retryable
    assert body.detail == {"field": "prompt", "tries": 2}


def test_the_wire_form_is_the_one_of_the_design() -> None:
    wire = json.loads(to_wire(UserError("invalid_input", "no", field="seed"), stage="base_gen"))
    assert wire == {
        "code": "invalid_input",
        "message": "no",
        "retryable": False,
        "stage": "base_gen",
        "detail": {"field": "seed"},
    }


def test_the_stage_is_added_where_it_is_missing_and_never_replaced() -> None:
    named = TransientError("worker_lost", "gone", stage="base_gen")
    nameless = TransientError("worker_lost", "gone")
    assert from_wire(to_wire(named, stage="spatial_upscale")).stage == "base_gen"
    assert from_wire(to_wire(nameless, stage="spatial_upscale")).stage == "spatial_upscale"
    assert from_wire(to_wire(named), stage="spatial_upscale").stage == "base_gen"
    assert from_wire(to_wire(nameless), stage="spatial_upscale").stage == "spatial_upscale"


PRIVATE = "a cat called Schroedinger https://s3/videos/x.mp4?X-Amz-Signature=abc /home/worker/key"


@pytest.mark.parametrize("kind", [RuntimeError, ValueError, KeyError, OSError, BaseException])
def test_a_foreign_exception_tells_its_type_and_nothing_else(kind: type[BaseException]) -> None:
    wire = to_wire(kind(PRIVATE), stage="base_gen")
    body = from_wire(wire)
    assert (body.code, body.retryable, body.stage, body.detail) == ("internal", False, "base_gen", None)
    assert kind.__name__ in body.message
    assert not [word for word in PRIVATE.split() if len(word) > 3 and word in wire]


def test_an_exception_that_escaped_to_the_sdk_tells_its_type_and_nothing_else() -> None:
    said = {
        "error_type": "<class 'RuntimeError'>",
        "error_message": PRIVATE,
        "error_traceback": PRIVATE,
        "hostname": "h",
    }
    for arrived in (json.dumps(said), said):
        body = from_wire(arrived, stage="base_gen")
        assert (body.code, body.stage) == ("internal", "base_gen")
        assert "RuntimeError" in body.message
        assert "Schroedinger" not in body.model_dump_json()


def test_free_text_means_that_the_platform_gave_the_job_up() -> None:
    body = from_wire("job timed out after 1 retries", stage="base_gen")
    assert (body.code, body.stage) == ("worker_lost", "base_gen")
    assert "job timed out after 1 retries" in body.message


def test_an_error_prints_its_code_and_message() -> None:
    assert str(FatalError("bad_output", "241 frames")) == "bad_output: 241 frames"


@brisk
@given(st.sampled_from(CODES), ANY_TEXT, st.dictionaries(st.text(max_size=9), ANYTHING, max_size=4))
@example("internal", "€" * 3000, {})
@example("internal", "\x01" * 3000, {"field": "x" * 5000})
@example("internal", "\udc80 surrogate", {"object": object(), "type": str, "nan": float("nan")})
def test_the_wire_form_is_under_2_kb_and_readable_whatever_it_says(
    code: str, message: str, detail: dict[str, object]
) -> None:
    fields = {f"d_{name}": value for name, value in detail.items()}
    wire = to_wire(family_of(code)(code, message, **fields), stage="base_gen")  # type: ignore[arg-type]
    assert len(wire.encode()) <= 2000
    body = from_wire(wire)
    assert body.code == code
    assert "\0" not in body.message, "Postgres takes no NUL"


@brisk
@given(ANY_TEXT | ANYTHING | LIKE_OURS | LIKE_OURS.map(lambda body: json.dumps(body, default=str, skipkeys=True)))
@example("[" * 100_000)
@example({(1, 2): 3})
@example('{"code":"internal","message":"m","retryable":false,"detail":' + '{"a":' * 900 + "1" + "}" * 901)
@example("1" * 5000)
@example(object())
def test_reading_the_wire_never_raises(arrived: object) -> None:
    body = from_wire(arrived, stage="temporal_upscale")
    assert body.code in CODES
    assert len(body.message) <= errors.MAX_MESSAGE
    assert ErrorBody.model_validate_json(body.model_dump_json()) == body


def test_every_family_is_one_of_ours() -> None:
    assert all(issubclass(family, MivoError) for family in FAMILIES)
