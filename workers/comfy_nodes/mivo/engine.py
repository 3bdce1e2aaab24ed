"""What the node asks of the ComfyUI around it. torch and comfy exist only there, so they are imported when it runs."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .command import Sound
from .tiles import F32, Span

Tensor = Any


@dataclass(frozen=True)
class FrameMemory:
    """Of the device that ComfyUI keeps results on: the host, unless it is told otherwise."""

    device: Any

    def zeros(self, *shape: int) -> Tensor:
        import torch

        return torch.zeros(shape, device=self.device)

    def own(self, weights: F32) -> Tensor:
        import torch

        return torch.from_numpy(weights).to(self.device)

    def fetch(self, part: Tensor) -> Tensor:
        return part.to(self.device)


@contextmanager
def loaded(vae: Any, tile: tuple[int, ...]) -> Iterator[None]:
    """The VAE where it computes, with room for one tile of this shape beside it.

    VAEDecodeTiled asks for the room of the whole clip, which throws every other model off the GPU.
    """
    from comfy import model_management

    vae.throw_exception_if_invalid()
    room = vae.memory_used_decode(tile, vae.vae_dtype)
    model_management.load_models_gpu([vae.patcher], memory_required=room, force_full_load=vae.disable_offload)
    with model_management.cuda_device_context(vae.device):
        yield


def decoder(vae: Any, latent: Tensor, tiles: int) -> Callable[[Span, Span, Span], Tensor]:
    """Decodes one tile [channels, frames, rows, columns], tells of it, and stops when somebody interrupts."""
    from comfy import utils

    progress = utils.ProgressBar(tiles)

    def decode(time: Span, rows: Span, columns: Span) -> Tensor:
        stop_if_interrupted()
        part = latent
        for direction, span in enumerate((time, rows, columns), 2):
            part = part.narrow(direction, span.first, span.latents)
        made = vae.first_stage_model.decode(part.to(vae.vae_dtype).to(vae.device)).to(dtype=vae.vae_output_dtype())
        progress.update(1)
        return made[0]

    return decode


def stop_if_interrupted() -> None:
    """Raises ComfyUI's own InterruptProcessingException."""
    from comfy import model_management

    model_management.throw_exception_if_processing_interrupted()


def rgb24(rows: Tensor) -> memoryview:
    """Rows [3, rows, width] from 0 to 1 as bytes, rounded to the nearest. They are changed themselves."""
    import torch

    pixels = rows.mul_(255.0).round_().to(torch.uint8).permute(1, 2, 0).contiguous().cpu()
    return memoryview(pixels.numpy())


@contextmanager
def sound_file(audio: dict[str, Any]) -> Iterator[Sound]:
    """The first waveform [channels, samples] of an AUDIO as a file.

    What is no number becomes the lowest level: a worker refuses sound that stays there, and AAC would only fail.
    """
    waveform = audio["waveform"][0].float().cpu().nan_to_num(nan=-1.0).clamp(-1.0, 1.0)
    with tempfile.TemporaryDirectory(prefix="mivo-") as folder:
        path = Path(folder, "sound.f32")
        waveform.T.contiguous().numpy().astype("<f4").tofile(path)
        yield Sound(path, int(audio["sample_rate"]), int(waveform.shape[0]))


@dataclass(frozen=True)
class Saved:
    """The next free name of a prefix, below ComfyUI's output folder."""

    path: Path
    shown: dict[str, str]


def next_output(prefix: str, size: tuple[int, int]) -> Saved:
    import folder_paths

    root = folder_paths.get_output_directory()
    folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(prefix, root, *size)
    path = Path(folder, f"{name}_{counter:05}_.mp4")
    return Saved(path, {"filename": path.name, "subfolder": subfolder, "type": "output"})


def signed(comment: str) -> str:
    """With the engine that made it, by the name that workers call it."""
    from comfyui_version import __version__

    return f"{comment}, ComfyUI {__version__}"
