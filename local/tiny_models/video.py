"""The video VAE and the latent upscalers."""

from local.tiny_models.config import BASE_CHANNELS, DECODER_BLOCKS, ENCODER_BLOCKS, LATENT_CHANNELS, PATCH
from local.tiny_models.tensor import BIAS, Layout, Tensor, conv, layer, norm, table

CELLS = {"compress_space": 4, "compress_time": 2, "compress_all": 8}
"""Pixels that become channels where a block halves its grid."""
MIDDLE = 32  # channels of the upscalers


def video_vae() -> Layout:
    """Everything below `vae`, without that prefix."""
    return {
        **_encoder(),
        **_decoder(),
        **table("per_channel_statistics.mean-of-means", LATENT_CHANNELS),
        **table("per_channel_statistics.std-of-means", LATENT_CHANNELS, mean=1.0),
    }


def _encoder() -> Layout:
    channels = BASE_CHANNELS
    found = conv("encoder.conv_in", channels, 3 * PATCH**2, dims=3)
    for number, (kind, given) in enumerate(ENCODER_BLOCKS):
        key = f"encoder.down_blocks.{number}"
        if kind == "res_x":
            found |= _residuals(key, channels, given["num_layers"])
        else:  # a strided cell goes into channels, after a convolution that thins them out
            wider = channels * given["multiplier"]
            found |= conv(f"{key}.conv", wider // CELLS[kind.removesuffix("_res")], channels, dims=3)
            channels = wider
    return found | conv("encoder.conv_out", LATENT_CHANNELS + 1, channels, dims=3)  # +1: one log-variance for all


def _decoder() -> Layout:
    channels = BASE_CHANNELS
    for kind, given in DECODER_BLOCKS:
        channels *= given.get("multiplier", 1) if kind in CELLS else 1
    found = conv("decoder.conv_in", channels, LATENT_CHANNELS, dims=3)
    for number, (kind, given) in enumerate(reversed(DECODER_BLOCKS)):
        key = f"decoder.up_blocks.{number}"
        if kind == "res_x":
            found |= _residuals(key, channels, given["num_layers"])
        else:
            thinner = channels // given["multiplier"]
            found |= conv(f"{key}.conv", thinner * CELLS[kind], channels, dims=3)
            channels = thinner
    return found | conv("decoder.conv_out", 3 * PATCH**2, channels, dims=3)


def _residuals(key: str, channels: int, count: int) -> Layout:
    found: Layout = {}
    for number in range(count):
        for which in ("conv1", "conv2"):
            found |= conv(f"{key}.res_blocks.{number}.{which}", channels, channels, dims=3)
    return found


def upscaler(*, spatial: bool) -> Layout:
    """Doubles a latent each way (2D pixel shuffle per frame) or in time (3D)."""
    kernel = (3, 3) if spatial else (3, 3, 3)
    found: Layout = {
        **layer("initial_conv", MIDDLE, LATENT_CHANNELS, 3, 3, 3),
        **_group_norm("initial_norm"),
        **layer("upsampler.0", MIDDLE * (4 if spatial else 2), MIDDLE, *kernel),
        **layer("final_conv", LATENT_CHANNELS, MIDDLE, 3, 3, 3),
    }
    for stage in ("res_blocks", "post_upsample_res_blocks"):
        for number in (1, 2):
            found |= layer(f"{stage}.0.conv{number}", MIDDLE, MIDDLE, 3, 3, 3)
            found |= _group_norm(f"{stage}.0.norm{number}")
    return found


def _group_norm(key: str) -> Layout:
    return {**norm(key, MIDDLE), f"{key}.bias": Tensor((MIDDLE,), BIAS)}
