"""MivoDecodeToVideo: a video latent and its sound become the delivered file, tile by tile."""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from . import engine
from .command import PRESETS, Delivery, command
from .encoder import Encoder
from .stream import Rows
from .stream import frames as frames_of
from .tiles import Grid, Plan, Sizes, plan

Tensor = Any
LARGEST = 16384
TILES = ("tile_size", "overlap", "temporal_size", "temporal_overlap")


class MivoDecodeToVideo:
    """ComfyUI's own VAEDecodeTiled holds the whole clip as float32, 24 GB for 20 s of 1080p at 48 fps; this one the
    frames of one tile. The pixels are the same.
    """

    CATEGORY = "mivo"
    DESCRIPTION = "Decodes a video latent in tiles, as VAEDecodeTiled does, and encodes its frames meanwhile."
    FUNCTION = "run"
    OUTPUT_NODE = True
    RETURN_TYPES: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802  ComfyUI's name
        def whole(default: int, low: int, high: int, step: int = 1) -> tuple[str, dict[str, int]]:
            return ("INT", {"default": default, "min": low, "max": high, "step": step})

        return {
            "required": {
                "samples": ("LATENT",),
                "vae": ("VAE",),
                "audio": ("AUDIO",),
                "tile_size": whole(512, 64, 4096, 32),
                "overlap": whole(64, 0, 4096, 32),
                "temporal_size": whole(64, 8, 4096, 4),
                "temporal_overlap": whole(24, 4, 4096, 4),
                "fps": whole(24, 1, 120),
                "frames": whole(24, 1, 100_000),
                "x": whole(0, 0, LARGEST),
                "y": whole(0, 0, LARGEST),
                "width": whole(1920, 2, LARGEST),
                "height": whole(1080, 2, LARGEST),
                "shrink": whole(1, 1, 8),
                "crf": whole(18, 0, 51),
                "preset": (list(PRESETS), {"default": "veryfast"}),
                "comment": ("STRING", {"default": ""}),
                "filename_prefix": ("STRING", {"default": "video/mivo"}),
            }
        }

    def run(
        self,
        *,
        samples: dict[str, Tensor],
        vae: Any,
        audio: dict[str, Any],
        filename_prefix: str,
        frames: int,
        comment: str,
        **more: Any,
    ) -> dict[str, Any]:
        """The first `frames` frames of the clip, and of them a rectangle, as one mp4 below ComfyUI's output folder.

        ValueError for latents, sizes or lengths that cannot become that; EncoderError; MemoryError; whatever the
        decoder raises, and ComfyUI's own exception when it is interrupted. None of them leaves a file.
        """
        latent = samples["samples"]
        tiles = plan_of(vae, latent, **{name: more.pop(name) for name in TILES})
        if tiles.frames < frames:
            raise ValueError(f"{frames} frames are asked for, and the latent has only {tiles.frames}")
        delivery = Delivery(decoded=(tiles.width, tiles.height), frames=frames, comment=engine.signed(comment), **more)
        saved = engine.next_output(filename_prefix, delivery.decoded)
        with (
            engine.sound_file(audio) as sound,
            Encoder(
                lambda part: command(delivery, sound, part), saved.path, watch=engine.stop_if_interrupted
            ) as encoder,
        ):
            for number, frame in enumerate(decoded(vae, latent, tiles, engine.rgb24), 1):
                encoder.write(frame)
                if number == frames:
                    break
            encoder.finish()
        return {"ui": {"images": [saved.shown], "animated": (True,)}}


def plan_of(vae: Any, latent: Tensor, **asked: Any) -> Plan:
    """The tiles of a latent, whose sizes are given in pixels and frames. ValueError for what is no single video."""
    time, space = grids(vae, latent)
    return plan(tuple(latent.shape[2:]), Sizes.asked(**asked, time=time, space=space), time=time, space=space)


def grids(vae: Any, latent: Tensor) -> tuple[Grid, Grid]:
    """How the VAE grows a latent in time and in space. ValueError for a latent or a VAE that is none of one video."""
    if getattr(latent, "is_nested", False) or latent.ndim != 5 or latent.shape[0] != 1:
        raise ValueError("samples must be the latent of one video: split off its sound, and decode one at a time")
    ratios, steps = vae.upscale_ratio, vae.upscale_index_formula
    if not isinstance(ratios, tuple) or steps is None or steps[1] != steps[2]:
        raise ValueError("vae must be the VAE of a video model")
    time = Grid(steps[0], steps[0] - ratios[0](1))
    if time.decoded(latent.shape[2]) != ratios[0](latent.shape[2]):
        raise ValueError("this VAE grows a latent in time in another way than LTX-2's")
    return time, Grid(steps[1], 0)


def decoded(vae: Any, latent: Tensor, tiles: Plan, form: Callable[[Tensor], Rows]) -> Iterator[list[Rows]]:
    """Every frame in order, in a few parts from top to bottom, each [3, rows, width] from 0 to 1 when `form` gets it.

    The values are those of VAEDecodeTiled, bit for bit.
    """
    largest = [max(span.latents for span in spans) for spans in (tiles.time, tiles.rows, tiles.columns)]
    memory = engine.FrameMemory(vae.output_device)
    with engine.loaded(vae, (*latent.shape[:2], *largest)):
        decode = engine.decoder(vae, latent, tiles.tiles)
        yield from frames_of(tiles, decode, memory, lambda rows: form(vae.process_output(rows)))


NODE_CLASS_MAPPINGS = {"MivoDecodeToVideo": MivoDecodeToVideo}
NODE_DISPLAY_NAME_MAPPINGS = {"MivoDecodeToVideo": "Decode to video (Mivo)"}
