"""Builders of what the pure core works on. Session-scoped functions, so that hypothesis tests may use them too."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.contracts import keys
from shared.contracts.artifact import Artifact, Manifest, latent_key
from shared.contracts.stage import (
    STAGE_OF,
    BaseGenInput,
    ControlParams,
    SpatialUpscaleInput,
    StageInput,
    TemporalUpscaleInput,
)
from shared.contracts.vocabulary import ControlType, Quality

MakeArtifact = Callable[[str], Artifact]
MakeManifest = Callable[[StageInput], Manifest]

ATTEMPT = "0" * 32
PROMPT = "a cat called Schroedinger walks along the harbour"
A = "a" * 32


@pytest.fixture(scope="session")
def make_artifact() -> MakeArtifact:
    """An artifact whose hash depends on its name only."""

    def make(name: str) -> Artifact:
        digest = hashlib.sha256(name.encode()).hexdigest()
        return Artifact(key=f"inputs/{name}", sha256=digest, bytes=100, media_type="application/octet-stream")

    return make


@pytest.fixture(scope="session")
def make_manifest() -> MakeManifest:
    """The manifest that a worker would write for this work, with all latents kept."""

    def make(work: StageInput) -> Manifest:
        key = keys.stage_key(work)
        made = {
            role: Artifact(
                key=latent_key(key, work.attempt_id, role),
                sha256=hashlib.sha256(f"{key}/{role}".encode()).hexdigest(),
                bytes=100,
                media_type="application/octet-stream",
            )
            for role in ("video_latent", "audio_latent", "conditioning", "detail_conditioning")
        }
        image = keys.inputs_of(work).get("image")
        return Manifest(
            stage=STAGE_OF[type(work)],
            stage_key=key,
            attempt_id=work.attempt_id,
            created_at=datetime(2026, 11, 22, tzinfo=UTC),
            artifacts=made | ({"image": image} if image else {}),
            params=keys.params_of(work),
            recipe=keys.recipe_of(work).model_dump(mode="json"),
            models=keys.models_of(work),
        )

    return make


@dataclass(frozen=True)
class Worlds:
    base: BaseGenInput
    spatial: SpatialUpscaleInput
    temporal: TemporalUpscaleInput

    def all(self) -> tuple[StageInput, ...]:
        return (self.base, self.spatial, self.temporal)


@pytest.fixture(scope="session")
def works(make_artifact: Any) -> Worlds:
    image, video, audio, text = (make_artifact(name) for name in ("image", "video", "audio", "text"))
    made = {"attempt_id": A, "video_latent": video, "audio_latent": audio}
    return Worlds(
        BaseGenInput(
            prompt=PROMPT,
            quality=Quality.PRO,
            image=image,
            control=ControlParams(type=ControlType.DEPTH),
            control_source=make_artifact("control"),
            attempt_id=A,
            ending="latents",
        ),
        SpatialUpscaleInput(
            **made,
            detailer=True,
            conditioning=text,
            detail_conditioning=make_artifact("empty-text"),
            image=image,
            quality=Quality.PRO,
        ),
        TemporalUpscaleInput(**made),
    )
