"""The samplers: noise becomes the scene step by step, with progress."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from local.comfyui_preview.engine.inputs import Input, integer, link, number, takes
from local.comfyui_preview.engine.node import Job, Node, Result
from local.comfyui_preview.nodes.serving import kept, marked, sleep_steps
from local.comfyui_preview.numerics import codec, sound
from local.comfyui_preview.numerics.arrays import F32, f32
from local.comfyui_preview.numerics.camera import move_of
from local.comfyui_preview.numerics.diffusion import Direction, base_target, guided, refine_target
from local.comfyui_preview.values import AudioVideo, AudioVideoMask, Guider, Latent, Model, Noise

_FROM_PURE_NOISE = 0.99  # a first sigma above this forgets the given latent: a base pass
_MORE_DETAIL = 0.6  # of a refine's, for a detailer LoRA at strength 1


class SamplerCustomAdvanced(Node):
    """Euler steps from noise towards the scene (a base pass) or towards more detail (a refine)."""

    inputs = takes(
        noise=link("NOISE"),
        guider=link("GUIDER"),
        sampler=link("SAMPLER"),
        sigmas=link("SIGMAS"),
        latent_image=link("LATENT"),
    )
    outputs = (("LATENT", "output"), ("LATENT", "denoised_output"))

    def run(self, *, noise: Noise, guider: Guider, sampler: str, sigmas: F32, latent_image: Latent) -> Result:
        given, mask = latent_image.samples, latent_image.mask
        joint = isinstance(given, AudioVideo)
        video = given.video if isinstance(given, AudioVideo) else given
        masks = mask if isinstance(mask, AudioVideoMask) else AudioVideoMask(mask, None)
        if self.job.service is not None:
            seconds = self.job.service.step(video.shape, cfg=guider.cfg, guide_frames=guider.positive.guide_frames)
            sleep_steps(self.job, seconds, len(sigmas) - 1)
            made = marked(latent_image, guider.positive.digest, noise.seed)
            return Result((made, made))
        direction = _direction(guider, noise, sampler)
        parts = [(video, _video_target(video, masks.video, guider, direction, sigmas), masks.video)]
        if isinstance(given, AudioVideo):
            parts.append((given.audio, _audio_target(given.audio, direction, sigmas), masks.audio))
        random = np.random.default_rng(noise.seed)
        ways = [_noisy(part, random, sigmas) - target for part, target, _ in parts]
        for left in _steps(self.job, sigmas):
            for way in ways:
                np.multiply(way, left, out=way)
        sampled = [kept(t + way, part, m) for way, (part, t, m) in zip(ways, parts, strict=True)]
        clean = [kept(t, part, m) for part, t, m in parts]
        if joint:
            return Result((Latent(AudioVideo(*sampled), mask), Latent(AudioVideo(*clean), mask)))
        return Result((Latent(sampled[0], mask), Latent(clean[0], mask)))


class LTXVLoopingSampler(Node):
    """Adds detail tile by tile, each with a progress of its own; a detailer LoRA makes it more.

    Where a mask holds the latent, it stays as it is. With no more latent frames than the overlap there is no tile at
    all, and a real one fails as here (facts/comfyui.md section 2, Detailer).
    """

    inputs = takes(
        model=link("MODEL"),
        vae=link("VAE"),
        noise=link("NOISE"),
        sampler=link("SAMPLER"),
        sigmas=link("SIGMAS"),
        guider=link("GUIDER"),
        latents=link("LATENT"),
        temporal_tile_size=integer(80, 24, 1000, 8),
        temporal_overlap=integer(24, 16, 80, 8),
        guiding_strength=number(1.0, 0.0, 1.0, 0.01),
        temporal_overlap_cond_strength=number(0.5, 0.0, 1.0, 0.01),
        cond_image_strength=number(1.0, 0.0, 1.0, 0.01),
        horizontal_tiles=integer(1, 1, 6),
        vertical_tiles=integer(1, 1, 6),
        spatial_overlap=integer(1, 1, 8),
        optional_cond_images=link("IMAGE", optional=True),
        optional_guiding_latents=link("LATENT", optional=True),
        adain_factor=Input("FLOAT", True, 0.0, 0.0, 1.0, 0.01),
        optional_positive_conditionings=link("CONDITIONING", optional=True),
        optional_negative_index_latents=link("LATENT", optional=True),
        guiding_start_step=integer(0, 0, 1000, optional=True),
        guiding_end_step=integer(1000, 0, 1000, optional=True),
        optional_cond_image_indices=Input("STRING", True, "0"),
        optional_normalizing_latents=link("LATENT", optional=True),
    )
    outputs = (("LATENT", "denoised_output"),)

    def run(
        self,
        *,
        model: Model,
        noise: Noise,
        sampler: str,
        sigmas: F32,
        guider: Guider,
        latents: Latent,
        temporal_tile_size: int,
        temporal_overlap: int,
        horizontal_tiles: int,
        vertical_tiles: int,
        adain_factor: float,
        **_: Any,
    ) -> Result:
        del adain_factor  # optional by the catalogue, but a real one fails without it, and so does this one
        given = latents.plain()
        detail = 1 + _MORE_DETAIL * model.detailer
        size, overlap = (frames // codec.FRAMES_PER_LATENT for frames in (temporal_tile_size, temporal_overlap))
        ends = range(size, given.shape[2] + size - overlap, size - overlap)
        if not ends:
            raise TypeError("'NoneType' object is not subscriptable")
        tiles = horizontal_tiles * vertical_tiles * len(ends)
        if self.job.service is not None:
            seconds = self.job.service.step(given.shape, cfg=guider.cfg) / tiles
            sleep_steps(self.job, seconds, len(sigmas) - 1, tiles=tiles)
            return Result((marked(latents, guider.positive.digest, noise.seed),))
        target = refine_target(given[0], _direction(guider, noise, sampler), from_image=False, detail=detail)
        for _tile in range(tiles):
            for _left in _steps(self.job, sigmas):
                pass  # the preview's detail needs no steps: only their time and their progress are told
        mask = None if isinstance(latents.mask, AudioVideoMask) else latents.mask
        return Result((Latent(kept(target[np.newaxis], given, mask)),))


def _direction(guider: Guider, noise: Noise, sampler: str) -> Direction:
    positive, negative = guider.positive, guider.negative
    return Direction(
        positive.digest,
        noise.seed,
        move_of(guider.model.loras),
        positive.frame_rate,
        sampler,
        guider.cfg,
        negative.digest if negative else b"",
    )


def _steps(job: Job, sigmas: F32) -> Iterator[float]:
    """Takes the time of each step and tells its progress; gives the share of the noise that it leaves."""
    for step, (sigma, following) in enumerate(pairwise(sigmas), start=1):
        yield following / sigma if sigma else 0.0
        job.pause(job.settings.step_seconds)
        job.report(step, len(sigmas) - 1)


def _is_base(sigmas: F32) -> bool:
    return len(sigmas) == 0 or float(sigmas[0]) >= _FROM_PURE_NOISE


def _video_target(samples: F32, mask: F32 | None, guider: Guider, direction: Direction, sigmas: F32) -> F32:
    """The clean video latent [1, 128, T, h, w]; a first latent frame that is kept is an input image.

    What its conditioning says about guides, its last frames hold. An IC-LoRA makes a base pass follow them; they
    themselves stay as they are.
    """
    frames = samples.shape[2] - guider.positive.guide_frames if samples.ndim == 5 else 0
    if samples.shape[:2] != (1, codec.CHANNELS) or frames < 1:
        raise RuntimeError(f"expected a video latent [1, {codec.CHANNELS}, T, h, w], got {list(samples.shape)}")
    from_image = mask is not None and mask.ndim == samples.ndim and bool(mask[:, :, 0].max() < 1)
    scene, guides = samples[0, :, :frames], samples[0, :, frames:]
    if not _is_base(sigmas):
        target = refine_target(scene, direction, from_image=from_image)
    else:
        target = base_target(scene, direction, from_image=from_image)
        at = 0
        for guide in guider.positive.guides:
            weight = guider.model.control * guide.strength
            target = guided(target, guides[:, at : at + guide.count], guide.first, weight)
            at += guide.count
    return np.concatenate([target, guides], axis=1)[np.newaxis]


def _audio_target(samples: F32, direction: Direction, sigmas: F32) -> F32:
    """A base pass composes; a refine re-invents half of what is there (facts/comfyui.md section 2: it changes it)."""
    base = _is_base(sigmas)
    fresh = sound.compose(samples.shape[2], direction.digest, direction.seed, again=not base)[np.newaxis]
    return fresh if base else f32((samples + fresh) / 2)


def _noisy(samples: F32, random: np.random.Generator, sigmas: F32) -> F32:
    start = sigmas[0] if len(sigmas) else np.float32(0)
    noisy = random.standard_normal(samples.shape, np.float32)
    noisy *= start
    noisy += (1 - start) * samples
    return noisy
