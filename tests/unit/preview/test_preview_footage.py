from pathlib import Path

import numpy as np
import pytest

from local.comfyui_preview.engine.pace import Pace
from local.comfyui_preview.numerics.footage import Footage, probe, read_sound
from local.comfyui_preview.numerics.frames import rgb_of
from tests.contract.preview.preview_client import disc, film


def test_a_file_tells_its_size_rate_and_sound(tmp_path: Path) -> None:
    about = probe(film(tmp_path / "a.mp4", disc(10, 66, 50), fps=30))
    assert (about.frames.count, about.frames.width, about.frames.height) == (10, 66, 50)
    assert (about.fps, about.sound_rate) == (30.0, 48000)
    wave = read_sound(tmp_path / "a.mp4", 48000)
    assert wave.shape[0] == 2
    assert abs(wave.shape[1] - 16000) < 2048  # an AAC frame or two more
    assert 0.05 < np.abs(wave).max() < 1
    assert probe(film(tmp_path / "b.mp4", disc(10, 64, 48), sound=False)).sound_rate is None


def test_pictures_are_those_of_the_file_from_anywhere_and_again(tmp_path: Path) -> None:
    given = disc(12, 64, 48)
    frames = probe(film(tmp_path / "a.mp4", given)).frames
    every = [one.copy() for one in frames.pictures(0, 12)]
    assert len(every) == 12
    for one, wanted in zip(every, given, strict=True):
        assert np.abs(one.astype(int) - wanted).mean() < 4
    some = list(frames.pictures(3, 12, 4))
    assert [one.tobytes() for one in some] == [every[index].tobytes() for index in (3, 7, 11)]
    assert next(frames.pictures(11, 12)).tobytes() == every[11].tobytes()


def test_a_reader_may_stop_early(tmp_path: Path) -> None:
    frames = probe(film(tmp_path / "a.mp4", disc(48, 320, 240))).frames
    for which, one in enumerate(frames.pictures(0, 48)):
        assert one.shape == (240, 320, 3)
        if which == 1:
            break


def test_both_ways_of_reading_give_the_same_colours(tmp_path: Path) -> None:
    frames = probe(film(tmp_path / "a.mp4", disc(3, 66, 50))).frames
    for one, other in zip(frames.pictures(0, 3), rgb_of(frames.planes(0, 3)), strict=True):
        assert one.shape == other.shape == (50, 66, 3)
        assert np.abs(one.astype(int) - other).mean() < 3


def test_a_file_that_ends_too_soon_is_an_error(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", disc(9, 64, 48))
    with pytest.raises(ValueError, match=r"9 of 12 pictures"):
        list(Footage(path, 12, 64, 48).planes(0, 12))


@pytest.mark.parametrize("content", [b"", b"nothing of the kind"])
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.mp4").write_bytes(content)
    with pytest.raises(ValueError, match="Invalid data"):
        probe(tmp_path / "x.mp4")


def test_progress_is_told_first_last_and_else_at_a_measured_pace() -> None:
    pace = Pace()
    told = [step for step in range(1, 41) if pace.due(step, 40, step * 0.03)]
    assert told[0] == 1
    assert told[-1] == 40
    assert set(np.diff(told[:-1])) == {4}  # the first multiple of 30 ms that is no less than 100 ms
    assert pace.due(1, 40, 1.21), "a sampler that starts again is a first one"


def test_progress_of_many_small_steps_is_told_by_the_half_percent() -> None:
    pace = Pace()
    told = [step for step in range(1, 2001) if pace.due(step, 2000, step * 1.0)]
    assert told[0] == 1
    assert set(np.diff(told[:-1])) == {10}
