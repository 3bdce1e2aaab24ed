"""What a worker leaves behind: artifacts of the right shapes and a manifest, without a GPU or a ComfyUI."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shared import geometry
from shared.artifacts import ArtifactStore
from shared.contracts import keys
from shared.contracts.artifact import Artifact, Manifest, latent_key, manifest_key, poster_key, video_key
from shared.contracts.stage import (
    INPUT_OF,
    MANIFEST_ONLY,
    BaseGenInput,
    ReplyArtifact,
    StageInput,
    StageReply,
    TemporalUpscaleInput,
)
from shared.contracts.vocabulary import Stage
from tests.integration.orchestrator.scripted_runpod import ScriptedJob


@dataclass
class FakeWorker:
    """Called for each job that RunPod accepts. `renders` counts the stages that were really made."""

    store: ArtifactStore
    renders: Counter[Stage] = field(default_factory=Counter)
    video_facts: dict[str, Any] = field(default_factory=dict)
    """Laid over the true facts of a video, to make a wrong one."""
    versions: dict[str, str] = field(default_factory=lambda: {"engine": "comfyui 0.25"})

    async def __call__(self, job: ScriptedJob) -> None:
        work = INPUT_OF[job.stage].model_validate(job.body["input"])
        reply = await asyncio.to_thread(self.render, job.stage, work)
        job.status, job.output = "COMPLETED", reply.model_dump(mode="json")

    def render(self, stage: Stage, work: StageInput) -> StageReply:
        stage_key = keys.stage_key(work)
        found = self.store.read_manifest(stage, stage_key)
        if found is not None:
            return _reply(found, reused=True)
        self.renders[stage] += 1
        manifest = Manifest(
            stage=stage,
            stage_key=stage_key,
            attempt_id=work.attempt_id,
            created_at=datetime.now(UTC),
            artifacts=self._artifacts(work, stage_key),
            params=keys.params_of(work),
            recipe=keys.recipe_of(work).model_dump(mode="json"),
            models=keys.models_of(work),
            timings={"total": 0.1},
            versions=self.versions,
        )
        return _reply(self.store.write_manifest(manifest), reused=False)

    def _artifacts(self, work: StageInput, stage_key: str) -> dict[str, Artifact]:
        made: dict[str, Artifact] = {}
        roles = ["video_latent", "audio_latent", "conditioning"]
        if isinstance(work, TemporalUpscaleInput):
            roles = []  # it is the last one, always: nobody goes on from it
        if isinstance(work, BaseGenInput):
            roles.append("detail_conditioning")
        for role in roles:
            content = f"{role} {work.attempt_id}".encode()  # as a real render, never twice the same bytes
            made[role] = self.store.upload_bytes(
                content, latent_key(stage_key, work.attempt_id, role), media_type="application/x-safetensors"
            )
        image = getattr(work, "image", None)
        if image is not None:
            made["image"] = image
        if work.ending == "video":
            made |= self._video(work, stage_key)
        return made

    def _video(self, work: StageInput, stage_key: str) -> dict[str, Artifact]:
        size = geometry.tier(work.resolution, half=work.half_resolution).deliver
        clip = geometry.clip(work.duration)
        if isinstance(work, TemporalUpscaleInput):
            clip = clip.doubled()
        facts: dict[str, Any] = {
            "width": size.width,
            "height": size.height,
            "frames": clip.deliver,
            "fps": clip.fps,
            "seconds": float(clip.seconds),
            "audio_seconds": float(clip.seconds),
        }
        video = self.store.upload_bytes(
            b"not really mp4",
            video_key(stage_key, work.attempt_id),
            media_type="video/mp4",
            **{**facts, **self.video_facts},
        )
        poster = self.store.upload_bytes(
            b"not really jpeg", poster_key(stage_key, work.attempt_id), media_type="image/jpeg"
        )
        return {"video": video, "poster": poster}


def _reply(manifest: Manifest, *, reused: bool) -> StageReply:
    shown = {
        role: ReplyArtifact(key=made.key, bytes=made.bytes)
        for role, made in manifest.artifacts.items()
        if role not in MANIFEST_ONLY
    }
    return StageReply(
        stage=manifest.stage,
        stage_key=manifest.stage_key,
        manifest=manifest_key(manifest.stage, manifest.stage_key),
        reused=reused,
        artifacts=shown,
        timings=manifest.timings,
        url="http://127.0.0.1/presigned",
    )
