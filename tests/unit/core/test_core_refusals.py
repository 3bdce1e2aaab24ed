"""What is refused, and in which words: the field, the legal values, the nearest one; never the value itself."""

import json
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.contracts import problems
from shared.contracts.problems import IN_WORDS, FieldProblem
from shared.contracts.request import OUT_OF_SCOPE, GenerationRequest
from shared.contracts.vocabulary import Camera

brisk = settings(deadline=None, database=None, max_examples=60)

UPLOAD = "0123456789abcdef" * 2
IMAGE = "https://example.com/cat.png"
DEPTH = {"type": "depth", "upload_id": UPLOAD}

DURATIONS, BOOLEANS, SIZES = ["10", "15", "20"], ["true", "false"], ["720p", "1080p"]
STEPS, SEED, PROMPT = [IN_WORDS["steps"]], [IN_WORDS["seed"]], [IN_WORDS["prompt"]]
IMAGES, HOOK, METADATA = [IN_WORDS["image_urls"]], [IN_WORDS["webhook_url"]], [IN_WORDS["metadata"]]
CONTROL, CAMERAS = [IN_WORDS["control"]], [str(camera) for camera in Camera]
MODELS = ["ltx-2", "ltx-2-t2v", "ltx-2-i2v"]


def refused(body: Any, **context: Any) -> list[FieldProblem]:
    with pytest.raises(ValidationError) as caught:
        GenerationRequest.model_validate(body, context=context)
    return problems.of(caught.value)


