"""Sleeping instead of rendering, so that one machine holds many workers (docs/load.md): the times of one prompt."""

import math
import random
from dataclasses import dataclass

from local.comfyui_preview.service.stock import Stock
from local.comfyui_preview.service.times import ServiceTimes

CFG_FORWARDS = 2
"""Above cfg 1 the model runs for the positive and for the negative prompt."""
GUIDED = 2.5
"""A control's guide doubles the tokens: 2.3 to 3 times the work (facts/ltx2.md section 4)."""


@dataclass(frozen=True)
class Service:
    """Of one prompt: everything in it is slower or quicker by the same factor."""

    times: ServiceTimes
    factor: float
    stock: Stock
    """What is delivered."""

    def step(self, shape: tuple[int, ...], *, cfg: float = 1.0, guide_frames: int = 0) -> float:
        """Seconds of one sampler step over a video latent whose last `guide_frames` are a control's."""
        forwards = CFG_FORWARDS if cfg > 1 else 1
        own = (*shape[:2], shape[2] - guide_frames, *shape[3:])
        return self.times.mean("step", own) * forwards * (GUIDED if guide_frames else 1) * self.factor

    def decode(self, shape: tuple[int, ...]) -> float:
        """Seconds of decoding a video latent."""
        return self.times.mean("decode", shape) * self.factor


class Services:
    """Of one engine. Draws the factor of each prompt, lognormal with mean 1; `who` gives a sequence of its own."""

    def __init__(self, times: ServiceTimes, stock: Stock, who: str) -> None:
        self._times, self._stock = times, stock
        self._random = random.Random(f"{times.seed} {who}")

    def draw(self) -> Service:
        sigma = self._times.sigma
        return Service(self._times, math.exp(self._random.gauss(-(sigma**2) / 2, sigma)), self._stock)
