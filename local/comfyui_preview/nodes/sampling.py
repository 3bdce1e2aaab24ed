"""Guiders, sigmas and the sampler: noise becomes the scene step by step, with progress."""

import re
from itertools import pairwise
from typing import Any

import numpy as np

from local.comfyui_preview.engine.inputs import Input, choice, flag, integer, link, number, takes, text
from local.comfyui_preview.engine.node import Node, Result
from local.comfyui_preview.numerics import codec, sound
from local.comfyui_preview.numerics.arrays import F32, f32
from local.comfyui_preview.numerics.camera import move_of
from local.comfyui_preview.numerics.diffusion import Direction, base_target, refine_target
from local.comfyui_preview.values import AudioVideo, AudioVideoMask, Conditioning, Guider, Latent, Model, Noise

_FROM_PURE_NOISE = 0.99  # a first sigma above this forgets the given latent: a base pass
_MOST_SEED = 18446744073709551615

# The samplers of ComfyUI 0.25 (its node catalogue); res_2s is not among them.
_SAMPLERS = (
    "euler",
    "euler_cfg_pp",
    "euler_ancestral",
    "euler_ancestral_cfg_pp",
    "heun",
    "heunpp2",
    "exp_heun_2_x0",
    "exp_heun_2_x0_sde",
    "dpm_2",
    "dpm_2_ancestral",
    "lms",
    "dpm_fast",
    "dpm_adaptive",
    "dpmpp_2s_ancestral",
    "dpmpp_2s_ancestral_cfg_pp",
    "dpmpp_sde",
    "dpmpp_sde_gpu",
    "dpmpp_2m",
    "dpmpp_2m_cfg_pp",
    "dpmpp_2m_sde",
    "dpmpp_2m_sde_gpu",
    "dpmpp_2m_sde_heun",
    "dpmpp_2m_sde_heun_gpu",
    "dpmpp_3m_sde",
    "dpmpp_3m_sde_gpu",
    "ddpm",
    "lcm",
    "ipndm",
    "ipndm_v",
    "deis",
    "res_multistep",
    "res_multistep_cfg_pp",
    "res_multistep_ancestral",
    "res_multistep_ancestral_cfg_pp",
    "gradient_estimation",
    "gradient_estimation_cfg_pp",
    "er_sde",
    "seeds_2",
    "seeds_3",
    "sa_solver",
    "sa_solver_pece",
    "ddim",
    "uni_pc",
    "uni_pc_bh2",
)  # fmt: skip


class RandomNoise(Node):
    inputs = takes(noise_seed=integer(0, 0, _MOST_SEED))
    outputs = (("NOISE", "NOISE"),)

    def run(self, *, noise_seed: int) -> Result:
        return Result((Noise(noise_seed),))


class CFGGuider(Node):
    inputs = takes(
        model=link("MODEL"),
        positive=link("CONDITIONING"),
        negative=link("CONDITIONING"),
        cfg=number(8.0, 0.0, 100.0, 0.1),
    )
    outputs = (("GUIDER", "GUIDER"),)

    def run(self, *, model: Model, positive: Conditioning, cfg: float, **_: Any) -> Result:
        return Result((Guider(model, positive, cfg),))


class BasicGuider(Node):
    inputs = takes(model=link("MODEL"), conditioning=link("CONDITIONING"))
    outputs = (("GUIDER", "GUIDER"),)

    def run(self, *, model: Model, conditioning: Conditioning) -> Result:
        return Result((Guider(model, conditioning, 1.0),))


class KSamplerSelect(Node):
    inputs = takes(sampler_name=choice(*_SAMPLERS))
    outputs = (("SAMPLER", "SAMPLER"),)

    def run(self, *, sampler_name: str) -> Result:
        return Result((sampler_name,))


class ManualSigmas(Node):
    inputs = takes(sigmas=text("1, 0.5"))
    outputs = (("SIGMAS", "SIGMAS"),)

    def run(self, *, sigmas: str) -> Result:
        return Result((np.array([float(value) for value in re.findall(r"[-+]?\d*\.?\d+", sigmas)], np.float32),))


