"""What three endpoints do on three machines, with one engine: jobs in, manifests out, files through S3."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from local.comfyui_preview.numerics import tensors
from local.picture import lighthouse
from shared import geometry, media
from shared.artifacts import ArtifactStore
from shared.comfy.graph import Graph
from shared.contracts.artifact import Artifact, Manifest, input_key
from shared.contracts.stage import StageReply
from shared.contracts.vocabulary import Resolution
from shared.errors import ErrorBody
from shared.latents import LATENT
from shared.media.probe import MediaInfo
from shared.stage import Names, StageDefinition
from shared.worker import Worker, run_stage
from shared.worker.engine import Engine
from shared.worker.settings import WorkerSettings

DRAFT = {"resolution": "draft", "duration": 1}

Post = Callable[[dict[str, Any]], None]


@dataclass
class Stages:
    store: ArtifactStore
    engine: Engine
    folder: Path
    seed: int
    """No other test's: they share a bucket, and none may find the work of another."""
    posts: list[dict[str, Any]] = field(default_factory=list)

    async def run(self, definition: StageDefinition, *, report: Post | None = None, **given: Any) -> dict[str, Any]:
        worker = Worker(definition, self.store, self.engine, WorkerSettings(partial=True))  # whatever is asked
        return await run_stage(worker, {"id": "job", "input": given}, report or self.posts.append)

    async def ok(self, definition: StageDefinition, **given: Any) -> StageReply:
        answer = await self.run(definition, **given)
        assert "error" not in answer, answer
        assert len(json.dumps(answer)) < 2048
        return StageReply.model_validate(answer)

    async def error(self, definition: StageDefinition, **given: Any) -> ErrorBody:
        return ErrorBody.model_validate_json((await self.run(definition, **given))["error"])

    def asked(self, kind: str, **given: Any) -> dict[str, Any]:
        """The input of a base run; that of an image-to-video (`i2v`) has its image in S3."""
        asked = {**DRAFT, "prompt": "a lighthouse in a storm", "seed": self.seed, **given}
        return {**asked, "image": self.input_of("image")} if kind == "i2v" else asked

    def manifest(self, reply: StageReply) -> Manifest:
        return self.store.read_manifest_at(reply.manifest)

    def latent(self, reply: StageReply, role: str = "video_latent") -> npt.NDArray[np.float32]:
        """A latent as it lies in S3, widened to float32; finite."""
        return self.load(self.file(self.manifest(reply).artifacts[role]))

    def sound_moved(self, one: StageReply, other: StageReply) -> float:
        """The largest difference of two sounds' latents."""
        return float(np.abs(self.latent(one, "audio_latent") - self.latent(other, "audio_latent")).max())

    def load(self, path: Path) -> npt.NDArray[np.float32]:
        found = tensors.read(path, LATENT)
        assert np.isfinite(found).all()
        return found

    def file(self, artifact: Artifact) -> Path:
        path = self.folder / artifact.sha256
        self.store.download(artifact, path)
        return path

    def input_of(self, kind: str) -> dict[str, Any]:
        """A user's still, or a video of another size, rate and length than anything here."""
        path = self.folder / "source"
        if kind == "image":
            path.write_bytes(lighthouse())
        else:
            picture = "testsrc2=size=320x200:rate=25:duration=0.7"
            encode = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-f", "mp4"]
            subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", picture, *encode, path], check=True)
        media_type = "image/png" if kind == "image" else "video/mp4"
        digest = sha256(path.read_bytes()).hexdigest()
        made = self.store.upload(path, input_key(digest), media_type=media_type)
        return made.model_dump(mode="json", exclude_none=True)

    async def video(self, reply: StageReply) -> MediaInfo:
        return await media.probe(self.file(self.manifest(reply).artifacts["video"]))

    async def check_video(self, reply: StageReply, *, half: bool = False, doubled: bool = False) -> None:
        """Exactly what a draft of one second is: size, frames, rate, seconds, sound."""
        info = await self.video(reply)
        size = geometry.tier(Resolution.DRAFT, half=half).deliver
        clip = geometry.clip(1).doubled() if doubled else geometry.clip(1)
        assert (info.width, info.height) == (size.width, size.height)
        assert (info.frames, float(info.fps)) == (clip.deliver, clip.fps)
        assert (info.codec, info.pix_fmt, info.sample_rate) == ("h264", "yuv420p", 48_000)
        assert abs(info.video_seconds - 1) < 0.001
        assert info.audio_seconds is not None
        assert abs(info.audio_seconds - 1) < 0.025  # one AAC frame at 48 kHz is 0.021 s


def with_trouble(definition: StageDefinition, class_type: str, **inputs: Any) -> StageDefinition:
    """The same stage with one more node, whose result is asked for."""

    def build(work: Any, names: Names) -> Graph:
        graph = definition.graph(work, names).add("Trouble", class_type, **inputs)
        return graph.add(
            "Save trouble", "SaveImage", images=graph.link("Trouble"), filename_prefix=names.prefix("trouble")
        )

    return StageDefinition(definition.stage, build)
