"""The audio-video transformer of LTX-2 with its text connectors, keys as in the released checkpoints."""

from local.tiny_models.config import (
    AUDIO_WIDTH,
    CAPTION_WIDTH,
    CONNECTOR_LAYERS,
    GEMMA_LAYERS,
    GEMMA_WIDTH,
    LATENT_CHANNELS,
    LAYERS,
    WIDTH,
)
from local.tiny_models.tensor import Layout, layer, norm, table, weight

ROOT = "model.diffusion_model"
TIMESTEP_FEATURES = 256
REGISTERS = 128


def transformer() -> Layout:
    """Everything below `model.diffusion_model`."""
    found: Layout = {
        **layer(f"{ROOT}.patchify_proj", WIDTH, LATENT_CHANNELS),
        **layer(f"{ROOT}.audio_patchify_proj", AUDIO_WIDTH, 128),
        **layer(f"{ROOT}.proj_out", LATENT_CHANNELS, WIDTH),
        **layer(f"{ROOT}.audio_proj_out", 128, AUDIO_WIDTH),
        **table(f"{ROOT}.scale_shift_table", 2, WIDTH),
        **table(f"{ROOT}.audio_scale_shift_table", 2, AUDIO_WIDTH),
        **_caption(f"{ROOT}.caption_projection", WIDTH),
        **_caption(f"{ROOT}.audio_caption_projection", AUDIO_WIDTH),
        **_timestep(f"{ROOT}.adaln_single", WIDTH, parts=6),
        **_timestep(f"{ROOT}.audio_adaln_single", AUDIO_WIDTH, parts=6),
        **_timestep(f"{ROOT}.av_ca_video_scale_shift_adaln_single", WIDTH, parts=4),
        **_timestep(f"{ROOT}.av_ca_audio_scale_shift_adaln_single", AUDIO_WIDTH, parts=4),
        **_timestep(f"{ROOT}.av_ca_a2v_gate_adaln_single", WIDTH, parts=1),
        **_timestep(f"{ROOT}.av_ca_v2a_gate_adaln_single", AUDIO_WIDTH, parts=1),
    }
    for number in range(LAYERS):
        found |= _block(f"{ROOT}.transformer_blocks.{number}")
    for which in ("video", "audio"):
        found |= _connector(f"{ROOT}.{which}_embeddings_connector")
    return found


def text_projection() -> Layout:
    """All hidden states of Gemma, the embedding's too, onto one caption."""
    return weight("text_embedding_projection.aggregate_embed", CAPTION_WIDTH, GEMMA_WIDTH * (GEMMA_LAYERS + 1))


def _block(key: str) -> Layout:
    return {
        **_attention(f"{key}.attn1", query=WIDTH, context=WIDTH, inner=WIDTH),
        **_attention(f"{key}.attn2", query=WIDTH, context=WIDTH, inner=WIDTH),
        **_attention(f"{key}.audio_attn1", query=AUDIO_WIDTH, context=AUDIO_WIDTH, inner=AUDIO_WIDTH),
        **_attention(f"{key}.audio_attn2", query=AUDIO_WIDTH, context=AUDIO_WIDTH, inner=AUDIO_WIDTH),
        **_attention(f"{key}.audio_to_video_attn", query=WIDTH, context=AUDIO_WIDTH, inner=AUDIO_WIDTH),
        **_attention(f"{key}.video_to_audio_attn", query=AUDIO_WIDTH, context=WIDTH, inner=AUDIO_WIDTH),
        **_feed_forward(f"{key}.ff", WIDTH),
        **_feed_forward(f"{key}.audio_ff", AUDIO_WIDTH),
        **table(f"{key}.scale_shift_table", 6, WIDTH),
        **table(f"{key}.audio_scale_shift_table", 6, AUDIO_WIDTH),
        **table(f"{key}.scale_shift_table_a2v_ca_video", 5, WIDTH),
        **table(f"{key}.scale_shift_table_a2v_ca_audio", 5, AUDIO_WIDTH),
    }


def _connector(key: str) -> Layout:
    found = table(f"{key}.learnable_registers", REGISTERS, CAPTION_WIDTH)
    for number in range(CONNECTOR_LAYERS):
        block = f"{key}.transformer_1d_blocks.{number}"
        found |= _attention(f"{block}.attn1", query=CAPTION_WIDTH, context=CAPTION_WIDTH, inner=CAPTION_WIDTH)
        found |= _feed_forward(f"{block}.ff", CAPTION_WIDTH)
    return found


def _attention(key: str, *, query: int, context: int, inner: int) -> Layout:
    return {
        **layer(f"{key}.to_q", inner, query),
        **layer(f"{key}.to_k", inner, context),
        **layer(f"{key}.to_v", inner, context),
        **layer(f"{key}.to_out.0", query, inner),
        **norm(f"{key}.q_norm", inner),
        **norm(f"{key}.k_norm", inner),
    }


def _feed_forward(key: str, width: int) -> Layout:
    return {**layer(f"{key}.net.0.proj", 4 * width, width), **layer(f"{key}.net.2", width, 4 * width)}


def _caption(key: str, width: int) -> Layout:
    return {**layer(f"{key}.linear_1", width, CAPTION_WIDTH), **layer(f"{key}.linear_2", width, width)}


def _timestep(key: str, width: int, *, parts: int) -> Layout:
    embedder = f"{key}.emb.timestep_embedder"
    return {
        **layer(f"{embedder}.linear_1", width, TIMESTEP_FEATURES),
        **layer(f"{embedder}.linear_2", width, width),
        **layer(f"{key}.linear", parts * width, width),
    }
