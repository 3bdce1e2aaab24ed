"""What the user may ask for (design section 4): the fields, their legal values, their defaults."""

import json
from typing import Any

import pytest

from shared.contracts.problems import KNOWN_FIELDS
from shared.contracts.request import MAX_METADATA, GenerationRequest
from shared.contracts.stage import MAX_PROMPT, MAX_SEED
from shared.contracts.vocabulary import Camera, Precision, Quality, Resolution

UPLOAD = "0123456789abcdef" * 2
IMAGE = "https://example.com/cat.png"
DEPTH = {"type": "depth", "upload_id": UPLOAD}


def request(**fields: Any) -> GenerationRequest:
    return GenerationRequest.model_validate({"prompt": "a cat", **fields})


def test_defaults() -> None:
    asked = request()
    assert asked.model_dump() == {
        "model": "ltx-2",
        "prompt": "a cat",
        "image_urls": (),
        "upload_id": None,
        "quality": Quality.FAST,
        "resolution": Resolution.HD,
        "duration": 10,
        "aspect_ratio": "16:9",
        "camera": Camera.STATIC,
        "spatial_upscale": True,
        "temporal_upscale": False,
        "detailer": False,
        "control": None,
        "precision": Precision.FP8,
        "steps": None,
        "seed": None,
        "early_look": True,
        "webhook_url": None,
        "metadata": {},
    }
    assert not asked.has_image


LEGAL: list[dict[str, Any]] = [
    {"model": "ltx-2"},
    {"model": "ltx-2-t2v"},
    {"model": "ltx-2-i2v", "upload_id": UPLOAD},
    {"model": "ltx-2-i2v", "image_urls": [IMAGE]},
    {"prompt": "x"},
    {"prompt": "x" * MAX_PROMPT},
    {"prompt": "猫\n\tüber 🎬"},
    {"upload_id": UPLOAD},
    *({"quality": quality} for quality in ("fast", "pro")),
    *({"resolution": resolution} for resolution in ("720p", "1080p")),
    *({"duration": seconds} for seconds in (10, 15, 20)),
    {"aspect_ratio": "16:9"},
    *({"camera": camera} for camera in ("static", "dolly_in", "dolly_out", "dolly_left", "dolly_right")),
    *({"camera": camera} for camera in ("jib_up", "jib_down", "none")),
    *({name: value} for name in ("spatial_upscale", "temporal_upscale", "early_look") for value in (True, False)),
    {"detailer": True},
    *({"precision": precision} for precision in ("fp8", "full")),
    {"quality": "pro", "steps": 20},
    {"quality": "pro", "steps": 40},
    {"seed": 0},
    {"seed": MAX_SEED},
    {"metadata": {"user": "7", "tag": "猫"}},
]


@pytest.mark.parametrize("fields", LEGAL, ids=lambda fields: json.dumps(fields)[:60])
def test_every_legal_value_arrives_as_it_was_sent(fields: dict[str, Any]) -> None:
    said = json.loads(request(**fields).model_dump_json())
    assert {name: said[name] for name in fields} == fields


def test_every_field_of_the_design_is_there() -> None:
    tried = {name for fields in LEGAL for name in fields} | {"control", "webhook_url", "camera_lora"}
    assert tried == set(KNOWN_FIELDS)


def test_the_prompt_is_trimmed_before_it_is_counted() -> None:
    assert request(prompt=f"  \n{'x' * MAX_PROMPT}\t ").prompt == "x" * MAX_PROMPT


def test_camera_lora_is_another_name_of_camera() -> None:
    assert request(camera_lora="jib_up").camera is Camera.JIB_UP


def test_an_image_makes_it_image_to_video() -> None:
    assert request(image_urls=[IMAGE]).has_image
    assert str(request(image_urls=[IMAGE]).image_urls[0]) == IMAGE
    assert request(upload_id=UPLOAD).has_image
    assert not request(image_urls=[]).has_image


@pytest.mark.parametrize("seconds", [1, 2, 3, 4, 5])
def test_drafts_where_they_are_allowed(seconds: int) -> None:
    body = {"prompt": "x", "resolution": "draft", "duration": seconds}
    asked = GenerationRequest.model_validate(body, context={"allow_draft": True})
    assert (asked.resolution, asked.duration) == (Resolution.DRAFT, seconds)


@pytest.mark.parametrize("kind", ["depth", "canny", "pose"])
@pytest.mark.parametrize("camera", ["static", "none"])
def test_control(kind: str, camera: str) -> None:
    control = request(control={"type": kind, "upload_id": UPLOAD}, camera=camera).control
    assert control is not None
    assert (control.type, control.upload_id, control.preprocessed, control.strength) == (kind, UPLOAD, False, 1.0)


def test_control_by_url_and_by_the_image() -> None:
    by_url = request(control={"type": "pose", "video_url": "https://example.com/v.mp4", "strength": 0.5}).control
    assert by_url is not None
    assert (str(by_url.video_url), by_url.strength) == ("https://example.com/v.mp4", 0.5)
    by_image = request(control={"type": "canny", "source": "image", "preprocessed": True}, image_urls=[IMAGE]).control
    assert by_image is not None
    assert (by_image.source, by_image.preprocessed) == ("image", True)


def test_metadata_may_fill_its_room_exactly() -> None:
    room = MAX_METADATA - len(json.dumps({"k": ""}))
    assert request(metadata={"k": "x" * room}).metadata == {"k": "x" * room}


def test_webhook_url() -> None:
    assert str(request(webhook_url="https://mivo.example/hook?x=1").webhook_url) == "https://mivo.example/hook?x=1"


def test_a_request_survives_json_and_cannot_be_changed() -> None:
    asked = request(camera="jib_up", image_urls=[IMAGE], metadata={"a": "b"}, seed=5)
    assert GenerationRequest.model_validate_json(asked.model_dump_json()) == asked
    with pytest.raises(ValueError, match="frozen"):
        asked.seed = 6  # type: ignore[misc]
