"""A thin sample of a finished video: what can be seen and heard in it, in figures."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import ffmpeg
import numpy as np
from numpy.typing import NDArray

from shared.errors import FatalError
from shared.media.probe import probe
from shared.media.process import argv_of, local, run

PICTURES = 12
"""Whole frames that are looked at, evenly spread: 25 MB of luma at 1920x1080."""
ROWS, COLUMNS = 36, 64
"""Of the miniature of every frame. One of its pixels is the mean of a block of 30x30 at 1920x1080, about an eye of a
face; 960 of them, 20 s at 48 fps, take 2 MB."""
AUDIO_RATE = 48_000

Pixels = NDArray[np.uint8]
Sound = NDArray[np.float32]


@dataclass(frozen=True)
class Sample:
    """Figures of a video. Luma and levels are 0..1; 1 is white, or full scale."""

    darkest: tuple[float, ...]
    """Luma of the darkest pixel of each sampled frame."""
    brightest: tuple[float, ...]
    change: float
    """By how much the block that changes most changes in mean luma, over all frames."""
    peak: float
    """Highest level of the sound; NaN or infinite when one of its samples is."""
    loudness: float
    """RMS of the sound over the whole video."""
    offset: float
    """Mean level of the sound."""


async def sample(path: Path, *, timeout: float = 120) -> Sample:  # noqa: ASYNC109  seconds; ends ffmpeg too
    """Decode a video once: a few of its frames whole, all of them in miniature, and all of its sound.

    Memory is bounded by the size of a frame and by the seconds: 35 MB for 20 s at 1920x1080. FatalError bad_output
    when it cannot be decoded; TransientError execution_timeout.
    """
    info = await probe(path)
    with TemporaryDirectory(prefix="ltx2-sample-") as folder:
        frames, miniatures, sound = (Path(folder) / name for name in ("frames", "miniatures", "sound"))
        read = ffmpeg.input(local(path))
        pictures = read.video.filter("scale", out_range="pc").filter("format", "gray").split()
        some = pictures[0].filter("select", f"not(mod(n,{max(1, info.frames // PICTURES)}))")
        small = pictures[1].filter("scale", COLUMNS, ROWS, flags="area")
        outputs = ffmpeg.merge_outputs(
            ffmpeg.output(some, local(frames), format="rawvideo", vsync=0, vframes=PICTURES),
            ffmpeg.output(small, local(miniatures), format="rawvideo", vsync=0),
            ffmpeg.output(read.audio, local(sound), format="f32le", ar=AUDIO_RATE),
        )
        done = await run(argv_of(outputs), timeout=timeout)
        if done.code:
            raise FatalError("bad_output", f"the delivered video cannot be decoded: {done.said}")
        return await asyncio.to_thread(
            figures,
            np.fromfile(frames, np.uint8).reshape(-1, info.height, info.width),
            np.fromfile(miniatures, np.uint8).reshape(-1, ROWS, COLUMNS),
            np.fromfile(sound, np.float32),
        )


def figures(frames: Pixels, miniatures: Pixels, sound: Sound) -> Sample:
    """The figures of luma [frames, rows, columns] 0..255 and of samples -1..1. FatalError bad_output for none."""
    if not frames.size or not miniatures.size or not sound.size:
        raise FatalError("bad_output", f"the video has {len(frames)} readable frames and {sound.size} sound samples")
    changes = miniatures.max(axis=0).astype(int) - miniatures.min(axis=0)
    return Sample(
        darkest=tuple(float(frame.min()) / 255 for frame in frames),
        brightest=tuple(float(frame.max()) / 255 for frame in frames),
        change=float(changes.max()) / 255,
        peak=float(np.abs(sound).max()),
        loudness=float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))),
        offset=float(np.mean(sound, dtype=np.float64)),
    )
