"""What a ComfyUI may do wrong in one job: the right typed error in its time, and the next job on the same worker works.

Each trouble is made by a real process over real sockets (`troubled_comfy.py`). The time limits are short here; which
limit applies to what is as in production.
"""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from local.picture import lighthouse
from shared.artifacts import ArtifactStore, S3Settings
from shared.comfy import sections
from shared.comfy.client import ComfyClient
from shared.comfy.process import ComfyProcess
from shared.comfy.settings import ComfySettings
from shared.contracts.artifact import input_key
from shared.contracts.vocabulary import Stage
from shared.errors import ErrorBody
from shared.stage import Names, StageDefinition
from shared.worker import Worker, run_stage
from shared.worker.engine import Engine
from tests.comfyui.stages import with_trouble
from tests.fixtures_s3 import fresh_bucket
from tests.integration.worker.endpoint import DRAFT, TROUBLED
from tests.integration.worker.troubled_comfy import FILE
from workers.base_gen.stage import STAGE as BASE

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEADLINE = 120.0
"""Seconds for each job, with the slowest start and all limits together, on a busy machine."""

PATIENT: dict[str, Any] = {
    "silence_seconds": 60.0,
    "quiet_seconds": 60.0,
    "poll_seconds": 0.3,
    "cancel_seconds": 10.0,
    "request_seconds": 10.0,
    "connect_seconds": 10.0,
    "reconnects": 3,
}
IMPATIENT = {"silence_seconds": 2.0, "quiet_seconds": 6.0, "cancel_seconds": 2.0, "request_seconds": 2.0}
READY_SECONDS = 60.0


class Process(ComfyProcess):
    """Its clients wait for seconds where those of production wait for minutes."""

    limits = PATIENT

    def client(self, **options: Any) -> ComfyClient:
        return super().client(**self.limits | options)


class Lab:
    """One worker, whose ComfyUI does what a test tells it."""

    def __init__(self, store: ArtifactStore, base: Path) -> None:
        self.base = base
        self.process = Process(ComfySettings(command=TROUBLED, base_dir=base, extra_args="--test-nodes"))
        self.engine = Engine(self.process)
        self.store = store
        base.mkdir()

    def expect(self, times: dict[str, int], limits: dict[str, Any], ready_seconds: float) -> None:
        (self.base / FILE).write_text(json.dumps(times))
        self.process.limits = PATIENT | limits
        self.process._settings = self.process._settings.model_copy(update={"ready_seconds": ready_seconds})

    def expect_no_trouble(self) -> None:
        self.expect({}, {}, READY_SECONDS)

    def left(self) -> dict[str, int]:
        """The troubles that have not happened."""
        troubles: dict[str, int] = json.loads((self.base / FILE).read_text())
        return {name: times for name, times in troubles.items() if times}

    async def run(self, definition: StageDefinition = BASE, **given: Any) -> dict[str, Any]:
        job = {"id": "job", "input": {**DRAFT, "prompt": "a fox", **given}}
        async with asyncio.timeout(DEADLINE):
            return await run_stage(Worker(definition, self.store, self.engine), job, lambda _: None)

    def files(self) -> list[Path]:
        """Of executions, which end with their job."""
        return [path for path in self.base.rglob("*") if path.is_file() and "/ltx2/" in str(path)]

    def image(self) -> dict[str, Any]:
        made = self.store.upload_bytes(lighthouse(), "inputs/x", media_type="image/png")
        return self.store.upload_bytes(lighthouse(), input_key(made.sha256), media_type="image/png").model_dump()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(seaweed_settings: S3Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    """One worker, which goes through all of it."""
    with fresh_bucket(seaweed_settings) as settings, ArtifactStore(settings) as store:
        made = Lab(store, tmp_path_factory.mktemp("lab") / "comfyui")
        yield made
        await made.engine.close()


@dataclass(frozen=True)
class Trouble:
    """`code`: how the job ends; None where it succeeds in spite of it. `said`: in the error's message."""

    name: str
    times: dict[str, int]
    code: str | None = None
    said: str = ""
    refresh: bool = False
    fresh: bool = False
    """The next job gets another process."""
    node: tuple[str, dict[str, Any]] | None = None
    """One more node in the graph: class and inputs."""
    given: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, Any] = field(default_factory=dict)
    ready_seconds: float = READY_SECONDS


