"""Gemma as the folder that transformers reads: shards with an index, configs, and the tokenizer in both its forms.

The numbers are those of the single file, so that both loaders read the same model. The vision tower is left out:
transformers makes one up, and nothing looks through it.
"""

import json
from typing import Any

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
from local.tiny_models.tensor import Layout
from local.tiny_models.text import gemma, tokenizer

SHARDS = 5
SPACE = "\u2581"  # what sentencepiece writes for a blank


def shard(number: int) -> Layout:
    """Shard 1 to 5: every fifth of the layers, keys as in the single file."""
    return {key: tensor for key, tensor in gemma().items() if _shard_of(key) == number}


def saved(key: str) -> str:
    """A key of the single file, as the folder has it."""
    return f"language_model.{key}"


def _shard_of(key: str) -> int:
    parts = key.split(".")
    return 1 + int(parts[2]) * SHARDS // GEMMA_LAYERS if parts[1] == "layers" else 1


def index() -> dict[str, Any]:
    where = {saved(key): f"model-{_shard_of(key):05d}-of-{SHARDS:05d}.safetensors" for key in gemma()}
    return {"metadata": {}, "weight_map": where}


def config() -> dict[str, Any]:
    """Of transformers' Gemma3ForConditionalGeneration; all but the widths are the real model's."""
    text = {
        "model_type": "gemma3_text",
        "vocab_size": GEMMA_VOCABULARY,
        "hidden_size": GEMMA_WIDTH,
        "intermediate_size": GEMMA_INNER,
        "num_hidden_layers": GEMMA_LAYERS,
        "num_attention_heads": GEMMA_HEADS,
        "num_key_value_heads": GEMMA_KV_HEADS,
        "head_dim": GEMMA_HEAD,
        "query_pre_attn_scalar": GEMMA_HEAD,
        "rope_theta": 1000000,
        "rope_local_base_freq": 10000,
        "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        "sliding_window": 1024,
        "sliding_window_pattern": 6,
        "max_position_embeddings": 131072,
    }
    vision = {
        "model_type": "siglip_vision_model",
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_attention_heads": 2,
        "num_hidden_layers": 1,
        "image_size": 896,
        "patch_size": 14,
        "vision_use_head": False,
    }
    return {
        "architectures": ["Gemma3ForConditionalGeneration"],
        "model_type": "gemma3",
        "mm_tokens_per_image": 256,
        "text_config": text,
        "vision_config": vision,
    }


def tokenizer_config() -> dict[str, Any]:
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    return {"tokenizer_class": "GemmaTokenizer", "add_bos_token": True, "add_eos_token": False, **special}


def preprocessor_config() -> dict[str, Any]:
    return {"image_processor_type": "Gemma3ImageProcessor", "size": {"height": 896, "width": 896}}


def fast_tokenizer() -> dict[str, Any]:
    """The sentencepiece model as the `tokenizers` library writes it: its pieces, and every merge that makes one."""
    model = sentencepiece.SentencePieceProcessor(model_proto=tokenizer())
    ids = {model.id_to_piece(number): number for number in range(model.vocab_size())}
    merges = [
        pair
        for piece in ids
        for pair in sorted(
            ([piece[:cut], piece[cut:]] for cut in range(1, len(piece)) if piece[:cut] in ids and piece[cut:] in ids),
            key=lambda pair: (ids[pair[0]], ids[pair[1]]),
        )
    ]
    special = [
        {
            "id": number,
            "content": piece,
            "special": True,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
        }
        for piece, number in ids.items()
        if model.is_control(number) or model.is_unknown(number) or "_of_turn" in piece
    ]
    begin = {"id": "<s>", "ids": [model.bos_id()], "tokens": ["<s>"]}
    first = [{"SpecialToken": {"id": "<s>", "type_id": 0}}]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special,
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": SPACE},
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [*first, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [
                *first,
                {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "<s>", "type_id": 1}},
                {"Sequence": {"id": "B", "type_id": 1}},
            ],
            "special_tokens": {"<s>": begin},
        },
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": ids,
            "merges": merges,
        },
    }


def text(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode()
