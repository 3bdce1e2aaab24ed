"""What samplers do where nothing is rendered: sleep, tell progress, and mark the latent."""

from local.comfyui_preview.engine.node import Job
from local.comfyui_preview.numerics.arrays import F32, f32
from local.comfyui_preview.service.stock import stamped
from local.comfyui_preview.values import AudioVideo, AudioVideoMask, Latent


def sleep_steps(job: Job, seconds: float, steps: int, *, tiles: int = 1) -> None:
    """Each step of each tile takes `seconds` and is told; an interrupt ends it at once."""
    for _ in range(tiles):
        for step in range(1, steps + 1):
            job.pause(seconds)
            job.report(step, steps)


def marked(given: Latent, digest: bytes, seed: int) -> Latent:
    """The given latent, marked by prompt and seed where its mask lets it be sampled."""

    def one(part: F32, mask: F32 | None) -> F32:
        return kept(stamped(part, digest, seed), part, mask)

    both, mask = given.samples, given.mask
    masks = mask if isinstance(mask, AudioVideoMask) else AudioVideoMask(mask, None)
    if isinstance(both, AudioVideo):
        return Latent(AudioVideo(one(both.video, masks.video), one(both.audio, masks.audio)), mask)
    return Latent(one(both, masks.video), mask)


def kept(sampled: F32, given: F32, mask: F32 | None) -> F32:
    """Where the mask is 0 the given samples come out bit for bit."""
    return sampled if mask is None else f32(mask * sampled + (1 - mask) * given)
