"""Sizes, frames, crops and latent shapes against the numbers of facts/ltx2.md sections 1.2 to 1.4."""

from dataclasses import astuple
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import geometry
from shared.contracts.vocabulary import Resolution
from shared.geometry import Crop, Size

brisk = settings(deadline=None, database=None, max_examples=60)

RESOLUTIONS = st.sampled_from(Resolution)
SECONDS = st.integers(1, 60)

TIERS = [
    # resolution, half, deliver, generate, crop
    ("1080p", False, (1920, 1080), (1920, 1088), Crop(1920, 1080, 0, 4)),
    ("1080p", True, (960, 540), (960, 544), Crop(960, 540, 0, 2)),
    ("720p", False, (1280, 720), (1280, 768), Crop(1280, 720, 0, 24)),
    ("720p", True, (640, 360), (640, 384), Crop(640, 360, 0, 12)),
    ("draft", False, (256, 144), (256, 192), Crop(256, 144, 0, 24)),
    ("draft", True, (128, 72), (128, 96), Crop(128, 72, 0, 12)),
]

CLIPS = [
    # seconds, generated, delivered, generated at 48 fps, delivered at 48 fps
    (10, 241, 240, 481, 480),
    (15, 361, 360, 721, 720),
    (20, 481, 480, 961, 960),
    (1, 25, 24, 49, 48),
    (5, 121, 120, 241, 240),
]

LATENTS = [
    # size, frames, shape, tokens, bytes in bf16
    ((1280, 768), 241, (1, 128, 31, 24, 40), 29_760, 7_618_560),
    ((640, 384), 241, (1, 128, 31, 12, 20), 7_440, 1_904_640),
    ((1280, 768), 361, (1, 128, 46, 24, 40), 44_160, 11_304_960),
    ((640, 384), 361, (1, 128, 46, 12, 20), 11_040, 2_826_240),
    ((1280, 768), 481, (1, 128, 61, 24, 40), 58_560, 14_991_360),
    ((640, 384), 481, (1, 128, 61, 12, 20), 14_640, 3_747_840),
    ((1920, 1088), 241, (1, 128, 31, 34, 60), 63_240, 16_189_440),
    ((960, 544), 241, (1, 128, 31, 17, 30), 15_810, 4_047_360),
    ((1920, 1088), 361, (1, 128, 46, 34, 60), 93_840, 24_023_040),
    ((960, 544), 361, (1, 128, 46, 17, 30), 23_460, 6_005_760),
    ((1920, 1088), 481, (1, 128, 61, 34, 60), 124_440, 31_856_640),
    ((960, 544), 481, (1, 128, 61, 17, 30), 31_110, 7_964_160),
    # after temporal x2
    ((1280, 768), 721, (1, 128, 91, 24, 40), 87_360, 22_364_160),
    ((1280, 768), 961, (1, 128, 121, 24, 40), 116_160, 29_736_960),
    ((1920, 1088), 721, (1, 128, 91, 34, 60), 185_640, 47_523_840),
    ((1920, 1088), 961, (1, 128, 121, 34, 60), 246_840, 63_191_040),
]


@pytest.mark.parametrize(("resolution", "half", "deliver", "generate", "crop"), TIERS)
def test_tiers(resolution: str, half: bool, deliver: tuple[int, int], generate: tuple[int, int], crop: Crop) -> None:
    tier = geometry.tier(Resolution(resolution), half=half)
    assert (astuple(tier.deliver), astuple(tier.generate), tier.crop) == (deliver, generate, crop)


@pytest.mark.parametrize(("seconds", "generate", "deliver", "generate_48", "deliver_48"), CLIPS)
def test_clips(seconds: int, generate: int, deliver: int, generate_48: int, deliver_48: int) -> None:
    clip = geometry.clip(seconds)
    assert astuple(clip) == (generate, deliver, 24, seconds)
    assert astuple(clip.doubled()) == (generate_48, deliver_48, 48, seconds)


