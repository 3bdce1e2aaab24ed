"""The video that is delivered, of any picture and sound that ffmpeg can make up: by the node's own encoder."""

import subprocess
from pathlib import Path

from shared import delivery, geometry
from workers.comfy_nodes.mivo.command import Delivery, Sound, command
from workers.comfy_nodes.mivo.encoder import Encoder

RATE = 24_000  # of LTX-2's vocoder
TONE = "sine=frequency=440"


def ff(*arguments: str | Path) -> bytes:
    """ffmpeg's stdout."""
    argv = ["ffmpeg", "-v", "error", "-y", *map(str, arguments)]
    return subprocess.run(argv, check=True, capture_output=True, timeout=60).stdout


def pictures(source: str, size: tuple[int, int], fps: int, count: int) -> list[bytes]:
    """As the decoder leaves them: rgb24. `source` is a filter that has a size and a rate, and others behind it."""
    head, _, after = source.partition(",")
    head += f"{':' if '=' in head else '='}size={size[0]}x{size[1]}:rate={fps}"
    raw = ff("-f", "lavfi", "-i", head + ("," + after if after else ""), "-frames:v", str(count), *RGB, "-")
    length = 3 * size[0] * size[1]
    return [raw[at : at + length] for at in range(0, len(raw), length)]


RGB = ("-f", "rawvideo", "-pix_fmt", "rgb24")


def sound(folder: Path, source: str, seconds: float) -> Sound:
    path = folder / "sound.f32"
    ff("-f", "lavfi", "-t", str(seconds), "-i", source, "-ar", str(RATE), "-ac", "2", "-f", "f32le", path)
    return Sound(path, RATE, 2)


def asked(want: delivery.Delivery, generated: geometry.Size) -> Delivery:
    """What the graph says, as the node reads it."""
    crop = want.crop
    return Delivery(
        decoded=(generated.width, generated.height),
        frames=want.clip.deliver,
        fps=want.clip.fps,
        x=crop.x,
        y=crop.y,
        width=crop.width,
        height=crop.height,
        shrink=want.shrink,
        crf=want.crf,
        preset=want.preset,
        comment=want.comment,
    )


def encode(target: Path, given: Delivery, frames: list[bytes], heard: Sound) -> None:
    with Encoder(lambda part: command(given, heard, part), target, watch=lambda: None) as encoder:
        for frame in frames:
            encoder.write([frame])
        encoder.finish()


def deliver(
    folder: Path,
    want: delivery.Delivery,
    generated: geometry.Size,
    *,
    picture: str = "testsrc2",
    tone: str = TONE,
    seconds: float | None = None,
) -> Path:
    """`seconds` of sound; by rule a little more than the clip lasts, as it is decoded."""
    target, clip = folder / "video.mp4", want.clip
    heard = sound(folder, tone, clip.seconds + 0.04 if seconds is None else seconds)
    encode(
        target,
        asked(want, generated),
        pictures(picture, (generated.width, generated.height), clip.fps, clip.deliver),
        heard,
    )
    heard.path.unlink()
    return target
