"""What ComfyUI wrote -> checked artifacts in S3."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from shared import geometry, latents, media
from shared.artifacts import ArtifactStore
from shared.comfy import sections
from shared.contracts import artifact as naming
from shared.contracts import keys
from shared.contracts.artifact import Artifact
from shared.contracts.stage import SpatialUpscaleInput, StageInput, TemporalUpscaleInput
from shared.contracts.vocabulary import Resolution
from shared.errors import FatalError
from shared.worker import quality
from shared.worker.transfers import together

SAFETENSORS = "application/octet-stream"
ROLES = {
    sections.SAVE_VIDEO_LATENT: "video_latent",
    sections.SAVE_AUDIO_LATENT: "audio_latent",
    sections.SAVE_CONDITIONING: "conditioning",
    sections.SAVE_DETAIL_CONDITIONING: "detail_conditioning",
    sections.SAVE_CLIP: "clip",
    sections.SAVE_SOUND: "sound",
}
"""Title of the saving node -> what its file is to the worker."""

CRF = {Resolution.HD: 18, Resolution.FULL_HD: 18, Resolution.DRAFT: 23}
"""x264's constant rate factor: 18 is the usual bound of visually lossless; drafts are only looked at."""

PRESET = {Resolution.HD: "veryfast", Resolution.FULL_HD: "veryfast", Resolution.DRAFT: "ultrafast"}
"""x264's speed: the GPU waits for the encoder, so a few percent of size are given for seconds."""

ENCODE_SECONDS = 600.0
RAW = frozenset({"clip", "sound"})
"""What becomes the video, and is not shipped itself."""


@dataclass(frozen=True)
class Expected:
    """What a run has to deliver."""

    latent_size: geometry.Size
    crop: geometry.Crop
    latent_frames: int
    """Frames of the latents; temporal upscaling happens after they were made."""
    clip: geometry.Clip
    """The delivered clip."""


def expected(work: StageInput) -> Expected:
    tier = geometry.tier(work.resolution, half=work.half_resolution)
    clip = geometry.clip(work.duration)
    delivered = clip.doubled() if isinstance(work, TemporalUpscaleInput) else clip
    return Expected(tier.generate, tier.crop, clip.generate, delivered)


@dataclass(frozen=True)
class Local:
    """A checked file on this worker's disk, ready to be uploaded."""

    role: str
    path: Path
    key: str
    media_type: str
    facts: Mapping[str, object]


def check_latents(work: StageInput, files: dict[str, Path], execution: str) -> list[Local]:
    """Latents, narrowed to bfloat16 where they lie, and conditioning, by role.

    FatalError bad_output when one is missing, misshapen or not finite.
    """
    want = expected(work)
    stage_key = keys.stage_key(keys.latents_only(work) or work)
    found = []
    for role, path in files.items():
        if role in RAW:
            continue
        if role.endswith("conditioning"):
            facts = latents.inspect(path, latents.CONDITIONING)  # the graph asks for bfloat16
        else:
            facts = latents.narrow(path, latents.LATENT)
        if role == "video_latent":
            _require_shape(role, facts.shape, geometry.video_latent_shape(want.latent_size, want.latent_frames))
        elif role == "audio_latent":
            _require_shape(role, facts.shape, _audio_shape(work, want))
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


def _audio_shape(work: StageInput, want: Expected) -> tuple[int, ...]:
    """The sound's length is carried from where it was made, never recomputed."""
    if isinstance(work, SpatialUpscaleInput) and work.audio_latent.shape:
        return work.audio_latent.shape
    return geometry.audio_latent_shape(want.latent_frames)


def _require_shape(role: str, shape: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    if shape != wanted:
        raise FatalError("bad_output", f"the {role} has shape {list(shape)} instead of {list(wanted)}")


async def deliver(
    work: StageInput, clip: Path, sound: Path, folder: Path, execution: str, *, comment: str
) -> list[Local]:
    """The video of pictures and sound, cut to exactly what was asked for, looked at and listened to, and its poster."""
    want = expected(work)
    video, poster = folder / "video.mp4", folder / "poster.jpg"
    facts = await encode(
        clip,
        sound,
        video,
        crop=want.crop,
        length=want.clip,
        crf=CRF[work.resolution],
        preset=PRESET[work.resolution],
        comment=comment,
        timeout=ENCODE_SECONDS,
    )
    quality.require_good(await media.sample(video))
    await media.poster(video, poster, at_seconds=want.clip.seconds / 2)
    stage_key = keys.stage_key(work)
    size = {"width": want.crop.width, "height": want.crop.height}
    return [
        Local("video", video, naming.video_key(stage_key, execution), "video/mp4", facts),
        Local("poster", poster, naming.poster_key(stage_key, execution), "image/jpeg", size),
    ]


async def encode(
    pictures: Path,
    sound: Path,
    path: Path,
    *,
    crop: geometry.Crop,
    length: geometry.Clip,
    crf: int,
    preset: str,
    comment: str,
    timeout: float,  # noqa: ASYNC109  handed on to ffmpeg's process
) -> dict[str, object]:
    """Pictures and sound as an mp4 of exactly this size and length; what its artifact says of it."""
    made = await media.deliver_video(
        pictures,
        sound,
        path,
        crop=crop,
        frames=length.deliver,
        fps=length.fps,
        seconds=length.seconds,
        crf=crf,
        preset=preset,
        comment=comment,
        timeout=timeout,
    )
    return {
        "width": crop.width,
        "height": crop.height,
        "frames": length.deliver,
        "fps": length.fps,
        "seconds": float(length.seconds),
        "audio_seconds": made.audio_seconds,
    }


async def upload(store: ArtifactStore, files: list[Local]) -> dict[str, Artifact]:
    """All of them at once; by role. When it fails or is cancelled, no parts of any are left."""
    made = await together(
        store,
        [partial(store.upload, file.path, file.key, media_type=file.media_type, **file.facts) for file in files],  # type: ignore[arg-type]
    )
    return {file.role: artifact for file, artifact in zip(files, made, strict=True)}
