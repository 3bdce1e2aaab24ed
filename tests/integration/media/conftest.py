"""Sources for the media tests, made by ffmpeg."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Make = Callable[..., Path]


@pytest.fixture
def as_in_the_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own ffmpeg, by rule Debian's, rather than the quick-starting one of `make test`."""
    folders = os.environ["PATH"].split(os.pathsep)
    monkeypatch.setenv("PATH", os.pathsep.join(each for each in folders if Path(each).name != "static-ffmpeg"))


@pytest.fixture
def make_clip(tmp_path: Path) -> Make:
    """A clip as ComfyUI hands it over: `frames` of a test picture, `sound` seconds of a tone (0: none)."""

    def make(
        *,
        frames: int,
        fps: int = 24,
        size: str = "256x192",
        sound: float = 0.0,
        picture: str = "testsrc2",
        after: str = "null",
        name: str = "clip.mp4",
        codecs: tuple[str, ...] = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"),
    ) -> Path:
        target = tmp_path / name
        inputs = ["-f", "lavfi", "-i", f"{picture}{'=' if '=' not in picture else ':'}size={size}:rate={fps},{after}"]
        if sound:
            inputs += ["-f", "lavfi", "-t", str(sound), "-i", "sine=frequency=440:sample_rate=24000"]
        subprocess.run(
            ["ffmpeg", "-y", "-v", "error", *inputs, "-frames:v", str(frames), *codecs, str(target)],
            check=True,
            timeout=60,
        )
        return target

    return make
