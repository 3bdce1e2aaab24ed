"""What a prompt shows in the preview: a procedural landscape of its own, drawn from a digest of prompt and seed."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from local.comfyui_preview.numerics.arrays import F32, F64, f32, interpolation, positions
from local.comfyui_preview.numerics.camera import View
from local.comfyui_preview.numerics.colour import Colour, from_hsv

ALL, LUMA, CHROMA = (0, 1, 2), (0,), (1, 2)


class Scene(Protocol):
    def draw(self, view: View, seconds: float, shape: tuple[int, int], planes: tuple[int, ...]) -> F32:
        """The asked planes of (Y, Cb, Cr), shape [len(planes), *shape], as seen from `view` after `seconds`."""
        ...


def _axes(view: View, shape: tuple[int, int], aspect: float) -> tuple[F32, F32]:
    x = view.x + (positions(shape[1]) - 0.5) * aspect / view.zoom
    y = view.y + (positions(shape[0]) - 0.5) / view.zoom
    return x.astype(np.float32), y.astype(np.float32)


@dataclass(frozen=True)
class Ridge:
    """One layer of the landscape: everything below its edge is of its colour."""

    base: float
    colour: Colour
    waves: tuple[tuple[float, float, float, float], ...]  # (amplitude, frequency, phase, speed)
    towers: float = 0.0  # > 0: the edge is a skyline with towers of this width

    def edge(self, x: F32, seconds: float) -> F32:
        if self.towers:
            cell = np.floor(x / self.towers)
            amplitude, _, phase, _ = self.waves[0]
            noise = np.sin(cell * 12.9898 + phase) * 43758.5453
            return f32(self.base - amplitude * 2 * (noise - np.floor(noise)))
        edge = np.full_like(x, self.base)
        for amplitude, frequency, phase, speed in self.waves:
            edge += np.float32(amplitude) * np.sin(x * np.float32(frequency) + np.float32(phase + speed * seconds))
        return f32(edge)


@dataclass(frozen=True)
class Orb:
    """A soft light that drifts through the picture."""

    x: float
    y: float
    radius: float
    dx: float
    dy: float
    phase: float
    colour: Colour
    strength: float

    def paint(self, out: F32, x: F32, y: F32, seconds: float, planes: tuple[int, ...]) -> None:
        centre_x = self.x + 0.12 * np.sin(self.phase + self.dx * seconds)
        centre_y = self.y + 0.08 * np.cos(self.phase + self.dy * seconds)
        columns = slice(*np.searchsorted(x, (centre_x - self.radius, centre_x + self.radius)))
        rows = slice(*np.searchsorted(y, (centre_y - self.radius, centre_y + self.radius)))
        near_x, near_y = x[columns] - np.float32(centre_x), y[rows] - np.float32(centre_y)
        distance = (near_x**2)[None, :] + (near_y**2)[:, None]
        alpha = np.clip(1 - distance / np.float32(self.radius**2), 0, 1) ** 2 * np.float32(self.strength)
        for index, plane in enumerate(planes):
            spot = out[index, rows, columns]
            spot += alpha * (np.float32(self.colour[plane]) - spot)


def orbs(random: np.random.Generator, count: int, strength: float) -> tuple[Orb, ...]:
    hue = random.uniform()
    return tuple(
        Orb(
            x=random.uniform(-0.85, 0.85),
            y=random.uniform(-0.4, 0.3),
            radius=random.uniform(0.04, 0.13),
            dx=random.uniform(0.4, 1.1),
            dy=random.uniform(0.4, 1.1),
            phase=random.uniform(0, 6.28),
            colour=from_hsv(hue + random.uniform(-0.1, 0.1), 0.35, 1.0),
            strength=strength * random.uniform(0.6, 1.0),
        )
        for _ in range(count)
    )


@dataclass(frozen=True)
class Landscape:
    """Sky, sun, ridges (hills, a sea or a city) and drifting lights."""

    aspect: float
    sky_top: Colour
    sky_low: Colour
    sun: Orb
    glow: Orb
    ridges: tuple[Ridge, ...]
    lights: tuple[Orb, ...]

    def draw(self, view: View, seconds: float, shape: tuple[int, int], planes: tuple[int, ...]) -> F32:
        x, y = _axes(view, shape, self.aspect)
        soft = np.float32(1.0 / (shape[0] * view.zoom))
        height = np.clip(y + 0.5, 0, 1)[:, None]
        out = np.empty((len(planes), *shape), np.float32)
        for index, plane in enumerate(planes):
            top, low = self.sky_top[plane], self.sky_low[plane]
            out[index] = np.float32(top) + np.float32(low - top) * height
        self.glow.paint(out, x, y, 0, planes)
        self.sun.paint(out, x, y, 0, planes)
        for ridge in self.ridges:
            depth = y[:, None] - ridge.edge(x, seconds)[None, :]
            alpha = np.clip(depth / soft + np.float32(0.5), 0, 1)
            shade = 1 - 0.5 * np.clip(depth, 0, 1)  # darker below its edge: it stands in the light
            for index, plane in enumerate(planes):
                colour = np.float32(ridge.colour[plane])
                target = colour * shade if plane == 0 else colour
                out[index] += alpha * (target - out[index])
        for light in self.lights:
            light.paint(out, x, y, seconds, planes)
        return out


_KINDS = ("hills", "sea", "city")


def landscape(random: np.random.Generator, aspect: float) -> Landscape:
    """The landscape of one prompt and seed; `aspect` is width / height."""
    kind = _KINDS[int(random.integers(len(_KINDS)))]
    hue, shift = random.uniform(), random.uniform(0.05, 0.2) * random.choice([-1, 1])
    night = random.uniform() < 0.3
    bright = 0.55 if night else 1.0
    count = 5
    sun_x, sun_y = random.uniform(-0.55, 0.55), random.uniform(-0.32, -0.08)
    sun_radius = random.uniform(0.05, 0.11)
    sun_colour = from_hsv(hue + shift, 0.18, 1.0)

    def ridge(index: int) -> Ridge:
        near = index / (count - 1)
        size = 0.03 + 0.035 * near
        waves = tuple(
            (
                size / (k + 1),
                random.uniform(1.2, 2.6) * (2.1**k) * (1.0 + 0.4 * near),
                random.uniform(0, 6.28),
                random.uniform(0.5, 1.4) * random.choice([-1, 1]) if kind == "sea" else 0.0,
            )
            for k in range(4)
        )
        return Ridge(
            base=-0.08 + 0.5 * near**1.2 + random.uniform(-0.02, 0.02),
            colour=from_hsv(hue + shift * near * 1.5, 0.25 + 0.5 * near, bright * (0.82 - 0.62 * near)),
            waves=waves,
            towers=0.05 + 0.05 * near if kind == "city" and 0 < index < count - 1 else 0.0,
        )

    return Landscape(
        aspect=aspect,
        sky_top=from_hsv(hue, 0.6, 0.75 * bright),
        sky_low=from_hsv(hue + shift, 0.25, 1.05 * bright),
        sun=Orb(sun_x, sun_y, sun_radius * 1.3, 0, 0, 0, sun_colour, 1.0),
        glow=Orb(sun_x, sun_y, sun_radius * 6, 0, 0, 0, sun_colour, 0.55),
        ridges=tuple(ridge(index) for index in range(count)),
        lights=orbs(random, 9, 0.5),
    )


@dataclass(frozen=True)
class Photograph:
    """An input image in motion: seen through the camera, mirrored beyond its edges, with drifting lights before it."""

    luma: F32  # [rows, columns], 0..1
    chroma: F32  # [2, rows, columns]
    aspect: float
    lights: tuple[Orb, ...] = ()

    def draw(self, view: View, seconds: float, shape: tuple[int, int], planes: tuple[int, ...]) -> F32:
        pictures = [self.luma if plane == 0 else self.chroma[plane - 1] for plane in planes]
        seen = [self._through(picture, view, shape) for picture in pictures]
        out = np.stack(seen).astype(np.float32, copy=False)
        x, y = _axes(View(), shape, self.aspect)
        for light in self.lights:
            light.paint(out, x, y, seconds, planes)
        return out

    def _through(self, picture: F32, view: View, shape: tuple[int, int]) -> F32:
        def places(count: int, offset: float) -> F64:
            return 0.5 + offset + (positions(count) - 0.5) / view.zoom

        vertical = interpolation(places(shape[0], view.y), picture.shape[0])
        horizontal = interpolation(places(shape[1], view.x / self.aspect), picture.shape[1])
        return f32(vertical @ picture @ horizontal.T)
