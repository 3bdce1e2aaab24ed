"""Gemma-3-12B as ComfyUI's single file: 48 thin layers, and the tokenizer inside as bytes."""

import io
from pathlib import Path

import sentencepiece

from local.tiny_models.config import (
    GEMMA_HEAD,
    GEMMA_HEADS,
    GEMMA_INNER,
    GEMMA_KV_HEADS,
    GEMMA_LAYERS,
    GEMMA_VOCABULARY,
    GEMMA_WIDTH,
)
from local.tiny_models.tensor import BIAS, Layout, Tensor, norm, weight

ROOT = Path(__file__).parents[2]
TOKENIZER = "spiece_model"
"""Key of the uint8 tensor that holds the sentencepiece model (facts/comfyui.md section 0)."""
WORDS = 2000  # size of the tokenizer's vocabulary; the 256 bytes are among them


def gemma() -> Layout:
    """Everything but the tokenizer. Gemma's norms multiply by 1 + weight, so theirs are 0."""
    found: Layout = {
        "model.embed_tokens.weight": Tensor((GEMMA_VOCABULARY, GEMMA_WIDTH), BIAS),
        **norm("model.norm", GEMMA_WIDTH, 0.0),
    }
    for number in range(GEMMA_LAYERS):
        found |= _layer(f"model.layers.{number}")
    return found


def _layer(key: str) -> Layout:
    queries, values = GEMMA_HEADS * GEMMA_HEAD, GEMMA_KV_HEADS * GEMMA_HEAD
    found: Layout = {
        **weight(f"{key}.self_attn.q_proj", queries, GEMMA_WIDTH),
        **weight(f"{key}.self_attn.k_proj", values, GEMMA_WIDTH),
        **weight(f"{key}.self_attn.v_proj", values, GEMMA_WIDTH),
        **weight(f"{key}.self_attn.o_proj", GEMMA_WIDTH, queries),
        **norm(f"{key}.self_attn.q_norm", GEMMA_HEAD, 0.0),
        **norm(f"{key}.self_attn.k_norm", GEMMA_HEAD, 0.0),
        **weight(f"{key}.mlp.gate_proj", GEMMA_INNER, GEMMA_WIDTH),
        **weight(f"{key}.mlp.up_proj", GEMMA_INNER, GEMMA_WIDTH),
        **weight(f"{key}.mlp.down_proj", GEMMA_WIDTH, GEMMA_INNER),
    }
    for where in ("input", "post_attention", "pre_feedforward", "post_feedforward"):
        found |= norm(f"{key}.{where}_layernorm", GEMMA_WIDTH, 0.0)
    return found


def tokenizer() -> bytes:
    """A sentencepiece model, trained on this repository's own prose; with bytes to fall back on, it takes any text."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    lines = [line for page in pages for line in page.read_text(encoding="utf-8").splitlines() if line.strip()]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        vocab_size=WORDS,
        hard_vocab_limit=False,
        model_type="bpe",
        byte_fallback=True,
        add_dummy_prefix=False,  # text goes in as it is, as into Gemma's own
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        num_threads=1,  # the same text gives the same model
        user_defined_symbols=["<start_of_turn>", "<end_of_turn>"],
        pad_id=0,  # these four as Gemma numbers them
        eos_id=1,
        bos_id=2,
        unk_id=3,
        minloglevel=2,
    )
    return model.getvalue()
