"""What a control follows: a clip of the sampled size, rate and length, made of a user's video or picture."""

import asyncio
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg

from shared.errors import FatalError
from shared.geometry import Size
from shared.media.images import normalise_image
from shared.media.probe import probe
from shared.media.process import EXACT_COLOURS, argv_of, local, run
from shared.media.users import read, unreadable

FINE = f"lanczos+{EXACT_COLOURS}"
CRF, PRESET = 10, "veryfast"
"""x264 at 10 differs from its source by less than what any edge, depth or pose detector sees."""
BITRATE, BURST = "32M", "16M"
"""Bits a second, and above that at most: ComfyUI takes no upload above 100 MiB (facts/comfyui.md section 4), and a
clip lasts up to 20 s. Only noise and rain at 1920x1088 come near it."""


async def fit_video(
    source: Path,
    target: Path,
    *,
    delivered: Size,
    generated: Size,
    frames: int,
    fps: int,
    timeout: float = 300,  # noqa: ASYNC109  seconds; ends ffmpeg too
) -> None:
    """Make a user's video into a clip of exactly `frames` frames of `generated` pixels at `fps`, without sound.

    The rate is changed by leaving out or repeating frames; a longer video is cut, of a shorter one the last frame
    is held. The upright picture's middle covers `delivered`; rows and columns around it mirror its edges, as
    `normalise_image` does it. Near-lossless H.264 in BT.601, which is what a reader that ignores tags assumes.
    `target` appears only when it is right. Frames are streamed: memory does not grow with the length.

    UserError input_not_media when it cannot be decoded; TransientError execution_timeout; FatalError internal.
    """
    wide, high = delivered.width, delivered.height
    middle = {
        # in stored pixels, which need not be square; two at least, as chroma has half the rows and columns
        "w": f"max(2,min(iw,ih*{wide}/{high}/sar))",
        "h": f"max(2,min(ih,iw*sar*{high}/{wide}))",
    }
    picture = (
        read(source)
        .filter("setpts", "PTS-STARTPTS")
        .filter("fps", fps)
        .filter("crop", **middle)
        .filter("scale", wide, high, flags=FINE, out_color_matrix="bt601", out_range="tv")
        .filter("setsar", 1)
        .filter("tpad", stop=-1, stop_mode="clone")
        .filter("trim", end_frame=frames)
    )
    await _write(_mirrored(picture, delivered, generated), target, generated, frames=frames, fps=fps, timeout=timeout)


async def hold_image(
    source: Path,
    target: Path,
    *,
    delivered: Size,
    generated: Size,
    frames: int,
    fps: int,
    timeout: float = 120,  # noqa: ASYNC109  seconds; ends ffmpeg too
) -> None:
    """Make a clip as `fit_video` does, of one picture that is held over all frames. Errors: as of `normalise_image`."""
    still = target.with_name(f".{target.stem}.still.png")
    try:
        await asyncio.to_thread(
            normalise_image,
            source,
            still,
            delivered=(delivered.width, delivered.height),
            generated=(generated.width, generated.height),
        )
        picture = (
            ffmpeg.input(local(still), loop=1, framerate=fps)
            .video.filter("scale", flags=FINE, out_color_matrix="bt601", out_range="tv")
            .filter("trim", end_frame=frames)
        )
        await _write(picture, target, generated, frames=frames, fps=fps, timeout=timeout)
    finally:
        still.unlink(missing_ok=True)


def _mirrored(picture: Any, delivered: Size, generated: Size) -> Any:
    """The picture in the middle of the generated size, its edges mirrored around it."""
    columns, rows = generated.width - delivered.width, generated.height - delivered.height
    if min(columns, rows) < 0 or columns % 4 or rows % 4:  # 2 sides, in whole chroma rows
        raise ValueError(f"{delivered} cannot be padded evenly to {generated}")
    left, top = columns // 2, rows // 2
    return picture.filter("pad", generated.width, generated.height, left, top).filter(
        "fillborders", left=left, right=left, top=top, bottom=top, mode="reflect"
    )


async def _write(picture: Any, target: Path, size: Size, *, frames: int, fps: int, timeout: float) -> None:  # noqa: ASYNC109
    part = target.with_name(f".{target.stem}.part.mp4")
    output = ffmpeg.output(
        picture,
        local(part),
        format="mp4",
        vcodec="libx264",
        crf=CRF,
        maxrate=BITRATE,
        bufsize=BURST,
        preset=PRESET,
        pix_fmt="yuv420p",
        r=fps,
        colorspace="smpte170m",
        color_range="tv",
        map_metadata=-1,
    )
    try:
        done = await run(argv_of(output), timeout=timeout)
        if done.code:
            raise unreadable()
        made = await probe(part)
        got, wanted = (made.width, made.height, made.frames, made.fps), (size.width, size.height, frames, Fraction(fps))
        if got != wanted:
            raise FatalError("internal", f"the control clip has {got} (width, height, frames, fps), not {wanted}")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
