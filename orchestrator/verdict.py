"""Is what a stage made what the plan asked for? Pure."""

from orchestrator.plan import Plan
from shared.contracts.artifact import Manifest
from shared.contracts.vocabulary import Stage
from shared.errors import ErrorBody

SECONDS_OFF = 0.05  # of pictures and of sound, by their container; a frame at 24 fps lasts 0.042 s


def flaw_of(manifest: Manifest, plan: Plan, stage: Stage, *, refuse_preview: bool) -> ErrorBody | None:
    """Why a manifest cannot be taken as this stage's work; None when it can.

    The last stage has to deliver exactly the size, frames, rate and seconds that were paid for, and sound.
    """
    said = _flaw(manifest, plan, stage, refuse_preview=refuse_preview)
    return None if said is None else ErrorBody(code="bad_output", message=said, retryable=False, stage=stage)


def _flaw(manifest: Manifest, plan: Plan, stage: Stage, *, refuse_preview: bool) -> str | None:
    if manifest.stage is not stage:
        return f"a manifest of {manifest.stage} was left for {stage}"
    engine = manifest.versions.get("engine", "")
    if refuse_preview and "preview" in engine.lower():
        return f"the engine {engine!r} only previews; production needs a real ComfyUI"
    if stage is not plan.order[-1]:
        lacking = {"video_latent", "audio_latent"} - manifest.artifacts.keys()
        return f"the next stage needs {', '.join(sorted(lacking))}, and the manifest has none" if lacking else None
    return _video_flaw(manifest, plan)


def _video_flaw(manifest: Manifest, plan: Plan) -> str | None:
    video = manifest.artifacts.get("video")
    if video is None:
        return "the last stage left no video"
    if video.media_type != "video/mp4" or video.bytes == 0:
        return f"the video is {video.bytes} bytes of {video.media_type}"
    asked = plan.delivers
    wanted = {"width": asked.width, "height": asked.height, "frames": asked.frames, "fps": asked.fps}
    wrong = [
        f"{name} {getattr(video, name)} instead of {value}"
        for name, value in wanted.items()
        if getattr(video, name) != value
    ]
    for name in ("seconds", "audio_seconds"):
        length = getattr(video, name)
        if length is None or abs(length - asked.seconds) > SECONDS_OFF:
            wrong.append(f"{name} {length} instead of {asked.seconds}")
    return f"the video has {', '.join(wrong)}" if wrong else None
