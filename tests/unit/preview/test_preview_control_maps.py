"""The three control maps, and pictures on their way into a latent."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from local.comfyui_preview.numerics import codec, likeness
from local.comfyui_preview.numerics.arrays import U8
from local.comfyui_preview.numerics.canny import canny
from local.comfyui_preview.numerics.decoded import Decoded
from local.comfyui_preview.numerics.encode import encode, encode_whole
from local.comfyui_preview.numerics.frames import Stills, changed, cut, picture, span


def box(left: int, top: int, right: int, bottom: int, *, light: int = 230, size: tuple[int, int] = (128, 96)) -> U8:
    image = Image.new("RGB", size, (40, 40, 40))
    ImageDraw.Draw(image).rectangle((left, top, right - 1, bottom - 1), fill=(light, light, light))
    return np.asarray(image)


def test_canny_finds_the_outline_and_nothing_else() -> None:
    edges = canny(box(40, 30, 90, 70), 0.4, 0.8)[:, :, 0]
    assert set(np.unique(edges)) == {0, 255}
    found = np.argwhere(edges)
    y, x = found[:, 0], found[:, 1]
    off = np.minimum(np.minimum(abs(x - 39.5), abs(x - 89.5)), np.minimum(abs(y - 29.5), abs(y - 69.5)))
    assert off.max() <= 1.5
    assert 0.9 < len(found) / (2 * (50 + 40)) < 1.2, "one pixel thin, all around"


@pytest.mark.parametrize(("light", "seen"), [(40, False), (55, False), (130, True), (230, True)])
def test_canny_sees_what_is_above_its_thresholds(light: int, seen: bool) -> None:
    assert bool(canny(box(40, 30, 90, 70, light=light), 0.4, 0.8).any()) is seen


def test_a_weak_edge_is_kept_where_it_leads_to_a_strong_one() -> None:
    fading = np.tile(np.linspace(60, 200, 128).astype(np.uint8), (96, 1))
    fading[48:] = 40
    edges = canny(np.repeat(fading[:, :, None], 3, axis=2), 0.2, 0.9)[:, :, 0]
    assert canny(np.repeat(fading[:, :, None], 3, axis=2), 0.89, 0.9)[:, 5:60, 0].any() == np.False_
    assert edges[46:50, 20:120].any(axis=0).all()


def test_canny_is_the_same_whichever_way_the_picture_lies() -> None:
    one = box(40, 30, 90, 70)
    edges = canny(one, 0.4, 0.8).sum()
    for turned in (np.rot90(one), np.flipud(one), np.fliplr(one)):
        assert abs(int(canny(np.ascontiguousarray(turned), 0.4, 0.8).sum()) - int(edges)) < 0.1 * edges


def test_depth_is_smooth_and_brighter_where_the_picture_is() -> None:
    source = box(40, 20, 90, 60)
    near = likeness.depth(source)[:, :, 0].astype(int)
    assert near[40, 65] > near[40, 10] + 60
    assert near[90, 10] > near[5, 10], "what is low counts as near"
    assert max(abs(np.diff(near, axis=0)).max(), abs(np.diff(near, axis=1)).max()) < 25
    assert likeness.depth(source).tobytes() == likeness.depth(source.copy()).tobytes()


def test_the_figure_stands_where_the_subject_is_and_grows_with_it() -> None:
    left, right = (likeness.figure(box(x, 30, x + 20, 70)).mean(axis=0) for x in (15, 95))
    assert abs(left[0] - 25) < 12
    assert abs(right[0] - 105) < 12
    small, large = (np.ptp(likeness.figure(one)[:, 1]) for one in (box(54, 38, 74, 58), box(54, 8, 74, 88)))
    assert large > 1.3 * small


def test_sticks_are_coloured_on_black_and_go_with_their_switches() -> None:
    points = likeness.figure(box(54, 20, 74, 80))

    def lit(*, body: bool, head: bool) -> int:
        drawn = likeness.sticks(points, (96, 128), body=body, head=head, thick=4)
        return int((drawn.max(axis=-1) > 0).sum())

    assert lit(body=False, head=True) == 0
    assert 0 < lit(body=True, head=False) < lit(body=True, head=True) < 96 * 128 // 4


def still(count: int, height: int = 64, width: int = 96) -> Stills:
    y, x = np.mgrid[0:height, 0:width] / 64
    wave = 0.5 + 0.4 * np.sin(3 * x[None] + np.arange(count)[:, None, None] / 8) * np.cos(2 * y[None])
    return Stills(np.repeat(np.rint(255 * wave).astype(np.uint8)[..., None], 3, axis=3))


def test_what_is_encoded_is_decoded_again() -> None:
    frames = still(25)
    back = Decoded(encode(frames, 2, 3))
    assert (back.count, back.height, back.width) == (25, 64, 96)
    for index in (0, 8, 13, 24):
        assert np.abs(picture(back, index).astype(int) - picture(frames, index)).mean() < 6


@pytest.mark.parametrize(("count", "latent_frames"), [(1, 1), (8, 1), (9, 2), (16, 2), (17, 3), (24, 3)])
def test_what_does_not_fill_a_latent_frame_is_left_off(count: int, latent_frames: int) -> None:
    latent = encode(still(count), 2, 3)
    assert latent.shape == (codec.CHANNELS, latent_frames, 2, 3)
    shorter = encode(span(still(count), 0, codec.frames_of(latent_frames)), 2, 3)
    assert latent.tobytes() == shorter.tobytes()


def test_odd_sizes_are_cut_around_the_middle() -> None:
    frames = still(9, 70, 104)
    inner = cut(frames, x=4, y=3, width=96, height=64)
    assert encode_whole(frames).tobytes() == encode(inner, 2, 3).tobytes()


def test_a_change_happens_only_to_the_pictures_that_are_read() -> None:
    looked: list[int] = []

    def note(one: U8) -> U8:
        looked.append(int(one[0, 0, 0]))
        return 255 - one

    frames = changed(Stills(np.arange(60, dtype=np.uint8).reshape(60, 1, 1, 1).repeat(3, axis=3)), note)
    given = [int(one[0, 0, 0]) for one in span(frames, 10, 40).pictures(2, 20, 5)]
    assert looked == [12, 17, 22, 27]
    assert given == [255 - value for value in looked]
