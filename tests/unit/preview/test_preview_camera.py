"""Each camera LoRA moves the decoded frames its own way: the hypothesis that explains the last frame best is right."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from local.comfyui_preview.numerics import codec
from local.comfyui_preview.numerics.arrays import F32, f32
from local.comfyui_preview.numerics.camera import FREE, MOVES, move_of
from local.comfyui_preview.numerics.decoded import Decoded
from local.comfyui_preview.numerics.diffusion import Direction, base_target, refine_target
from local.comfyui_preview.numerics.frames import picture
from local.comfyui_preview.numerics.upscale import spatial

SIZE = (256, 192)
WAY = 0.05 * 2  # 49 frames at 24 per second, 0.05 picture heights (or ln zoom) per second

# How the camera is expected to move the picture: (zoom, right, down), in picture heights; written down by hand.
EXPECTED = {
    "static": (1.0, 0.0, 0.0),
    "dolly-in": (np.exp(WAY), 0.0, 0.0),
    "dolly-out": (np.exp(-WAY), 0.0, 0.0),
    "dolly-left": (1.0, WAY, 0.0),  # the camera goes left, so the picture goes right
    "dolly-right": (1.0, -WAY, 0.0),
    "jib-up": (1.0, 0.0, WAY),
    "jib-down": (1.0, 0.0, -WAY),
}


def lora(word: str) -> tuple[tuple[str, float], ...]:
    return ((f"ltx-2-19b-lora-camera-control-{word}.safetensors", 1.0),)


def direction(word: str | None, prompt: str) -> Direction:
    loras = lora(word) if word else ()
    return Direction(hashlib.sha256(prompt.encode()).digest(), 3, move_of(loras), 24.0)


def blank() -> F32:
    return codec.empty(7, SIZE[1] // codec.CELL, SIZE[0] // codec.CELL)


def photograph() -> F32:
    latent = blank()
    rows, columns = codec.luma_shape(*latent.shape[2:])
    blurred = Image.fromarray(np.random.default_rng(5).integers(0, 255, (9, 12), np.uint8))
    luma = np.asarray(blurred.resize((columns, rows), Image.Resampling.BICUBIC)) / 255
    codec.write_luma(latent, 0, f32(luma))
    return latent


def moved(image: Image.Image, zoom: float, right: float, down: float) -> Image.Image:
    width, height = image.size
    x = width / 2 * (1 - 1 / zoom) - right * height
    y = height / 2 * (1 - 1 / zoom) - down * height
    return image.transform(
        image.size, Image.Transform.AFFINE, (1 / zoom, 0, x, 0, 1 / zoom, y), Image.Resampling.BILINEAR
    )


def likeness(one: Image.Image, other: Image.Image) -> float:
    """Correlation within the middle, where no edge of the picture comes into view."""
    width, height = one.size
    middle = (width // 6, height // 6, width * 5 // 6, height * 5 // 6)
    a, b = (np.asarray(part.crop(middle).convert("L"), np.float64).ravel() for part in (one, other))
    return float(np.corrcoef(a, b)[0, 1])


def best_explanation(latent: F32) -> tuple[str, float]:
    frames = Decoded(latent)
    first, last = (Image.fromarray(picture(frames, index)) for index in (0, frames.count - 1))
    scores = {word: likeness(moved(first, *way), last) for word, way in EXPECTED.items()}
    word = max(scores, key=lambda name: scores[name])
    return word, scores[word]


@pytest.mark.parametrize("word", sorted(EXPECTED))
@pytest.mark.parametrize("prompt", ["a lighthouse", "a city at night", "two dogs", "the sea"])
def test_text_to_video_moves_as_the_camera_says(word: str, prompt: str) -> None:
    latent = base_target(blank(), direction(word, prompt), from_image=False)
    found, score = best_explanation(latent)
    assert found == word
    assert score > 0.85


@pytest.mark.parametrize("word", sorted(EXPECTED))
def test_image_to_video_moves_as_the_camera_says(word: str) -> None:
    latent = base_target(photograph(), direction(word, "a portrait"), from_image=True)
    found, score = best_explanation(latent)
    assert found == word
    assert score > 0.9


@pytest.mark.parametrize("word", sorted(EXPECTED))
def test_a_refine_keeps_the_move(word: str) -> None:
    base = base_target(blank(), direction(word, "a lighthouse"), from_image=False)
    refined = refine_target(spatial(base), direction(word, "a lighthouse"), from_image=False)
    assert best_explanation(refined)[0] == word


def test_the_seven_cameras_are_all_known_and_the_rest_drifts() -> None:
    assert MOVES.keys() == EXPECTED.keys()
    assert move_of(()) == FREE
    assert move_of((("ltx-2-19b-distilled-lora-384.safetensors", 1.0), *lora("jib-up"))).y < 0
    assert move_of(((lora("dolly-in")[0][0], 0.5),)).zoom == 0.5


def test_a_long_clip_travels_no_further_than_its_reach() -> None:
    assert MOVES["dolly-left"].at(1.0, 3600).x == pytest.approx(-0.5)
    assert MOVES["dolly-in"].at(0.0, 10).zoom == 1.0
