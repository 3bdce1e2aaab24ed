"""Three endpoints in one process: a real S3, and the preview engine as ComfyUI."""

import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.artifacts import ArtifactStore, S3Settings
from shared.comfy.process import ComfyProcess
from shared.comfy.settings import ComfySettings
from shared.contracts.stage import StageReply
from shared.contracts.vocabulary import Stage
from shared.errors import ErrorBody
from shared.stage import StageDefinition
from shared.tls import trusted
from shared.worker import Worker, run_stage
from shared.worker.engine import Engine
from tests.contract.gateway.harness import BEARER, Client, serve, settings
from tests.integration.worker.endpoint import Endpoint, StartEndpoint


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


@pytest.fixture
async def start_endpoint(
    new_database: Callable[[], str], s3_settings: S3Settings, tmp_path: Path
) -> AsyncIterator[StartEndpoint]:
    """Starts an endpoint with a gateway of its own; its workers end with the test."""
    async with AsyncExitStack() as stack:

        async def start(stage: Stage = Stage.BASE_GEN, **over: Any) -> Endpoint:
            url = stack.enter_context(serve(settings(new_database(), **over)))
            http = httpx.AsyncClient(base_url=url, headers=BEARER, timeout=30, verify=trusted())
            await stack.enter_async_context(http)
            made = Endpoint(Client(http, stage.replace("_", "-")), s3_settings, tmp_path, stage)
            stack.callback(made.close)
            return made

        yield start
