"""The audio VAE, a codec of mel spectrograms, and the vocoder that makes sound of them."""

from local.tiny_models.config import AUDIO_CODEC, AUDIO_LATENT_CHANNELS, MEL_BINS, VOCODER
from local.tiny_models.tensor import BIAS, Layout, Tensor, conv, layer, table, weight

WIDTHS = [AUDIO_CODEC["ch"] * factor for factor in AUDIO_CODEC["ch_mult"]]
BLOCKS: int = AUDIO_CODEC["num_res_blocks"]
EARS = 2  # channels of sound


def audio_vae() -> Layout:
    """Everything below `audio_vae`, with that prefix: the slim file keeps it (facts/comfyui.md section 3)."""
    found = {
        **_encoder("audio_vae.encoder"),
        **_decoder("audio_vae.decoder"),
        **table("audio_vae.per_channel_statistics.mean-of-means", 2 * MEL_BINS),
        **table("audio_vae.per_channel_statistics.std-of-means", 2 * MEL_BINS, mean=1.0),
    }
    for half in ("encoder", "decoder"):
        for number in (1, 2):
            found |= _residual(f"audio_vae.{half}.mid.block_{number}", WIDTHS[-1], WIDTHS[-1])
    return found


def _encoder(key: str) -> Layout:
    found = conv(f"{key}.conv_in", WIDTHS[0], EARS, dims=2)
    into = WIDTHS[0]
    for level, width in enumerate(WIDTHS):
        for number in range(BLOCKS):
            found |= _residual(f"{key}.down.{level}.block.{number}", width, into)
            into = width
        if level < len(WIDTHS) - 1:
            found |= layer(f"{key}.down.{level}.downsample.conv", width, width, 3, 3)
    return found | conv(f"{key}.conv_out", 2 * AUDIO_LATENT_CHANNELS, into, dims=2)  # mean and log-variance


def _decoder(key: str) -> Layout:
    into = WIDTHS[-1]
    found = conv(f"{key}.conv_in", into, AUDIO_LATENT_CHANNELS, dims=2)
    for level, width in reversed(list(enumerate(WIDTHS))):
        for number in range(BLOCKS + 1):
            found |= _residual(f"{key}.up.{level}.block.{number}", width, into)
            into = width
        if level > 0:
            found |= conv(f"{key}.up.{level}.upsample.conv", width, width, dims=2)
    return found | conv(f"{key}.conv_out", EARS, into, dims=2)


def _residual(key: str, out: int, into: int) -> Layout:
    found = {**conv(f"{key}.conv1", out, into, dims=2), **conv(f"{key}.conv2", out, out, dims=2)}
    if out != into:
        found |= conv(f"{key}.nin_shortcut", out, into, dims=2, kernel=1)
    return found


def vocoder() -> Layout:
    """Everything below `vocoder`, with that prefix; transposed convolutions have shape [in, out, kernel]."""
    width: int = VOCODER["upsample_initial_channel"]
    found = layer("vocoder.conv_pre", width, 2 * MEL_BINS, 7)
    for number, kernel in enumerate(VOCODER["upsample_kernel_sizes"]):
        found |= weight(f"vocoder.ups.{number}", width, width // 2, kernel)
        width //= 2
        found[f"vocoder.ups.{number}.bias"] = Tensor((width,), BIAS)
        for which in ("convs1", "convs2"):
            for dilation in range(len(VOCODER["resblock_dilation_sizes"][0])):
                found |= layer(f"vocoder.resblocks.{number}.{which}.{dilation}", width, width, 3)
    return found | layer("vocoder.conv_post", EARS, width, 7)