@pytest.mark.parametrize(("size", "frames", "shape", "tokens", "bf16"), LATENTS)
def test_video_latents(
    size: tuple[int, int], frames: int, shape: tuple[int, int, int, int, int], tokens: int, bf16: int
) -> None:
    found = geometry.video_latent_shape(Size(*size), frames)
    assert found == shape
    assert prod(found[2:]) == tokens
    assert 2 * prod(found) == bf16


@pytest.mark.parametrize(("frames", "length", "bf16"), [(241, 252, 64_512), (361, 377, 96_512), (481, 502, 128_512)])
def test_audio_latents_are_as_long_as_comfyui_makes_them(frames: int, length: int, bf16: int) -> None:
    shape = geometry.audio_latent_shape(frames)
    assert shape == (1, 8, length, 16)
    assert 2 * prod(shape) == bf16


@pytest.mark.parametrize("size", [Size(1280, 720), Size(1910, 1088), Size(16, 32)])
def test_an_illegal_size_is_an_error_not_a_rounding(size: Size) -> None:
    with pytest.raises(ValueError, match="multiple of 32"):
        geometry.video_latent_shape(size, 241)


@pytest.mark.parametrize("frames", [240, 242, 248, 0])
def test_an_illegal_length_is_an_error_not_a_rounding(frames: int) -> None:
    with pytest.raises(ValueError, match="8n"):
        geometry.video_latent_shape(Size(1280, 768), frames)


def test_durations() -> None:
    assert geometry.durations(Resolution.HD) == geometry.durations(Resolution.FULL_HD) == (10, 15, 20)
    assert geometry.durations(Resolution.DRAFT) == (1, 2, 3, 4, 5)


@brisk
@given(RESOLUTIONS)
def test_generated_sizes_suit_the_model_and_contain_the_crop(resolution: Resolution) -> None:
    full, half = geometry.tier(resolution, half=False), geometry.tier(resolution, half=True)
    assert full.generate.width % 64 == full.generate.height % 64 == 0, "two-pass sizes are multiples of 64"
    assert half.generate.width % 32 == half.generate.height % 32 == 0
    assert astuple(half.generate) == (full.generate.width / 2, full.generate.height / 2)
    for tier in (full, half):
        crop = tier.crop
        assert crop.width * 9 == crop.height * 16, "16:9, exactly"
        assert crop.width % 2 == crop.height % 2 == crop.x % 2 == crop.y % 2 == 0, "yuv420p halves the chroma"
        assert 0 <= crop.x <= tier.generate.width - crop.width
        assert 0 <= crop.y <= tier.generate.height - crop.height
        assert 2 * crop.x + crop.width == tier.generate.width, "centred"
        assert 2 * crop.y + crop.height == tier.generate.height, "centred"


@brisk
@given(SECONDS)
def test_clips_are_8n_plus_1_and_doubling_keeps_the_seconds(seconds: int) -> None:
    clip = geometry.clip(seconds)
    twice = clip.doubled()
    for each in (clip, twice):
        assert each.generate % 8 == 1
        assert each.deliver == each.generate - 1 == each.fps * each.seconds
    assert twice.generate == 2 * clip.generate - 1
    assert (twice.fps, twice.seconds) == (2 * clip.fps, clip.seconds)


@brisk
@given(RESOLUTIONS, SECONDS)
def test_latents_double_as_the_upscalers_double_them(resolution: Resolution, seconds: int) -> None:
    clip = geometry.clip(seconds)
    half = geometry.video_latent_shape(geometry.tier(resolution, half=True).generate, clip.generate)
    full = geometry.video_latent_shape(geometry.tier(resolution, half=False).generate, clip.generate)
    assert full == (*half[:3], 2 * half[3], 2 * half[4])
    after = geometry.video_latent_shape(geometry.tier(resolution, half=False).generate, clip.doubled().generate)
    assert after == (*full[:2], 2 * full[2] - 1, *full[3:])


@brisk
@given(SECONDS)
def test_the_sound_lasts_as_long_as_the_video(seconds: int) -> None:
    clip = geometry.clip(seconds)
    length = geometry.audio_latent_length(clip.generate)
    assert length - 1 < clip.generate / clip.fps * geometry.AUDIO_LATENTS_PER_SECOND <= length
    assert length / geometry.AUDIO_LATENTS_PER_SECOND >= seconds
