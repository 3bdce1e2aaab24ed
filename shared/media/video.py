"""The video that is delivered: exact in size, frames, rate and seconds, with sound."""

from fractions import Fraction
from pathlib import Path

import ffmpeg

from shared.errors import FatalError
from shared.geometry import Clip, Size
from shared.media.probe import MediaInfo, probe
from shared.media.process import EXACT_COLOURS, argv_of, local, run

PRECISE = f"bicubic+{EXACT_COLOURS}"
EXACT = 0.001  # seconds; mp4 counts in milliseconds


async def check_delivered(path: Path, *, size: Size, clip: Clip) -> MediaInfo:
    """What is in a video that was made here; FatalError bad_output, with figures, unless it is exactly that."""
    made = await probe(path)
    got = (made.width, made.height, made.frames, made.fps)
    lengths = (made.seconds, made.video_seconds, made.audio_seconds or 0.0)
    if got == (size.width, size.height, clip.deliver, Fraction(clip.fps)) and all(
        abs(length - clip.seconds) <= EXACT for length in lengths
    ):
        return made
    raise FatalError(
        "bad_output",
        f"the delivered video has {made.width}x{made.height}, {made.frames} frames, {float(made.fps):g} fps and "
        f"{lengths} s (file, pictures, sound) instead of {size.width}x{size.height}, {clip.deliver}, "
        f"{clip.fps} and {clip.seconds}",
    )


async def poster(source: Path, target: Path, *, at_seconds: float, timeout: float = 60) -> None:  # noqa: ASYNC109
    """One frame of a video as a JPEG of the same size; FatalError bad_output when there is none at that time."""
    part = target.with_name(f".{target.stem}.part.jpg")
    output = ffmpeg.output(
        ffmpeg.input(local(source), ss=at_seconds).video.filter(
            "scale", out_color_matrix="bt601", out_range="pc", flags=PRECISE
        ),
        local(part),
        vframes=1,
        format="image2",
        vcodec="mjpeg",
        pix_fmt="yuvj420p",
        update=1,
        **{"q:v": 2},
    )
    try:
        done = await run(argv_of(output), timeout=timeout)
        if done.code or not part.exists():
            raise FatalError("bad_output", f"no frame at {at_seconds:g} s for the poster: {done.said}")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
