"""Whether the frames that our own node streams are those of ComfyUI's tiled decoder; asked inside of ComfyUI."""

# ruff: noqa: ANN001, ANN003, ANN201, ANN206, N802
# mypy: ignore-errors
# Names and signatures are ComfyUI's, which has no types; torch and comfy exist only where it runs.

import sys

import nodes
import torch

TILES = ("tile_size", "overlap", "temporal_size", "temporal_overlap")


class TestSameFrames:
    """Decodes a random latent of the given size both ways."""

    RETURN_TYPES = ()
    OUTPUT_NODE = True
    FUNCTION = "run"
    CATEGORY = "test"

    @classmethod
    def INPUT_TYPES(cls):
        number = ("INT", {"default": 1, "min": 0, "max": 4096})
        return {"required": {"vae": ("VAE",), **dict.fromkeys(("latents", "rows", "columns", *TILES), number)}}

    def run(self, vae, latents, rows, columns, **tiles):
        theirs = nodes.NODE_CLASS_MAPPINGS["VAEDecodeTiled"]()
        ours = sys.modules[nodes.NODE_CLASS_MAPPINGS["MivoDecodeToVideo"].__module__]
        generator = torch.Generator().manual_seed(latents)
        samples = torch.randn(1, 128, latents, rows, columns, generator=generator)
        (whole,) = theirs.decode(vae, {"samples": samples}, **tiles)
        plan = ours.plan_of(vae, samples, **tiles)
        frames, worst = 0, 0.0
        for number, parts in enumerate(ours.decoded(vae, samples, plan, lambda rows: rows)):
            frames += 1
            worst = max(worst, float((torch.cat(parts, 1).movedim(0, -1) - whole[number]).abs().max()))
        said = f"{plan.tiles} tiles, {frames} of {len(whole)} frames, {worst} apart"
        return {"ui": {"text": [said]}}


NODE_CLASS_MAPPINGS = {"TestSameFrames": TestSameFrames}
