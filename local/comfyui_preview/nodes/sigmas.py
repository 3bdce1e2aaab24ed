"""The steps of a sampling: noise, sampler and sigmas."""

import re

import numpy as np

from local.comfyui_preview.engine.inputs import Input, choice, flag, integer, number, takes, text
from local.comfyui_preview.engine.node import Node, Result
from local.comfyui_preview.values import AudioVideo, Latent, Noise

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
