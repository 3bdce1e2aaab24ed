"""Depth-Anything-3 (mono): a DINOv2 backbone in the smallest width that ComfyUI knows it by, and a thin DPT head."""

from local.tiny_models.tensor import TABLE, Layout, Tensor, layer, norm, table, weight

WIDTH, LAYERS = 384, 12
"""ViT-S: ComfyUI takes the preset from the width, and knows no narrower one; that makes 43 MB."""
CELL = 14  # pixels of a patch, each way
PLACES = (518 // CELL) ** 2 + 1
FEATURES, STAGES, NARROW = 32, (16, 32, 32, 32), 32


def depth() -> Layout:
    root = "backbone.embeddings"
    found: Layout = {
        **layer(f"{root}.patch_embeddings.projection", WIDTH, 3, CELL, CELL),
        **table(f"{root}.position_embeddings", 1, PLACES, WIDTH),
        **table(f"{root}.cls_token", 1, 1, WIDTH),
        **_layer_norm("backbone.layernorm"),
    }
    for number in range(LAYERS):
        found |= _block(f"backbone.encoder.layer.{number}")
    return found | _head()


def _block(key: str) -> Layout:
    found: Layout = {
        **layer(f"{key}.attention.output.dense", WIDTH, WIDTH),
        **layer(f"{key}.mlp.fc1", 4 * WIDTH, WIDTH),
        **layer(f"{key}.mlp.fc2", WIDTH, 4 * WIDTH),
    }
    for which in ("query", "key", "value"):
        found |= layer(f"{key}.attention.attention.{which}", WIDTH, WIDTH)
    for number in (1, 2):
        found |= _layer_norm(f"{key}.norm{number}")
        found[f"{key}.layer_scale{number}.lambda1"] = Tensor((WIDTH,), TABLE, 1.0)
    return found


def _head() -> Layout:
    """DPT: four depths of the backbone, fused from coarse to fine; a map of depth and one of sky."""
    scratch = "head.scratch"
    found: Layout = {
        **layer("head.resize_layers.0", STAGES[0], STAGES[0], 4, 4),  # x4 and x2 by transposed convolution
        **layer("head.resize_layers.1", STAGES[1], STAGES[1], 2, 2),
        **layer("head.resize_layers.3", STAGES[3], STAGES[3], 3, 3),
        **layer(f"{scratch}.output_conv1", FEATURES // 2, FEATURES, 3, 3),
    }
    for number, channels in enumerate(STAGES):
        found |= layer(f"head.projects.{number}", channels, WIDTH, 1, 1)
        found |= weight(f"{scratch}.layer{number + 1}_rn", FEATURES, channels, 3, 3)
        found |= _fusion(f"{scratch}.refinenet{number + 1}", first=number == len(STAGES) - 1)
    for out in ("output_conv2", "sky_output_conv2"):
        found |= layer(f"{scratch}.{out}.0", NARROW, FEATURES // 2, 3, 3)
        found |= layer(f"{scratch}.{out}.2", 1, NARROW, 1, 1)
    return found


def _fusion(key: str, *, first: bool) -> Layout:
    """The coarsest one has nothing before it to add to."""
    found = layer(f"{key}.out_conv", FEATURES, FEATURES, 1, 1)
    for unit in (2,) if first else (1, 2):
        for number in (1, 2):
            found |= layer(f"{key}.resConfUnit{unit}.conv{number}", FEATURES, FEATURES, 3, 3)
    return found


def _layer_norm(key: str) -> Layout:
    return {**norm(key, WIDTH), f"{key}.bias": Tensor((WIDTH,), 0.0)}
