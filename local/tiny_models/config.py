"""The `config` that LTX-2's own files carry as metadata, with small widths.

Every key is one that ComfyUI 0.25 reads when it loads a checkpoint, a VAE or an upscaler (facts/comfyui.md
sections 0 and 3); what the layouts need is read from here too, so that files and metadata cannot disagree.
"""

import json
from typing import Any

HEADS = 4
WIDTH, AUDIO_WIDTH, CAPTION_WIDTH = 128, 64, 64
LAYERS, CONNECTOR_LAYERS = 2, 2
LATENT_CHANNELS, AUDIO_LATENT_CHANNELS, MEL_BINS = 128, 8, 64
BASE_CHANNELS = 16  # of both VAEs
PATCH = 4  # pixels of the video VAE's first cell, each way

GEMMA_LAYERS = 48
"""The real number: ComfyUI knows Gemma-3-12B by its layer 47 (facts/comfyui.md section 0)."""
GEMMA_WIDTH, GEMMA_INNER, GEMMA_HEADS, GEMMA_KV_HEADS, GEMMA_HEAD = 64, 128, 4, 2, 16
"""Those of tests/comfyui/custom_nodes/mivo_tiny."""
GEMMA_VOCABULARY = 262_208

TRANSFORMER: dict[str, Any] = {
    "_class_name": "AVTransformer3DModel",
    "in_channels": LATENT_CHANNELS,
    "out_channels": LATENT_CHANNELS,
    "audio_in_channels": 128,
    "audio_out_channels": 128,
    "num_attention_heads": HEADS,
    "attention_head_dim": WIDTH // HEADS,
    "cross_attention_dim": WIDTH,
    "audio_num_attention_heads": HEADS,
    "audio_attention_head_dim": AUDIO_WIDTH // HEADS,
    "audio_cross_attention_dim": AUDIO_WIDTH,
    "caption_channels": CAPTION_WIDTH,
    "num_layers": LAYERS,
    "connector_num_attention_heads": HEADS,
    "connector_attention_head_dim": CAPTION_WIDTH // HEADS,
    "connector_num_layers": CONNECTOR_LAYERS,
    "connector_positional_embedding_max_pos": [4096],
    "positional_embedding_theta": 10000.0,
    "positional_embedding_max_pos": [20, 2048, 2048],
    "audio_positional_embedding_max_pos": [20],
    "use_middle_indices_grid": True,
    "timestep_scale_multiplier": 1000,
    "av_ca_timestep_scale_multiplier": 1000.0,
    "rope_type": "split",
    "frequencies_precision": "float64",
    "causal_temporal_positioning": True,
}

_DOWN = ("compress_space_res", "compress_time_res", "compress_all_res", "compress_all_res")
ENCODER_BLOCKS: list[tuple[str, dict[str, Any]]] = [("res_x", {"num_layers": 1})]
for _kind in _DOWN:
    ENCODER_BLOCKS += [(_kind, {"multiplier": 2}), ("res_x", {"num_layers": 1})]
DECODER_BLOCKS: list[tuple[str, dict[str, Any]]] = [("res_x", {"num_layers": 1, "inject_noise": False})]
for _ in range(3):
    DECODER_BLOCKS += [("compress_all", {"residual": True, "multiplier": 2}), DECODER_BLOCKS[0]]

VAE: dict[str, Any] = {
    "_class_name": "CausalVideoAutoencoder",
    "dims": 3,
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": LATENT_CHANNELS,
    "encoder_blocks": ENCODER_BLOCKS,
    "decoder_blocks": DECODER_BLOCKS,
    "scaling_factor": 1.0,
    "norm_layer": "pixel_norm",
    "patch_size": PATCH,
    "latent_log_var": "uniform",
    "use_quant_conv": False,
    "causal_decoder": False,
    "timestep_conditioning": False,
    "encoder_base_channels": BASE_CHANNELS,
    "decoder_base_channels": BASE_CHANNELS,
    "encoder_spatial_padding_mode": "zeros",
    "decoder_spatial_padding_mode": "reflect",
}

AUDIO_CODEC: dict[str, Any] = {
    "double_z": True,
    "mel_bins": MEL_BINS,
    "z_channels": AUDIO_LATENT_CHANNELS,
    "resolution": 256,
    "downsample_time": False,
    "in_channels": 2,
    "out_ch": 2,
    "ch": BASE_CHANNELS,
    "ch_mult": [1, 2, 4],
    "num_res_blocks": 1,
    "attn_resolutions": [],
    "dropout": 0.0,
    "mid_block_add_attention": False,
    "norm_type": "pixel",
    "causality_axis": "height",
}

VOCODER: dict[str, Any] = {
    "resblock_kernel_sizes": [3],
    "upsample_rates": [6, 5, 2, 2, 2],
    "upsample_kernel_sizes": [16, 15, 8, 4, 4],
    "resblock_dilation_sizes": [[1, 3, 5]],
    "upsample_initial_channel": 64,
    "stereo": True,
    "resblock": "1",
}

_STFT = {"filter_length": 1024, "hop_length": 160, "win_length": 1024, "causal": True}
CHECKPOINT = {
    "transformer": TRANSFORMER,
    "vae": VAE,
    "audio_vae": {
        "model": {"params": {"ddconfig": AUDIO_CODEC, "sampling_rate": 16000}},
        "preprocessing": {"stft": _STFT, "mel": {"n_mel_channels": MEL_BINS}},
    },
    "vocoder": VOCODER,
    "scheduler": {
        "_class_name": "RectifiedFlowScheduler",
        "num_train_timesteps": 1000,
        "sampler": "LinearQuadratic",
    },
}


def checkpoint_metadata() -> dict[str, str]:
    """Of a checkpoint, and of the VAEs that are split from one."""
    return {"config": json.dumps(CHECKPOINT), "model_version": "2.0.0"}


def upscaler_metadata(*, spatial: bool) -> dict[str, str]:
    config = {
        "_class_name": "LatentUpsampler",
        "in_channels": LATENT_CHANNELS,
        "mid_channels": 32,
        "num_blocks_per_stage": 1,
        "dims": 3,
        "spatial_upsample": spatial,
        "temporal_upsample": not spatial,
    }
    return {"config": json.dumps(config)}
