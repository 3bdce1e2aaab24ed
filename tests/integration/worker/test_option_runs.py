"""Control and detailer through real workers, a real S3 and the preview engine: what is asked is what is made."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from local.picture import lighthouse
from shared import media
from shared.contracts.artifact import Artifact, input_key
from shared.contracts.stage import BaseGenInput, ControlParams, StageReply
from shared.contracts.vocabulary import ControlType, Resolution
from shared.stage import StageDefinition
from shared.worker import execute
from tests.integration.worker.conftest import Stages
from workers.base_gen.stage import STAGE as BASE
from workers.spatial_upscale.stage import STAGE as SPATIAL
from workers.temporal_upscale.stage import STAGE as TEMPORAL

DRAFT = {"resolution": "draft", "duration": 1}
Picture = NDArray[np.float64]


def clip(folder: Path, *, name: str = "theirs.mp4", picture: str = "testsrc=size=320x240:rate=30") -> bytes:
    """A user's video: neither 24 fps nor 16:9, and shorter than what is asked for."""
    path = folder / name
    argv = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", picture, "-t", "0.7", "-pix_fmt", "yuv420p"]
    subprocess.run([*argv, str(path)], check=True, timeout=30)
    return path.read_bytes()


def kept(stages: Stages, content: bytes, media_type: str) -> Artifact:
    made = stages.store.upload_bytes(content, "inputs/x", media_type=media_type)
    return stages.store.upload_bytes(content, input_key(made.sha256), media_type=media_type)


