"""Video files as lazy pictures and sound, read by ffmpeg."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from local.comfyui_preview.numerics.arrays import F32, U8, f32
from local.comfyui_preview.numerics.frames import Planes

_SECONDS = 60  # for ffprobe, for the sound, and for ffmpeg to end after the last picture
_QUIET = ["-hide_banner", "-loglevel", "error", "-nostdin"]


@dataclass(frozen=True, eq=False)
class Footage:
    """The pictures of a video file. Every reading is one pass of ffmpeg; nothing is kept."""

    path: Path
    count: int
    width: int
    height: int

    def planes(self, start: int, stop: int, step: int = 1) -> Iterator[Planes]:
        """Raises ValueError with ffmpeg's words when the file holds less than it promised."""
        luma = (self.height, self.width)
        chroma = ((self.height + 1) // 2, (self.width + 1) // 2)
        size, small = luma[0] * luma[1], chroma[0] * chroma[1]
        for codes in self._read("yuv420p", size + 2 * small, range(start, stop, step)):
            blue, red = codes[size : size + small], codes[size + small :]
            yield codes[:size].reshape(luma), blue.reshape(chroma), red.reshape(chroma)

    def pictures(self, start: int, stop: int, step: int = 1) -> Iterator[U8]:
        """The same, converted by ffmpeg."""
        shape = (self.height, self.width, 3)
        for codes in self._read("rgb24", self.height * self.width * 3, range(start, stop, step)):
            yield codes.reshape(shape)

    def _read(self, layout: str, size: int, wanted: range) -> Iterator[U8]:
        """The wanted pictures, each as `size` bytes in a pixel format of ffmpeg."""
        every = f"select='between(n,{wanted.start},{wanted.stop - 1})*not(mod(n-{wanted.start},{wanted.step}))'"
        colour = "scale=out_color_matrix=bt709:out_range=tv," if layout == "yuv420p" else ""
        command = ["ffmpeg", *_QUIET, "-noautorotate", "-i", str(self.path), "-map", "0:v:0"]
        command += ["-vf", f"{every},{colour}format={layout}", "-fps_mode", "passthrough"]
        command += ["-frames:v", str(len(wanted)), "-f", "rawvideo", "pipe:1"]
        given = 0
        with tempfile.TemporaryFile() as words:
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=words) as process:
                try:
                    pipe = cast("IO[bytes]", process.stdout)
                    while len(raw := pipe.read(size)) == size:
                        given += 1
                        yield np.frombuffer(raw, np.uint8)
                finally:  # also when the reader wants no more
                    process.kill()
                    process.wait(_SECONDS)
            if given < len(wanted):
                words.seek(0)
                said = words.read().decode(errors="replace").strip()[-500:]
                raise ValueError(f"{self.path.name}: {given} of {len(wanted)} pictures could be read. {said}")


@dataclass(frozen=True)
class About:
    """What a file says of itself. `sound_rate` is None for a silent video."""

    frames: Footage
    fps: float
    sound_rate: int | None


def probe(path: Path) -> About:
    """Raises ValueError for a file that is no video."""
    command = ["ffprobe", "-v", "error", "-count_packets", "-show_streams", "-of", "json", str(path)]
    answer = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)
    streams: list[dict[str, Any]] = json.loads(answer.stdout or b"{}").get("streams", [])
    video = next((s for s in streams if s["codec_type"] == "video"), None)
    if answer.returncode or video is None or not int(video.get("nb_read_packets", 0)):
        said = answer.stderr.decode(errors="replace").strip()[-300:] or "no video stream"
        raise ValueError(f"Invalid data found when processing input: {path.name}: {said}")
    sound = next((s for s in streams if s["codec_type"] == "audio"), None)
    frames = Footage(path, int(video["nb_read_packets"]), int(video["width"]), int(video["height"]))
    return About(frames, float(Fraction(video["avg_frame_rate"])), int(sound["sample_rate"]) if sound else None)


def read_sound(path: Path, rate: int) -> F32:
    """The waveform [2, N] of a file, stereo at `rate` Hz. Raises subprocess.CalledProcessError."""
    command = [
        "ffmpeg",
        *_QUIET,
        "-i",
        str(path),
        "-map",
        "0:a:0",
        "-ac",
        "2",
        "-ar",
        str(rate),
        "-f",
        "f32le",
        "pipe:1",
    ]
    raw = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=True).stdout
    return f32(np.frombuffer(raw, "<f4").reshape(-1, 2).T)
