"""What ComfyUI wrote -> checked artifacts in S3."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from shared import delivery, geometry, latents, media
from shared.artifacts import ArtifactStore
from shared.comfy import sections
from shared.contracts import artifact as naming
from shared.contracts import keys
from shared.contracts.artifact import Artifact
from shared.contracts.stage import SpatialUpscaleInput, StageInput
from shared.errors import FatalError
from shared.worker import quality
from shared.worker.transfers import together

SAFETENSORS = "application/octet-stream"
ROLES = {
    sections.SAVE_VIDEO_LATENT: "video_latent",
    sections.SAVE_AUDIO_LATENT: "audio_latent",
    sections.SAVE_CONDITIONING: "conditioning",
    sections.SAVE_DETAIL_CONDITIONING: "detail_conditioning",
    sections.SAVE_VIDEO: "video",
}
"""Title of the saving node -> what its file is to the worker."""


@dataclass(frozen=True)
class Local:
    """A checked file on this worker's disk, ready to be uploaded."""

    role: str
    path: Path
    key: str
    media_type: str
    facts: Mapping[str, object]


def sampled(work: StageInput) -> tuple[geometry.Size, int]:
    """Size and frames of the latents that a run leaves."""
    return geometry.tier(work.resolution, half=work.half_resolution).generate, geometry.clip(work.duration).generate


def check_latents(work: StageInput, files: dict[str, Path], execution: str) -> list[Local]:
    """Latents, narrowed to bfloat16 where they lie, and conditioning, by role.

    FatalError bad_output when one is missing, misshapen or not finite.
    """
    size, frames = sampled(work)
    stage_key = keys.stage_key(keys.latents_only(work) or work)
    found = []
    for role, path in files.items():
        if role == "video":
            continue
        if role.endswith("conditioning"):
            facts = latents.inspect(path, latents.CONDITIONING)  # the graph asks for bfloat16
        else:
            facts = latents.narrow(path, latents.LATENT)
        if role == "video_latent":
            _require_shape(role, facts.shape, geometry.video_latent_shape(size, frames))
        elif role == "audio_latent":
            _require_shape(role, facts.shape, _audio_shape(work, frames))
        found.append(
            Local(
                role=role,
                path=path,
                key=naming.latent_key(stage_key, execution, role),
                media_type=SAFETENSORS,
                facts={"shape": facts.shape, "dtype": facts.dtype},
            )
        )
    return found


def _audio_shape(work: StageInput, frames: int) -> tuple[int, ...]:
    """The sound's length is carried from where it was made, never recomputed."""
    if isinstance(work, SpatialUpscaleInput) and work.audio_latent.shape:
        return work.audio_latent.shape
    return geometry.audio_latent_shape(frames)


def _require_shape(role: str, shape: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    if shape != wanted:
        raise FatalError("bad_output", f"the {role} has shape {list(shape)} instead of {list(wanted)}")


async def check_video(work: StageInput, video: Path, folder: Path, execution: str) -> list[Local]:
    """The video, exactly what was asked for, looked at and listened to, and its poster."""
    want = delivery.of(work)
    facts = await facts_of(video, want)
    quality.require_good(await media.sample(video))
    poster = folder / "poster.jpg"
    await media.poster(video, poster, at_seconds=want.clip.seconds / 2)
    stage_key = keys.stage_key(work)
    size = {"width": want.size.width, "height": want.size.height}
    return [
        Local("video", video, naming.video_key(stage_key, execution), "video/mp4", facts),
        Local("poster", poster, naming.poster_key(stage_key, execution), "image/jpeg", size),
    ]


async def facts_of(video: Path, want: delivery.Delivery) -> dict[str, object]:
    """What its artifact says of an mp4; FatalError bad_output when that is not what was wanted."""
    size, clip = want.size, want.clip
    made = await media.check_delivered(video, size=size, clip=clip)
    return {
        "width": size.width,
        "height": size.height,
        "frames": clip.deliver,
        "fps": clip.fps,
        "seconds": float(clip.seconds),
        "audio_seconds": made.audio_seconds,
    }


async def upload(store: ArtifactStore, files: list[Local]) -> dict[str, Artifact]:
    """All of them at once; by role. When it fails or is cancelled, no parts of any are left."""
    made = await together(
        store,
        [partial(store.upload, file.path, file.key, media_type=file.media_type, **file.facts) for file in files],  # type: ignore[arg-type]
    )
    return {file.role: artifact for file, artifact in zip(files, made, strict=True)}