def frame(video: Path, at: float) -> Picture:
    """RGB [36, 64, 3], 0..1."""
    argv = ["ffmpeg", "-v", "error", "-ss", str(at), "-i", str(video), "-frames:v", "1"]
    argv += ["-vf", "scale=64:36:flags=area", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run(argv, check=True, capture_output=True, timeout=30)
    return np.frombuffer(done.stdout, np.uint8).reshape(36, 64, 3) / 255


async def delivered(
    stages: Stages, reply: StageReply, folder: Path, *, size: tuple[int, int] = (256, 144), fps: int = 24
) -> Path:
    """The video of a reply, after a look at its figures and at what the manifest says of it."""
    artifact = stages.store.read_manifest_at(reply.manifest).artifacts["video"]
    assert (artifact.width, artifact.height, artifact.frames, artifact.fps) == (*size, fps, fps)
    assert artifact.seconds == artifact.audio_seconds == 1.0
    path = folder / f"{artifact.sha256}.mp4"
    stages.store.download(artifact, path)
    info = await media.probe(path)
    assert (info.width, info.height, info.frames, float(info.fps)) == (*size, fps, fps)
    return path


# What each control makes of it is in tests/comfyui/test_comfyui_cells.py. Pose from a user's video is only here.
@pytest.mark.parametrize(("quality", "kind", "preprocessed"), [("fast", "canny", True), ("pro", "pose", False)])
async def test_a_control_video_reaches_the_graph_at_the_size_of_the_run(
    stages: Stages, tmp_path: Path, quality: str, kind: str, preprocessed: bool
) -> None:
    source = kept(stages, clip(tmp_path), "video/mp4")
    control = {"type": kind, "preprocessed": preprocessed}
    base = await stages.ok(
        BASE, prompt="waves", quality=quality, control=control, control_source=source.model_dump(), **DRAFT
    )
    await delivered(stages, base, tmp_path, size=(128, 72))
    manifest = stages.store.read_manifest_at(base.manifest)
    assert manifest.params["control"]["type"] == kind
    assert "control_source" not in manifest.artifacts, "the next stage does not read it"
    spatial = await stages.ok(SPATIAL, manifest=base.manifest)
    await delivered(stages, spatial, tmp_path)


@pytest.mark.parametrize(("half", "size"), [(True, (128, 96)), (False, (256, 192))])
@pytest.mark.parametrize("seconds", [1, 3])
async def test_whatever_the_user_sent_becomes_a_clip_of_the_size_and_length_of_the_run(
    stages: Stages, tmp_path: Path, half: bool, size: tuple[int, int], seconds: int
) -> None:
    for source in (kept(stages, clip(tmp_path), "video/mp4"), kept(stages, lighthouse(), "image/png")):
        control = ControlParams(type=ControlType.CANNY)
        work = BaseGenInput(
            prompt="x",
            resolution=Resolution.DRAFT,
            duration=seconds,
            half_resolution=half,
            control=control,
            control_source=source,
        )
        paths = await execute.fetch_inputs(work, tmp_path, stages.store)
        info = await media.probe(paths["control_source"])
        assert (info.width, info.height, info.frames) == (*size, 24 * seconds + 1)


@pytest.mark.parametrize("half", [True, False])
async def test_the_image_held_still_is_a_control_too(stages: Stages, tmp_path: Path, half: bool) -> None:
    image = kept(stages, lighthouse(), "image/png").model_dump()
    given = {"prompt": "waves", "image": image, "half_resolution": half, "seed": 5, **DRAFT}
    plain = await stages.ok(BASE, **given)
    base = await stages.ok(BASE, control={"type": "depth"}, control_source=image, **given)
    assert base.stage_key != plain.stage_key
    size = (128, 72) if half else (256, 144)
    await delivered(stages, base, tmp_path, size=size)


async def test_the_control_is_seen_in_the_video(stages: Stages, tmp_path: Path) -> None:
    """Two different control videos, all else the same: the videos differ."""
    given = {"prompt": "waves", "seed": 5, "half_resolution": False, "control": {"type": "canny"}, **DRAFT}
    shown = []
    for picture in ("testsrc=size=320x180:rate=24", "mandelbrot=size=320x180:rate=24"):
        source = kept(stages, clip(tmp_path, picture=picture), "video/mp4")
        reply = await stages.ok(BASE, control_source=source.model_dump(), **given)
        shown.append(frame(await delivered(stages, reply, tmp_path), 0.5))
    assert np.abs(shown[0] - shown[1]).mean() > 0.01


async def test_a_control_video_that_turns_out_to_be_damaged_is_the_users_to_mend(stages: Stages) -> None:
    source = kept(stages, b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom", "video/mp4")
    error = await stages.error(
        BASE, prompt="waves", control={"type": "canny"}, control_source=source.model_dump(), **DRAFT
    )
    assert (error.code, error.stage, error.retryable) == ("input_not_media", "base_gen", False)


@pytest.mark.parametrize("upscale", [True, False])
async def test_the_detailer_follows_the_refine_or_works_alone(stages: Stages, tmp_path: Path, upscale: bool) -> None:
    base = await stages.ok(BASE, prompt="waves", seed=5, half_resolution=upscale, ending="latents", **DRAFT)
    assert "detail_conditioning" in stages.store.read_manifest_at(base.manifest).artifacts
    stages.posts.clear()
    spatial = await stages.ok(SPATIAL, manifest=base.manifest, detailer=True)
    video = await delivered(stages, spatial, tmp_path)
    made = [stages.store.read_manifest_at(reply.manifest).artifacts for reply in (base, spatial)]
    assert made[0]["audio_latent"].sha256 == made[1]["audio_latent"].sha256, "the sound is made once"
    assert made[1]["video_latent"].shape == (1, 128, 4, 6, 8)
    assert 0.02 < frame(video, 0.5).mean() < 0.98
    fractions = [post["fraction"] for post in stages.posts]
    assert fractions == sorted(fractions)
    temporal = await stages.ok(TEMPORAL, manifest=spatial.manifest)
    await delivered(stages, temporal, tmp_path, fps=48)


@pytest.mark.parametrize(
    ("definition", "given", "said"),
    [
        (BASE, {"prompt": "x", "control": {"type": "canny"}}, "control_source"),
        (BASE, {"prompt": "x", "control": {"type": "tile"}}, "control.type"),
        (BASE, {"prompt": "x", "control": {"type": "canny"}, "camera": "jib_up"}, "already fixes the camera"),
        (TEMPORAL, {"manifest": "manifests/x", "detailer": True}, ""),
    ],
)
async def test_options_that_do_not_fit_are_refused(
    stages: Stages, definition: StageDefinition, given: dict[str, object], said: str
) -> None:
    error = await stages.error(definition, **given)
    assert error.code in {"invalid_input", "artifact_missing"}
    assert said in error.message
    assert stages.engine.pid is None
