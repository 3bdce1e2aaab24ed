"""One graph on ComfyUI: inputs in, graph through, outputs out."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from uuid import uuid4

from shared import durations, geometry, media
from shared.artifacts import ArtifactStore
from shared.comfy import sections
from shared.comfy.client import ComfyClient
from shared.comfy.events import FileRef, Run
from shared.comfy.graph import Graph
from shared.comfy.progress import Progress, ProgressMeter
from shared.contracts import keys
from shared.contracts.artifact import Artifact
from shared.contracts.stage import StageInput
from shared.errors import FatalError
from shared.stage import Names
from shared.worker.outputs import ROLES
from shared.worker.transfers import together

CONDITIONING_FOLDER = "conditioning"
"""Below ComfyUI's input/; models/embeddings is mapped to it (facts/comfyui.md section 4)."""


def deadline(work: StageInput) -> float:
    """Seconds that the run may take on the worker; the same table as the orchestrator's `executionTimeout`."""
    return durations.deadline(durations.of(work).total)


async def fetch_inputs(work: StageInput, folder: Path, store: ArtifactStore) -> dict[str, Path]:
    """Every input artifact on this disk, verified, and fitted to what is sampled. By role.

    The image gets the full size of the tier, wherever it is used; ComfyUI scales it. The control becomes a clip of
    the size and the frames of this very run. UserError input_not_media for one that cannot be decoded after all.
    """
    artifacts = keys.inputs_of(work)
    paths = {role: folder / role for role in artifacts}
    await together(store, [partial(store.download, artifact, paths[role]) for role, artifact in artifacts.items()])
    if "image" in paths:
        tier = geometry.tier(work.resolution, half=False)
        fitted = folder / "image.png"
        await asyncio.to_thread(
            media.normalise_image,
            paths["image"],
            fitted,
            delivered=(tier.deliver.width, tier.deliver.height),
            generated=(tier.generate.width, tier.generate.height),
        )
        paths["image"] = fitted
    if "control_source" in paths:
        paths["control_source"] = await _control_clip(work, artifacts["control_source"], paths["control_source"])
    return paths


async def _control_clip(work: StageInput, source: Artifact, path: Path) -> Path:
    tier, clip = geometry.tier(work.resolution, half=work.half_resolution), geometry.clip(work.duration)
    make = media.fit_video if source.media_type.startswith("video/") else media.hold_image
    target = path.with_name("control.mp4")
    await make(path, target, delivered=tier.deliver, generated=tier.generate, frames=clip.generate, fps=clip.fps)
    return target


async def hand_over(comfy: ComfyClient, inputs: dict[str, Path], names: Names) -> None:
    """Inputs into ComfyUI, under the names that the graph reads."""
    places = {
        "video_latent": names.video_latent,
        "audio_latent": names.audio_latent,
        "image": names.image,
        "control_source": names.control,
        "conditioning": f"{CONDITIONING_FOLDER}/{names.conditioning}",
        "detail_conditioning": f"{CONDITIONING_FOLDER}/{names.detail_conditioning}",
    }
    for role, path in inputs.items():
        subfolder, _, name = places[role].rpartition("/")
        await comfy.upload(path, name, subfolder=subfolder)


async def execute(
    comfy: ComfyClient,
    graph: Graph,
    *,
    seconds: float,
    on_progress: Callable[[Progress], None],
    on_accepted: Callable[[], None] = lambda: None,
    weights: Mapping[str, float] | None = None,
    rounds: Mapping[str, int] | None = None,
    idle: bool = False,
) -> Run:
    """Runs the graph to its end. The prompt id is new for every execution: ComfyUI takes one twice.

    `weights`: title -> seconds that the node should take. `rounds`: title -> how often that sampler counts.
    `idle`: see `Graph.check`.
    """
    problems = graph.check(idle=idle)
    if problems:
        raise FatalError("graph_rejected", f"the graph is not whole: {'; '.join(problems)}")
    api = graph.api()
    return await comfy.run(
        api,
        prompt_id=str(uuid4()),
        deadline_seconds=seconds,
        meter=ProgressMeter(api, weights=weights, rounds=rounds),
        on_progress=on_progress,
        on_accepted=on_accepted,
    )


async def collect(comfy: ComfyClient, graph: Graph, run: Run, names: Names, folder: Path) -> dict[str, Path]:
    """Every output that the graph promised, on this disk, by role; FatalError bad_output for one that is missing."""
    found: dict[str, Path] = {}
    for title in graph.outputs():
        role = ROLES[title]
        ref = _reference(run, title, names)
        found[role] = await comfy.fetch_output(ref, folder / f"out-{role}")
    return found


def _reference(run: Run, title: str, names: Names) -> FileRef:
    saved = {
        sections.SAVE_CONDITIONING: names.conditioning,
        sections.SAVE_DETAIL_CONDITIONING: names.detail_conditioning,
    }
    if title in saved:  # these tell only a text, not where the file lies
        return FileRef(saved[title], CONDITIONING_FOLDER, "input")
    files = run.files(title)
    if len(files) != 1:
        raise FatalError("bad_output", f"ComfyUI wrote {len(files)} files for '{title}' instead of one")
    return files[0]
