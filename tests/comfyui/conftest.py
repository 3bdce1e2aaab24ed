"""Engines, and the report of a run on a real ComfyUI (COMFYUI_REPORT=docs/comfyui.md)."""

import asyncio
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from shared.artifacts import ArtifactStore, S3Settings, setup
from shared.worker import progress
from tests.comfyui import servers
from tests.comfyui.report import Case, Report
from tests.comfyui.servers import Server
from tests.comfyui.stages import Stages
from tests.fixtures_s3 import fresh_bucket

HERE = Path(__file__).parent
REPORT = Report()
SEEDS = count(1000, 10)
ON_PREVIEW = {
    "test_all_stages_and_endings": ("t2v-fast-none", "t2v-pro-static", "i2v-fast-dolly_in", "i2v-pro-none"),
    "test_one_pass_at_full_size": ("t2v-fast", "i2v-pro"),
    "test_the_detailer_follows_the_refine": ("t2v-pro", "i2v-fast"),
}
"""Cells that go to the preview engine too, with every kind, quality and camera. For it a cell is another graph of the
same nodes, and `tests/contract/graphs` holds every graph to what ComfyUI accepts.
"""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without a real ComfyUI one skipped case says so for all of them, and of the large tables some cells run."""
    left = []
    if not servers.real_is_named():
        own = [item for item in items if item.path.parent == HERE]
        left = [item for item in own if "[real" in item.name][1:]
        for item in own:
            cells = ON_PREVIEW.get(item.name.partition("[")[0])
            if "[preview" in item.name and cells and not item.name.endswith(tuple(f"{cell}]" for cell in cells)):
                left.append(item)
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


@pytest.fixture(scope="session", params=["preview", "real"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if request.param == "real" and not servers.real_is_named():
        pytest.skip(f"no real ComfyUI: {servers.NO_REAL}")
    base = tmp_path_factory.mktemp(request.param) / "base"
    made = servers.preview(base) if request.param == "preview" else servers.real(base)
    asyncio.run(made.look())
    if made.name == "real":
        REPORT.stats = made.stats
    yield made
    asyncio.run(made.engine.close())


@pytest.fixture(scope="session")
def bucket(server: Server, seaweed_settings: S3Settings) -> Iterator[S3Settings]:
    """One for each engine, so that neither finds the other's work; to make one takes as long as to run a stage."""
    del server
    with fresh_bucket(seaweed_settings) as settings:
        setup(settings)
        yield settings


@pytest.fixture
def stages(server: Server, bucket: S3Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stages]:
    """Progress posts keep no distance here: it is there for RunPod's network, and costs a second per job."""
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    with ArtifactStore(bucket) as store:
        yield Stages(store, server.engine, tmp_path, next(SEEDS))


@pytest.fixture(autouse=True)
def _mark_engine(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> None:
    if "server" in request.fixturenames:
        record_property("engine", request.getfixturevalue("server").name)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    properties = dict(report.user_properties)
    if properties.pop("engine", None) == "real" and (report.when == "call" or report.failed):
        name = report.nodeid.rpartition("::")[2]
        REPORT.cases.append(Case(name, report.outcome, report.duration, properties))


def pytest_sessionfinish() -> None:
    target = os.environ.get("COMFYUI_REPORT")
    if target and REPORT.cases:
        text = REPORT.text(date=datetime.now(UTC).date(), revisions=os.environ.get("COMFYUI_REVISIONS", ""))
        Path(target).write_text(text, encoding="utf-8")
