"""LoRAs of the transformer: rank 4 on some of its attention and feed-forward layers."""

from local.tiny_models.config import LAYERS, WIDTH
from local.tiny_models.tensor import Layout, Tensor

RANK = 4
STD = 0.05
"""Small enough to keep samples finite at strength 1, large enough to show in the latents."""

TARGETS = {
    **dict.fromkeys(("attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0", "attn2.to_q"), WIDTH),
    "ff.net.0.proj": 4 * WIDTH,
}
"""Layer -> how wide its output is."""


def lora() -> Layout:
    found: Layout = {}
    for number in range(LAYERS):
        for target, width in TARGETS.items():
            key = f"diffusion_model.transformer_blocks.{number}.{target}"
            found[f"{key}.lora_A.weight"] = Tensor((RANK, WIDTH), STD)
            found[f"{key}.lora_B.weight"] = Tensor((width, RANK), STD)
    return found
