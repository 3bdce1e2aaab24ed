import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from shared import delivery, latents
from shared.contracts import keys
from shared.contracts.artifact import Artifact, latent_key, stage_key_of_latents
from shared.contracts.stage import BaseGenInput, SpatialUpscaleInput, StageInput, TemporalUpscaleInput
from shared.contracts.vocabulary import Resolution
from shared.errors import FatalError
from shared.worker import outputs

LATENT = Artifact(key="latents/x", sha256="0" * 64, bytes=1, media_type="a/b", shape=(1, 8, 26, 16))


def latent(path: Path, array: np.ndarray, name: str = latents.LATENT) -> Path:
    save_file({name: array}, path)
    return path


@pytest.mark.parametrize(
    ("work", "size", "frames", "fps"),
    [
        (BaseGenInput(prompt="x"), (640, 360), 240, 24),
        (BaseGenInput(prompt="x", half_resolution=False, resolution=Resolution.FULL_HD), (1920, 1080), 240, 24),
        (
            SpatialUpscaleInput(video_latent=LATENT, audio_latent=LATENT, conditioning=LATENT, duration=20),
            (1280, 720),
            480,
            24,
        ),
        (TemporalUpscaleInput(video_latent=LATENT, audio_latent=LATENT, duration=15), (1280, 720), 720, 48),
    ],
)
def test_what_a_run_has_to_deliver(work: StageInput, size: tuple[int, int], frames: int, fps: int) -> None:
    want = delivery.of(work)
    assert (want.size.width, want.size.height) == size
    assert (want.clip.deliver, want.clip.fps) == (frames, fps)


def test_latents_are_checked_and_named_under_their_own_key(tmp_path: Path) -> None:
    work = BaseGenInput(prompt="x", resolution=Resolution.DRAFT, duration=1)
    video = latent(tmp_path / "v", np.zeros((1, 128, 4, 3, 4), np.float32))
    sound = latent(tmp_path / "a", np.zeros((1, 8, 27, 16), np.float32))
    with_clip = {"video_latent": video, "audio_latent": sound, "video": tmp_path / "none"}
    files = outputs.check_latents(work, with_clip, "exec")
    assert {file.role: file.facts["shape"] for file in files} == {
        "video_latent": (1, 128, 4, 3, 4),
        "audio_latent": (1, 8, 27, 16),
    }
    assert {stage_key_of_latents(file.key) for file in files} == {
        keys.stage_key(work.model_copy(update={"ending": "latents"}))
    }


def test_a_misshapen_latent_is_bad_output_with_figures(tmp_path: Path) -> None:
    work = BaseGenInput(prompt="x", resolution=Resolution.DRAFT, duration=1)
    video = latent(tmp_path / "v", np.zeros((1, 128, 4, 6, 8), np.float32))
    with pytest.raises(FatalError, match=r"\[1, 128, 4, 6, 8\] instead of \[1, 128, 4, 3, 4\]") as caught:
        outputs.check_latents(work, {"video_latent": video}, "exec")
    assert caught.value.code == "bad_output"


def test_the_refine_has_to_return_the_sound_at_the_length_it_got(tmp_path: Path) -> None:
    work = SpatialUpscaleInput(
        video_latent=LATENT, audio_latent=LATENT, conditioning=LATENT, resolution=Resolution.DRAFT, duration=1
    )
    same = latent(tmp_path / "same", np.zeros((1, 8, 26, 16), np.float32))
    other = latent(tmp_path / "other", np.zeros((1, 8, 27, 16), np.float32))
    assert outputs.check_latents(work, {"audio_latent": same}, "exec")
    with pytest.raises(FatalError, match="audio_latent has shape"):
        outputs.check_latents(work, {"audio_latent": other}, "exec")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_values_that_are_not_finite_are_never_shipped(tmp_path: Path, bad: float, dtype: type) -> None:
    array: np.ndarray = np.ones((2, 3), dtype)
    assert latents.inspect(latent(tmp_path / "good", array), latents.LATENT).shape == (2, 3)
    array[1, 1] = bad
    with pytest.raises(FatalError, match="holds 1 values that are not finite"):
        latents.inspect(latent(tmp_path / "bad", array), latents.LATENT)


def bf16_file(path: Path, halves: list[int]) -> Path:
    data = struct.pack(f"<{len(halves)}H", *halves)
    header = f'{{"conditioning_data_0":{{"dtype":"BF16","shape":[{len(halves)}],"data_offsets":[0,{len(data)}]}}}}'
    header = header.ljust(-(-len(header) // 8) * 8)
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode() + data)
    return path


def test_bfloat16_conditioning_is_checked_without_a_bfloat16_library(tmp_path: Path) -> None:
    good = bf16_file(tmp_path / "good", [0x3F80, 0x0000, 0xC000])
    assert latents.inspect(good, latents.CONDITIONING).dtype == "BF16"
    with pytest.raises(FatalError, match="not finite"):
        latents.inspect(bf16_file(tmp_path / "bad", [0x3F80, 0x7FC0]), latents.CONDITIONING)


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "no safetensors"), (b"{}" * 30, "no safetensors"), (None, "lacks the tensor")]
)
def test_files_that_are_no_latents_are_bad_output(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "x"
    if content is None:
        latent(path, np.zeros((1,), np.float32), "other")
    else:
        path.write_bytes(content)
    with pytest.raises(FatalError, match=said) as caught:
        latents.inspect(path, latents.LATENT)
    assert caught.value.code == "bad_output"


def test_latents_name_their_stage_key() -> None:
    assert stage_key_of_latents(latent_key("f" * 64, "e", "video_latent")) == "f" * 64
    for key in ("videos/x.mp4", "latents/x", "latents/x/y.safetensors"):
        with pytest.raises(ValueError, match="not the key of a latent"):
            stage_key_of_latents(key)
