"""Stand-ins for the two control maps that need a neural network: depth, and the pose of a person.

They know nothing of depth or people. They are made so that a control video is recognised in them, moves as it moves,
and gives the same map every time.
"""

import colorsys

import numpy as np
from PIL import Image, ImageDraw

from local.comfyui_preview.numerics.arrays import F32, U8, f32

_COARSE = 16  # pixels per cell of the depth map
_NEARER_BELOW = 0.35  # how much of the depth is the height in the picture; the rest is brightness
_GRID = (32, 18)  # on which a subject is looked for


def depth(picture: U8) -> U8:
    """A smooth map, near is bright: what is bright or low in the picture counts as near. RGB [H, W, 3]."""
    height, width = picture.shape[:2]
    cells = (max(2, width // _COARSE), max(2, height // _COARSE))
    small = Image.fromarray(picture).convert("L").resize(cells, Image.Resampling.BOX)
    smooth = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), np.float32)
    ramp = np.linspace(0, 255, height, dtype=np.float32)[:, None]
    near = (1 - _NEARER_BELOW) * smooth + _NEARER_BELOW * ramp
    return np.repeat(np.rint(near).astype(np.uint8)[:, :, None], 3, axis=2)


# A standing figure in OpenPose's order of 18 points: right and down from its middle, in halves of its size.
_FIGURE = (
    (0.0, -0.78), (0.0, -0.55), (-0.38, -0.52), (-0.62, -0.2), (-0.74, 0.1), (0.38, -0.52), (0.62, -0.2), (0.74, 0.1),
    (-0.22, 0.1), (-0.26, 0.55), (-0.28, 1.0), (0.22, 0.1), (0.26, 0.55), (0.28, 1.0),
    (-0.09, -0.86), (0.09, -0.86), (-0.19, -0.8), (0.19, -0.8),
)  # fmt: skip
_ARMS = {3: 0.5, 4: 1.0, 6: -0.5, 7: -1.0}  # point -> how it rises and falls as the subject leans to one side
_LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
    (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
_HEAD = {0, 14, 15, 16, 17}


def figure(picture: U8) -> F32:
    """18 points [18, 2] (x, y in pixels) of a figure that stands where the picture differs most from its usual grey.

    The larger that subject, the larger the figure; the more it leans to one side, the higher the arm on that side.
    """
    height, width = picture.shape[:2]
    grey = np.asarray(Image.fromarray(picture).convert("L").resize(_GRID, Image.Resampling.BOX), np.float32) / 255
    weight = (grey - np.median(grey)) ** 2 + np.float32(1e-4)  # the small part: a flat picture has its figure too
    weight /= weight.sum()
    x, y = (np.arange(count, dtype=np.float32) + 0.5 for count in _GRID)
    across, down = weight.sum(axis=0), weight.sum(axis=1)
    centre_x, centre_y = float(across @ x), float(down @ y)
    size = 1.6 * float(np.sqrt(down @ (y - centre_y) ** 2)) * height / _GRID[1]
    size = min(max(size, 0.18 * height), 0.45 * height)
    lean = float(np.cbrt(across @ (x - centre_x) ** 3)) / _GRID[0]
    points = np.array(_FIGURE, np.float32)
    for point, way in _ARMS.items():
        points[point, 1] += 4 * way * lean
    return f32(points * size + np.array((centre_x * width / _GRID[0], centre_y * height / _GRID[1])))


def sticks(points: F32, shape: tuple[int, int], *, body: bool, head: bool, thick: int) -> U8:
    """The figure as coloured limbs on black, RGB [*shape, 3]; without `body` there is nothing to draw."""
    canvas = Image.new("RGB", (shape[1], shape[0]))
    pen = ImageDraw.Draw(canvas)
    for index, (start, end) in enumerate(_LIMBS if body else ()):
        if head or not _HEAD & {start, end}:
            red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(index / len(_LIMBS), 1, 1))
            pen.line([tuple(points[start]), tuple(points[end])], (red, green, blue), thick)
    return np.asarray(canvas)