AT_START = {"slow_start", "dies_at_start", "never_starts"}
SILENT = "no sign of life for"
TABLE = [
    # it hangs
    Trouble(
        "hangs in mid-sampling",
        {"stall": 1},
        "execution_timeout",
        f"{SILENT} 2 s in 'Sample'",
        fresh=True,
        limits=IMPATIENT | {"quiet_seconds": 60.0},
    ),
    Trouble(
        "is frozen in mid-sampling",
        {"freeze": 1},
        "execution_timeout",
        f"{SILENT} 2 s in 'Sample'",
        fresh=True,
        limits=IMPATIENT | {"quiet_seconds": 60.0},
    ),
    Trouble(
        "hangs in a node that tells nothing",
        {},
        "execution_timeout",
        f"{SILENT} 6 s in 'Trouble'",
        fresh=True,
        limits=IMPATIENT | {"silence_seconds": 60.0},
        node=("TestSilent", {"seconds": 600.0}),
    ),
    Trouble("loads for longer than a step may take", {"slow_load": 1}, limits={"silence_seconds": 3.0}),
    # it ends
    Trouble("is killed", {"crash": 1}, "comfy_crashed", "by signal 9", fresh=True),
    Trouble("runs out of GPU memory", {"oom": 1}, "out_of_memory", "'Sample'", refresh=True, fresh=True),
    # its events
    Trouble("closes the WebSocket", {"close_in_mid_run": 1}),
    Trouble(
        "closes every WebSocket",
        {"close_always": 999},
        "connection_lost",
        "event stream",
        fresh=True,
        node=("TestSleep", {"seconds": 60.0}),
    ),
    Trouble("ends while nobody listens", {"close_at_the_end": 1}),
    Trouble(
        "fails while nobody listens",
        {"close_at_the_end": 1},
        "internal",
        "ValueError: boom",
        node=("TestRaise", {"kind": "value_error"}),
    ),
    Trouble("tells of other prompts", {"foreign_events": 5}),
    # its files
    Trouble("breaks off a file once", {"short_body": 1}),
    Trouble("breaks off every file", {"short_body": 3}, "comfy_unreachable", "RemoteProtocolError", fresh=True),
    Trouble("cuts a latent", {"cut_latent": 1}, "bad_output", "no safetensors file"),
    Trouble("damages a latent", {"damaged_latent": 1}, "bad_output", "no safetensors file"),
    Trouble("cuts the video", {"cut_video": 1}, "bad_output", given={"ending": "video"}),
    Trouble("damages the video", {"damaged_video": 1}, "bad_output", given={"ending": "video"}),
    Trouble("cannot take an upload", {"upload_500": 1}, "comfy_unreachable", "500", fresh=True, given={"image": True}),
    Trouble("finds the disk full", {"disk_full": 1}, "disk_full", "No space left", refresh=True, fresh=True),
    # its start
    Trouble("starts slowly", {"slow_start": 1}),
    Trouble("dies at its first start", {"dies_at_start": 1}),
    Trouble("dies at every start", {"dies_at_start": 2}, "comfy_crashed", "exit code 3", refresh=True),
    Trouble("never starts", {"never_starts": 1}, "comfy_unreachable", refresh=True, ready_seconds=4.0),
]


@pytest.mark.parametrize("trouble", TABLE, ids=lambda trouble: trouble.name)
async def test_comfyui(lab: Lab, trouble: Trouble) -> None:
    lab.expect_no_trouble()
    if AT_START & trouble.times.keys():
        await lab.engine.close()
    else:
        await lab.engine.start()
    before = lab.engine.pid
    lab.expect(trouble.times, trouble.limits, trouble.ready_seconds)
    definition = with_trouble(BASE, trouble.node[0], nonce=0, **trouble.node[1]) if trouble.node else BASE
    given = {"ending": "latents", "seed": 2 * TABLE.index(trouble), **trouble.given}
    if "image" in given:
        given["image"] = lab.image()
    answer = await lab.run(definition, **given)
    if trouble.code is None:
        assert "error" not in answer, answer
    else:
        error = ErrorBody.model_validate_json(answer["error"])
        assert (error.code, error.stage) == (trouble.code, Stage.BASE_GEN), error
        assert trouble.said in error.message
    assert answer.get("refresh_worker", False) is trouble.refresh
    assert trouble.name == "closes every WebSocket" or lab.left() == {}, "it did not happen"
    assert lab.files() == []
    lab.expect_no_trouble()
    following = await lab.run(seed=2 * TABLE.index(trouble) + 1, ending="latents")
    assert following.get("reused") is False, following
    assert not lab.engine.spent
    if before is not None:
        assert (lab.engine.pid != before) is trouble.fresh
    assert lab.files() == []


async def test_everything_is_served_from_the_cache_and_the_files_are_gone(lab: Lab) -> None:
    """ComfyUI calls it a success and names files that were removed long ago (facts/comfyui.md section 7)."""
    lab.expect_no_trouble()
    names = Names("c" * 32)
    saved = (sections.SAVE_DETAIL_CONDITIONING, "Detail prompt")  # conditionings are not named in the history
    alike = StageDefinition(Stage.BASE_GEN, lambda work, _: BASE.graph(work, names).remove(*saved))
    given = {"half_resolution": False, "ending": "latents", "seed": 1000}
    first = await lab.run(alike, **given)
    lab.store.discard_manifest(Stage.BASE_GEN, first["stage_key"])
    shutil.rmtree(lab.base / "output" / names.folder)
    error = ErrorBody.model_validate_json((await lab.run(alike, **given))["error"])
    assert (error.code, "has no file" in error.message) == ("bad_output", True)
    assert (await lab.run(seed=1001, ending="latents"))["reused"] is False
