"""ComfyUI reads every width from the weight files, except those of Gemma-3-12B and of what follows it.

These are constants of its code, so three classes are replaced by small ones; the numbers are those of
local/tiny_models/config.py, which cannot be imported here: ComfyUI runs in an environment of its own.
"""

# ruff: noqa: ANN001, ANN002, ANN003, ANN201, ANN204, RUF012
# mypy: ignore-errors
# Names and signatures are ComfyUI's, which has no types; torch and comfy exist only where it runs.

from dataclasses import dataclass

import comfy.utils
from comfy.ldm.lightricks.embeddings_connector import Embeddings1DConnector
from comfy.text_encoders import llama, lt

WIDTH = 64
HEADS = 4
CONNECTOR_LAYERS = 2
STATES = 49  # hidden states of 48 layers, and the embedding
CONNECTOR = "model.diffusion_model.{}_embeddings_connector."
VISION = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 1}


@dataclass
class TinyGemma(llama.Gemma3_12B_Config):
    hidden_size: int = WIDTH
    intermediate_size: int = 128
    num_attention_heads: int = HEADS
    num_key_value_heads: int = 2
    head_dim = 16
    vision_config = {**llama.GEMMA3_VISION_CONFIG, **VISION}  # never used, but it is allocated


class TinyTextEncoder(lt.LTXAVTEModel):
    """LTX-2's text encoder in the mode that the real 19B checkpoint switches on.

    ComfyUI knows that checkpoint by the width 3840 of its connectors, and then runs them inside the text encoder:
    the conditioning comes out processed, twice as wide. Here the same is done at the small width.
    """

    def __init__(self, *args, device="cpu", dtype=None, **options):
        super().__init__(*args, device=device, dtype=dtype, **options)
        linear = self.gemma3_12b.operations.Linear
        self.text_embedding_projection = linear(WIDTH * STATES, WIDTH, bias=False, dtype=dtype, device=device)

    def enable_compat_mode(self):
        weight = self.text_embedding_projection.weight
        for which in ("video", "audio"):
            connector = Embeddings1DConnector(
                num_attention_heads=HEADS,
                attention_head_dim=WIDTH // HEADS,
                num_layers=CONNECTOR_LAYERS,
                split_rope=True,
                double_precision_rope=True,
                dtype=weight.dtype,
                device=weight.device,
                operations=self.gemma3_12b.operations,
            )
            setattr(self, f"{which}_embeddings_connector", connector)
        self.compat_mode = True

    def load_sd(self, sd):
        said = super().load_sd(sd)
        if CONNECTOR.format("audio") + "transformer_1d_blocks.0.attn1.to_q.bias" in sd:
            self.enable_compat_mode()
            for which in ("video", "audio"):
                own = comfy.utils.state_dict_prefix_replace(dict(sd), {CONNECTOR.format(which): ""}, filter_keys=True)
                getattr(self, f"{which}_embeddings_connector").load_state_dict(
                    own, assign=getattr(self, "can_assign_sd", False)
                )
        return said


def shrink() -> None:
    llama.Gemma3_12B_Config = TinyGemma
    lt.LTXAVTEModel = TinyTextEncoder
