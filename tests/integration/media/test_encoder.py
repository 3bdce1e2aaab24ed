"""The node's own ffmpeg: gone whenever it is not wanted any more, and its words in the error."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from workers.comfy_nodes.mivo.command import Delivery, Sound, command
from workers.comfy_nodes.mivo.encoder import QUEUED, Encoder, EncoderError

FRAME = bytes(3 * 256 * 192)
DELIVERY = Delivery(
    decoded=(256, 192), frames=24, fps=24, x=0, y=24, width=256, height=144, shrink=1, crf=23, preset="ultrafast",
    comment="",
)  # fmt: skip
DEAF = [sys.executable, "-c", "import signal; signal.pause()"]
"""Takes nothing, and never ends."""


class StopError(Exception):
    """As ComfyUI raises when it is interrupted."""


def quiet() -> None:
    pass


def running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def encode(encoder: Encoder, frames: int, meanwhile: Callable[[], object] = quiet) -> None:
    with encoder:
        for _ in range(frames):
            encoder.write([FRAME[: len(FRAME) // 2], FRAME[len(FRAME) // 2 :]])
        meanwhile()
        encoder.finish()


def deaf(folder: Path, watch: Callable[[], None] = quiet, seconds: float = 60) -> Encoder:
    return Encoder(lambda _: DEAF, folder / "v.mp4", watch=watch, stall_seconds=seconds)


def stop() -> None:
    raise StopError


def test_what_is_left_half_way_is_killed_and_leaves_nothing(tmp_path: Path) -> None:
    heard = Sound(tmp_path / "sound.f32", 24_000, 2)
    heard.path.write_bytes(bytes(8 * 24_000))
    encoder = Encoder(lambda part: command(DELIVERY, heard, part), tmp_path / "v.mp4", watch=quiet)
    with pytest.raises(StopError):
        encode(encoder, 20, stop)
    assert not running(encoder._process.pid)
    assert list(tmp_path.iterdir()) == [heard.path]


def test_a_sound_that_is_not_there_is_told_in_ffmpegs_words(tmp_path: Path) -> None:
    gone = Sound(tmp_path / "gone.f32", 24_000, 2)
    encoder = Encoder(lambda part: command(DELIVERY, gone, part), tmp_path / "v.mp4", watch=quiet)
    with pytest.raises(EncoderError, match=r"ffmpeg ended with \d+: .*gone.f32: No such file or directory"):
        encode(encoder, 24)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_one_is_a_lack_of_memory(tmp_path: Path) -> None:
    encoder = deaf(tmp_path)
    with pytest.raises(MemoryError, match="ffmpeg was killed"):
        encode(encoder, 1, lambda: os.kill(encoder._process.pid, signal.SIGKILL))


@pytest.mark.parametrize("frames", [1, QUEUED + 2])
def test_one_that_takes_no_frame_is_given_up(tmp_path: Path, frames: int) -> None:
    encoder = deaf(tmp_path, seconds=0.1)
    with pytest.raises(EncoderError, match=r"ffmpeg took no frame for 0.1 s"):
        encode(encoder, frames)
    assert not running(encoder._process.pid)


def test_whoever_waits_for_it_can_be_interrupted(tmp_path: Path) -> None:
    encoder = deaf(tmp_path, stop)
    with pytest.raises(StopError):
        encode(encoder, 1)
    assert not running(encoder._process.pid)


def test_without_an_ffmpeg_it_says_what_to_do(tmp_path: Path) -> None:
    encoder = Encoder(lambda _: ["no-ffmpeg"], tmp_path / "v.mp4", watch=quiet)
    with pytest.raises(EncoderError, match="no-ffmpeg cannot be started; install ffmpeg"):
        encode(encoder, 1)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"height": 192}, "a decoded frame of 256x192 does not hold 256x192 at"),
        ({"shrink": 5}, "256x144, 5 times smaller, is no even size"),
    ],
)
def test_a_delivery_that_cannot_be_is_refused_before_anything_is_decoded(changed: dict[str, int], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Delivery(**{**DELIVERY.__dict__, **changed})
