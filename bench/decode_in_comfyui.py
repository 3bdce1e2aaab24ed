"""Host memory of a decode and encode inside of ComfyUI: our streaming node's, or the core nodes' that it replaces.

`<ComfyUI's python> bench/decode_in_comfyui.py <ComfyUI's folder> <video VAE> --latents 121 --way ours`: one process a
figure, because a process never shows how little it needed. `--hollow` makes tiles by repeating the latent's values
instead of running the network: activations, which live on a GPU in production, and their hours on a CPU are left out.
Needs none of this project's environment, and cannot import it: torch and comfy are ComfyUI's.
"""

# ruff: noqa: PLC0415
# mypy: ignore-errors

import argparse
import importlib.util
import os
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

PACK = Path(__file__).resolve().parents[1] / "workers" / "comfy_nodes" / "mivo" / "__init__.py"
TILES = {"tile_size": 512, "overlap": 64, "temporal_size": 64, "temporal_overlap": 24}
WIDTH, HEIGHT = 1920, 1088
MB = 1e6


def resident(pid: int, what: str) -> float:
    """MB of a process: VmRSS now, VmHWM at the most. 0 when it has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(what):
                return int(line.split()[1]) * 1024 / MB
    return 0.0


class Watch(threading.Thread):
    """The most that this process and its ffmpeg have held together."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most = self.encoder = 0.0
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.02):
            encoder = sum(resident(pid, "VmRSS") for pid in children())
            self.encoder = max(self.encoder, encoder)
            self.most = max(self.most, resident(os.getpid(), "VmRSS") + encoder)


def children() -> list[int]:
    found = []
    for path in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            found += [int(pid) for pid in path.read_text().split()]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("comfyui", type=Path)
    parser.add_argument("vae", type=Path)
    parser.add_argument("--latents", type=int, default=121, help="frames of the latent; 121 are 961 frames of video")
    parser.add_argument("--way", choices=["ours", "core"], default="ours")
    parser.add_argument("--hollow", action="store_true")
    asked = parser.parse_args()
    checkpoint = asked.vae.resolve()
    os.chdir(asked.comfyui)
    sys.path.insert(0, str(asked.comfyui.resolve()))
    sys.argv = [sys.argv[0], "--cpu"]
    import comfy.options

    comfy.options.enable_args_parsing()
    import comfy.sd
    import comfy.utils
    import folder_paths
    import nodes
    import torch

    torch.set_num_threads(2)
    spec = importlib.util.spec_from_file_location("mivo", PACK)
    pack = importlib.util.module_from_spec(spec)
    sys.modules["mivo"] = pack
    spec.loader.exec_module(pack)
    weights, about = comfy.utils.load_torch_file(str(checkpoint), return_metadata=True)
    vae = comfy.sd.VAE(sd=weights, metadata=about)
    if asked.hollow:
        vae.first_stage_model.decode = hollow
    latent = torch.randn(1, 128, asked.latents, HEIGHT // 32, WIDTH // 32, generator=torch.Generator().manual_seed(1))
    frames = 8 * asked.latents - 7
    watch = Watch()
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        folder_paths.set_output_directory(folder)
        before, began = resident(os.getpid(), "VmRSS"), time.monotonic()
        watch.start()
        if asked.way == "ours":
            sound = {"waveform": torch.zeros(1, 2, 24_000 * frames // 48 + 1), "sample_rate": 24_000}
            crop = {"x": 0, "y": 4, "width": 1920, "height": 1080, "shrink": 1}
            how = {"fps": 48, "frames": frames - 1, "crf": 18, "preset": "veryfast", "comment": ""}
            links = {"samples": {"samples": latent}, "vae": vae, "audio": sound}
            pack.NODE_CLASS_MAPPINGS["MivoDecodeToVideo"]().run(
                **links, **TILES, **crop, **how, filename_prefix="bench"
            )
        else:
            nodes.NODE_CLASS_MAPPINGS["VAEDecodeTiled"]().decode(vae, {"samples": latent}, **TILES)
        seconds = time.monotonic() - began
        watch.over.set()
        watch.join()
    sys.stdout.write(
        f"{asked.way}{', hollow' if asked.hollow else ''}: {frames} frames of {WIDTH}x{HEIGHT} in {seconds:.0f} s, "
        f"{watch.most - before:.0f} MB above the model, of these ffmpeg at the most {watch.encoder:.0f} MB; as float32 "
        f"the clip has {frames * WIDTH * HEIGHT * 12 / MB:.0f} MB\n"
    )


def hollow(part):  # noqa: ANN001, ANN201  ComfyUI's, without types
    """A tile of the right size for next to nothing."""
    length, rows, columns = part.shape[2:]
    pixels = part[:, :3].repeat_interleave(32, 3).repeat_interleave(32, 4)
    tile = pixels.new_empty(1, 3, 8 * length - 7, 32 * rows, 32 * columns)
    for frame in range(8 * length - 7):
        tile[:, :, frame] = pixels[:, :, (frame + 7) // 8]
    return tile


if __name__ == "__main__":
    main()