BAD: list[tuple[dict[str, Any], str, list[str] | None, str | None]] = [
    # body, field, legal values, nearest
    ({"prompt": ""}, "prompt", PROMPT, None),
    ({"prompt": " \n\t "}, "prompt", PROMPT, None),
    ({"prompt": "x" * 5001}, "prompt", PROMPT, None),
    ({"prompt": None}, "prompt", PROMPT, None),
    ({"prompt": 7}, "prompt", PROMPT, None),
    ({"prompt": ["a cat"]}, "prompt", PROMPT, None),
    ({"prompt": "a \x00 cat"}, "prompt", PROMPT, None),
    ({"prompt": "a \ud800 cat"}, "prompt", PROMPT, None),
    # strict: what is meant has to be said
    ({"duration": "10"}, "duration", DURATIONS, "10"),
    ({"duration": 10.0}, "duration", DURATIONS, "10"),
    ({"duration": True}, "duration", DURATIONS, None),
    ({"duration": None}, "duration", DURATIONS, None),
    ({"duration": [10]}, "duration", DURATIONS, None),
    ({"duration": 8}, "duration", DURATIONS, "10"),
    ({"duration": 14}, "duration", DURATIONS, "15"),
    ({"duration": 60}, "duration", DURATIONS, "20"),
    ({"duration": -5}, "duration", DURATIONS, "10"),
    ({"duration": 10**400}, "duration", DURATIONS, "20"),
    ({"duration": float("nan")}, "duration", DURATIONS, None),
    ({"spatial_upscale": 1}, "spatial_upscale", BOOLEANS, None),
    ({"spatial_upscale": "true"}, "spatial_upscale", BOOLEANS, "true"),
    ({"temporal_upscale": 0}, "temporal_upscale", BOOLEANS, None),
    ({"temporal_upscale": "yes"}, "temporal_upscale", BOOLEANS, None),
    ({"detailer": None}, "detailer", BOOLEANS, None),
    ({"early_look": "off"}, "early_look", BOOLEANS, None),
    ({"quality": "pro", "steps": "20"}, "steps", STEPS, None),
    ({"quality": "pro", "steps": 20.0}, "steps", STEPS, None),
    ({"quality": "pro", "steps": True}, "steps", STEPS, None),
    ({"quality": "pro", "steps": 19}, "steps", STEPS, "20"),
    ({"quality": "pro", "steps": 41}, "steps", STEPS, "40"),
    ({"steps": 20}, "steps", STEPS, None),
    ({"seed": "1"}, "seed", SEED, None),
    ({"seed": 1.0}, "seed", SEED, None),
    ({"seed": False}, "seed", SEED, None),
    ({"seed": -1}, "seed", SEED, "0"),
    ({"seed": 2**53}, "seed", SEED, str(2**53 - 1)),
    # words
    ({"quality": "Pro"}, "quality", ["fast", "pro"], "pro"),
    ({"quality": 1}, "quality", ["fast", "pro"], None),
    ({"resolution": "720"}, "resolution", SIZES, "720p"),
    ({"resolution": "1080P"}, "resolution", SIZES, "1080p"),
    ({"resolution": "4k"}, "resolution", SIZES, None),
    ({"resolution": "draft"}, "resolution", SIZES, None),
    ({"resolution": ["720p"]}, "resolution", SIZES, None),
    ({"aspect_ratio": "9:16"}, "aspect_ratio", ["16:9"], "16:9"),
    ({"camera": "dolly-in"}, "camera", CAMERAS, "dolly_in"),
    ({"camera": "Jib Up"}, "camera", CAMERAS, "jib_up"),
    ({"camera_lora": "dolly"}, "camera_lora", CAMERAS, "dolly_in"),
    ({"camera": "spin"}, "camera", CAMERAS, None),
    ({"camera": None}, "camera", CAMERAS, None),
    ({"camera": "static", "camera_lora": "static"}, "camera", None, None),
    ({"precision": "fp16"}, "precision", ["fp8", "full"], "fp8"),
    ({"model": "ltx-3"}, "model", MODELS, "ltx-2"),
    ({"model": "ltx-2-i2v"}, "model", None, "ltx-2"),
    ({"model": "ltx-2-t2v", "image_urls": [IMAGE]}, "model", None, "ltx-2"),
    # images
    ({"image_urls": [IMAGE, IMAGE]}, "image_urls", IMAGES, None),
    ({"image_urls": IMAGE}, "image_urls", IMAGES, None),
    ({"image_urls": None}, "image_urls", IMAGES, None),
    ({"image_urls": ["cat.png"]}, "image_urls.0", IMAGES, None),
    ({"image_urls": ["ftp://example.com/cat.png"]}, "image_urls.0", IMAGES, None),
    ({"image_urls": ["file:///etc/passwd"]}, "image_urls.0", IMAGES, None),
    ({"image_urls": ["data:image/png;base64,AAAA"]}, "image_urls.0", IMAGES, None),
    ({"image_urls": [None]}, "image_urls.0", IMAGES, None),
    ({"image_urls": [IMAGE], "upload_id": UPLOAD}, "upload_id", [IN_WORDS["upload_id"]], None),
    ({"upload_id": "../../etc/passwd"}, "upload_id", [IN_WORDS["upload_id"]], None),
    ({"upload_id": UPLOAD.upper()}, "upload_id", [IN_WORDS["upload_id"]], None),
    # control
    ({"control": "depth"}, "control", CONTROL, None),
    ({"control": {"type": "depth"}}, "control", CONTROL, None),
    ({"control": {**DEPTH, "source": "image"}}, "control", CONTROL, None),
    ({"control": {"type": "depth", "source": "image"}}, "control", CONTROL, None),
    ({"control": DEPTH, "camera": "jib_up"}, "control", CONTROL, None),
    ({"control": {**DEPTH, "type": "dept"}}, "control.type", ["depth", "canny", "pose"], "depth"),
    ({"control": {**DEPTH, "strength": 1.5}}, "control.strength", [IN_WORDS["control.strength"]], "1.0"),
    ({"control": {**DEPTH, "strength": "0.5"}}, "control.strength", [IN_WORDS["control.strength"]], None),
    ({"control": {**DEPTH, "preprocessed": 0}}, "control.preprocessed", BOOLEANS, None),
    ({"control": {**DEPTH, "mask": "x"}}, "control.mask", None, None),
    # the rest
    ({"webhook_url": "mivo.example/hook"}, "webhook_url", HOOK, None),
    ({"metadata": ["a"]}, "metadata", METADATA, None),
    ({"metadata": {"a": 1}}, "metadata.a", METADATA, None),
    ({"metadata": {"a": {"b": "c"}}}, "metadata.a", METADATA, None),
    ({"metadata": {"a": "x" * 2048}}, "metadata", METADATA, None),
    ({"metadata": {"a": "\ud800"}}, "metadata.a", METADATA, None),
    ({"metadata": {"a": "\x00"}}, "metadata.a", METADATA, None),
    ({"promt": "a cat"}, "promt", None, "prompt"),
    ({"temporal_upscaling": True}, "temporal_upscaling", None, "temporal_upscale"),
    ({"turbo": True}, "turbo", None, None),
    *(({name: "x"}, name, None, None) for name in OUT_OF_SCOPE),
]


