"""Three endpoints in one process: a real S3, and the preview engine as ComfyUI."""

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.artifacts import ArtifactStore, S3Settings
from shared.comfy.process import ComfyProcess
from shared.comfy.settings import ComfySettings
from shared.contracts.stage import StageReply
from shared.errors import ErrorBody
from shared.stage import StageDefinition
from shared.worker import Worker, run_stage
from shared.worker.engine import Engine


class Stages:
    """One engine, all stages: what three endpoints do on three machines."""

    def __init__(self, store: ArtifactStore, engine: Engine) -> None:
        self.store = store
        self.engine = engine
        self.posts: list[dict[str, Any]] = []

    async def run(self, definition: StageDefinition, **given: Any) -> dict[str, Any]:
        job = {"id": "job-1", "input": given}
        return await run_stage(Worker(definition, self.store, self.engine), job, self.posts.append)

    async def ok(self, definition: StageDefinition, **given: Any) -> StageReply:
        answer = await self.run(definition, **given)
        assert "error" not in answer, answer
        assert len(json.dumps(answer)) < 2048
        return StageReply.model_validate(answer)

    async def error(self, definition: StageDefinition, **given: Any) -> ErrorBody:
        answer = await self.run(definition, **given)
        return ErrorBody.model_validate_json(answer["error"])


@pytest.fixture
async def stages(s3_settings: S3Settings, tmp_path: Path) -> AsyncIterator[Stages]:
    command = f"{sys.executable} -m local.comfyui_preview"
    process = ComfyProcess(ComfySettings(command=command, base_dir=tmp_path / "comfyui"))
    engine = Engine(process)
    with ArtifactStore(s3_settings) as store:
        yield Stages(store, engine)
    await engine.close()