class LTXVScheduler(Node):
    """Sigmas shifted by the number of tokens: anchors 1024 and 4096 (facts/ltx2.md section 2.1)."""

    inputs = takes(
        steps=integer(20, 1, 10000),
        max_shift=number(2.05, 0.0, 100.0, 0.01),
        base_shift=number(0.95, 0.0, 100.0, 0.01),
        stretch=flag(default=True),
        terminal=number(0.1, 0.0, 0.99, 0.01),
        latent=Input("LATENT", optional=True),
    )
    outputs = (("SIGMAS", "SIGMAS"),)

    def run(
        self,
        *,
        steps: int,
        max_shift: float,
        base_shift: float,
        stretch: bool,
        terminal: float,
        latent: Latent | None = None,
    ) -> Result:
        tokens = 4096
        if latent is not None:
            video = latent.samples.video if isinstance(latent.samples, AudioVideo) else latent.samples
            tokens = int(np.prod(video.shape[2:]))
        shift = base_shift + (max_shift - base_shift) * (tokens - 1024) / (4096 - 1024)
        plain = np.linspace(1.0, 1.0 / steps, steps)
        sigmas = 1 / (1 + np.exp(-shift) * (1 / plain - 1))
        if stretch and steps > 1:
            sigmas = 1 - (1 - sigmas) * (1 - terminal) / (1 - sigmas[-1])
        return Result((np.append(sigmas, 0.0).astype(np.float32),))


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

    def run(self, *, noise: Noise, guider: Guider, sigmas: F32, latent_image: Latent, **_: Any) -> Result:
        given, mask = latent_image.samples, latent_image.mask
        joint = isinstance(given, AudioVideo)
        video = given.video if isinstance(given, AudioVideo) else given
        masks = mask if isinstance(mask, AudioVideoMask) else AudioVideoMask(mask, None)
        positive = guider.positive
        direction = Direction(positive.digest, noise.seed, move_of(guider.model.loras), positive.frame_rate)
        parts = [(video, _video_target(video, masks.video, direction, sigmas), masks.video)]
        if isinstance(given, AudioVideo):
            parts.append((given.audio, _audio_target(given.audio, direction, sigmas), masks.audio))
        random = np.random.default_rng(noise.seed)
        ways = [_noisy(part, random, sigmas) - target for part, target, _ in parts]
        for step, (sigma, following) in enumerate(pairwise(sigmas), start=1):
            for way in ways:
                np.multiply(way, following / sigma if sigma else 0, out=way)
            self.job.pause(self.job.settings.step_seconds)
            self.job.report(step, len(sigmas) - 1)
        sampled = [_kept(t + way, part, m) for way, (part, t, m) in zip(ways, parts, strict=True)]
        clean = [_kept(t, part, m) for part, t, m in parts]
        if joint:
            return Result((Latent(AudioVideo(*sampled), mask), Latent(AudioVideo(*clean), mask)))
        return Result((Latent(sampled[0], mask), Latent(clean[0], mask)))


def _is_base(sigmas: F32) -> bool:
    return len(sigmas) == 0 or float(sigmas[0]) >= _FROM_PURE_NOISE


def _video_target(samples: F32, mask: F32 | None, direction: Direction, sigmas: F32) -> F32:
    """The clean video latent [1, 128, T, h, w]; a first latent frame that is kept is an input image."""
    if samples.shape[0] != 1 or samples.shape[1] != codec.CHANNELS:
        raise RuntimeError(f"expected a video latent [1, {codec.CHANNELS}, T, h, w], got {list(samples.shape)}")
    from_image = mask is not None and mask.ndim == samples.ndim and bool(mask[:, :, 0].max() < 1)
    target = base_target if _is_base(sigmas) else refine_target
    return target(samples[0], direction, from_image=from_image)[np.newaxis]


def _audio_target(samples: F32, direction: Direction, sigmas: F32) -> F32:
    """A base pass composes; a refine re-invents half of what is there (facts/comfyui.md section 2: it changes it)."""
    fresh = sound.compose(samples.shape[2], direction.digest, direction.seed)[np.newaxis]
    return fresh if _is_base(sigmas) else f32((samples + fresh) / 2)


def _noisy(samples: F32, random: np.random.Generator, sigmas: F32) -> F32:
    start = sigmas[0] if len(sigmas) else np.float32(0)
    noisy = random.standard_normal(samples.shape, np.float32)
    noisy *= start
    noisy += (1 - start) * samples
    return noisy


def _kept(sampled: F32, given: F32, mask: F32 | None) -> F32:
    """Where the mask is 0 the given samples come out bit for bit."""
    return sampled if mask is None else f32(mask * sampled + (1 - mask) * given)