@pytest.mark.parametrize(("body", "field", "legal", "nearest"), BAD, ids=lambda part: ascii(part)[:60])
def test_bad_input_is_refused_by_name_with_the_legal_values(
    body: dict[str, Any], field: str, legal: list[str] | None, nearest: str | None
) -> None:
    found = refused({"prompt": "a cat", **body})
    assert [(problem.field, problem.legal, problem.nearest) for problem in found] == [(field, legal, nearest)]
    assert found[0].message


@pytest.mark.parametrize("name", OUT_OF_SCOPE)
def test_what_is_out_of_scope_is_said_to_be(name: str) -> None:
    (problem,) = refused({"prompt": "a cat", name: "x"})
    assert problem.message == f"not accepted: {OUT_OF_SCOPE[name]}"


def test_a_missing_prompt_is_named() -> None:
    assert [problem.field for problem in refused({})] == ["prompt"]


@pytest.mark.parametrize("body", [None, [], "a cat", 7, True])
def test_only_an_object_is_a_request(body: Any) -> None:
    (problem,) = refused(body)
    assert (problem.field, problem.message) == ("body", "send a JSON object")


def test_every_wrong_field_is_named_at_once() -> None:
    found = refused({"prompt": "", "duration": 11, "camera": "spin", "cfg": 3})
    assert [problem.field for problem in found] == ["prompt", "duration", "camera", "cfg"]


def test_one_wrong_field_does_not_blame_another() -> None:
    for body in (
        {"resolution": "4k", "duration": 15},
        {"quality": "best", "steps": 25},
        {"camera": "spin", "control": DEPTH},
    ):
        assert [problem.field for problem in refused({"prompt": "a cat", **body})] == [next(iter(body))]


@pytest.mark.parametrize("body", [{"resolution": "4k"}, {"resolution": "draft"}, {"duration": 3}])
def test_the_draft_tier_is_not_offered_where_it_is_off(body: dict[str, Any]) -> None:
    assert "draft" not in "".join(problem.model_dump_json() for problem in refused({"prompt": "a cat", **body}))


def test_the_draft_tier_is_offered_where_it_is_on() -> None:
    (problem,) = refused({"prompt": "a cat", "resolution": "4k"}, allow_draft=True)
    assert problem.legal == ["720p", "1080p", "draft"]
    (problem,) = refused({"prompt": "a cat", "resolution": "draft", "duration": 10}, allow_draft=True)
    assert (problem.field, problem.legal, problem.nearest) == ("duration", ["1", "2", "3", "4", "5"], "5")
    (problem,) = refused({"prompt": "a cat", "duration": 3}, allow_draft=True)
    assert problem.legal == DURATIONS


def test_the_answer_does_not_grow_with_the_nonsense() -> None:
    found = refused({"prompt": "a cat"} | {f"{'x' * 500}{number}": 1 for number in range(500)})
    assert len(found) == problems.MAX_PROBLEMS
    assert max(len(problem.field) for problem in found) <= problems.MAX_FIELD
    assert refused({"prompt": "a cat", "camera": "x" * 1_000_000, "y" * 1_000_000: 1})


FIELDS = sorted(problems.KNOWN_FIELDS)
SHAPES: list[Any] = [
    lambda text: text,
    lambda text: [text],
    lambda text: [text, text],
    lambda text: {"type": text, "upload_id": text},
    lambda text: {"a": [text]},
    lambda text: f"https://{text}",
    lambda text: [f"gopher://{text}/"],
    lambda text: [f"https://example.com:{text}/"],
]


@brisk
@given(st.sampled_from(FIELDS), st.sampled_from(SHAPES), st.text("ÄÖqj \x00'", min_size=8, max_size=40))
@example("webhook_url", SHAPES[0], "https://[q]/ jqjqjq")
def test_the_value_is_never_repeated(field: str, shape: Any, value: str) -> None:
    marked = f"qjqj{value}"
    try:
        GenerationRequest.model_validate({"prompt": "a cat"} | {field: shape(marked)})
    except ValidationError as error:
        found = problems.of(error)
        assert found
        assert "qjqj" not in json.dumps([problem.model_dump() for problem in found], ensure_ascii=False)
    else:
        assume(False)


@brisk
@given(
    st.dictionaries(
        st.sampled_from(FIELDS) | st.text(max_size=20),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
            max_leaves=5,
        ),
        max_size=6,
    )
)
@example({"\ud800": 1})
def test_any_object_is_taken_or_refused_in_words(body: dict[str, Any]) -> None:
    try:
        GenerationRequest.model_validate(body)
    except ValidationError as error:
        for problem in problems.of(error):
            assert FieldProblem.model_validate_json(problem.model_dump_json()) == problem
