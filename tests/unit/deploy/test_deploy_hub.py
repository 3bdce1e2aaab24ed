"""hub.json and tests.json of each worker: the Hub's format, and what endpoints.toml and the code say."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, StringConstraints

from deploy import hub
from deploy.desired import Endpoint
from shared.artifacts import S3Settings
from shared.contracts.stage import INPUT_OF, FromUpstream
from shared.contracts.vocabulary import Stage
from shared.worker.settings import WorkerSettings
from tests.integration.deploy.account import GPUS
from tests.unit.deploy.accounts import COMMITTED

each_worker = pytest.mark.parametrize(
    "row", [row for row in COMMITTED.endpoint if not row.large], ids=lambda row: row.key
)


class Closed(BaseModel):
    """Written by hand from docs.runpod.io, page hub/publishing-guide."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Choice(Closed):
    label: str
    value: str


class Input(Closed):
    name: str
    type: Literal["string", "huggingface", "number", "boolean"]
    description: str
    default: str | float | bool
    advanced: bool = False
    required: bool = False
    options: list[Choice] | None = None
    min: float | None = None
    max: float | None = None


class Variable(Closed):
    key: str
    value: str | None = None
    input: Input | None = None


class Preset(Closed):
    name: str
    defaults: dict[str, str | float | bool]


Cuda = Annotated[str, StringConstraints(pattern=r"^\d+\.\d+$")]


class Config(Closed):
    runsOn: Literal["GPU", "CPU"]  # noqa: N815  the Hub's word
    containerDiskInGb: int  # noqa: N815  the Hub's word
    gpuCount: int  # noqa: N815  the Hub's word
    gpuIds: str  # noqa: N815  the Hub's word
    allowedCudaVersions: list[Cuda] = []  # noqa: N815  the Hub's word
    presets: list[Preset] = []
    env: list[Variable] = []


class Hub(Closed):
    title: str
    description: str
    type: Literal["serverless"]
    category: Literal["audio", "embedding", "language", "video", "image"]
    iconUrl: HttpUrl | None = None  # noqa: N815  the Hub's word
    config: Config


class Case(Closed):
    name: str
    input: dict[str, Any]
    timeout: int | None = None


class TestConfig(Closed):
    __test__ = False

    gpuTypeId: str  # noqa: N815  the Hub's word
    gpuCount: int  # noqa: N815  the Hub's word
    env: list[Choice | Variable] = []
    allowedCudaVersions: list[Cuda] = []  # noqa: N815  the Hub's word


class Tests(Closed):
    __test__ = False

    tests: list[Case] = Field(min_length=1)
    config: TestConfig


def documents(row: Endpoint) -> tuple[Hub, Tests]:
    folder = hub.FOLDER / row.stage / ".runpod"
    return (
        Hub.model_validate_json((folder / "hub.json").read_text()),
        Tests.model_validate_json((folder / "tests.json").read_text()),
    )


@each_worker
def test_the_committed_files_say_what_the_desired_state_says(row: Endpoint) -> None:
    for path, text in hub.repository(COMMITTED, row).items():
        if path.startswith(".runpod/"):
            assert (hub.FOLDER / row.stage / path).read_text() == text, "run `python -m deploy.hub`"


@each_worker
def test_they_have_the_hubs_form(row: Endpoint) -> None:
    listing, tests = documents(row)
    assert listing.config.containerDiskInGb == row.container_disk_gb
    ids = listing.config.gpuIds.split(",")
    assert [*row.gpu_pools] == [each for each in ids if not each.startswith("-")]
    assert [*row.excluded_gpus] == [each[1:] for each in ids if each.startswith("-")]
    floor = tuple(map(int, row.min_cuda_version.split(".")))
    for versions in (listing.config.allowedCudaVersions, tests.config.allowedCudaVersions):
        assert min(tuple(map(int, version.split("."))) for version in versions) == floor
    for variable in listing.config.env:
        assert (variable.value is None) != (variable.input is None)
    card = next(gpu for gpu in GPUS if gpu["id"] == tests.config.gpuTypeId)
    assert card["memory"] >= row.vram_gb
    assert card["id"] not in row.excluded_gpus


@each_worker
def test_whoever_deploys_is_asked_for_all_that_the_worker_cannot_do_without(row: Endpoint) -> None:
    listing, _ = documents(row)
    asked = {variable.key for variable in listing.config.env}
    needed = {f"S3_{name.upper()}" for name, field in S3Settings.model_fields.items() if field.is_required()}
    known = {f"S3_{name.upper()}" for name in S3Settings.model_fields}
    known |= {f"WORKER_{name.upper()}" for name in WorkerSettings.model_fields} | {"RUNPOD_INIT_TIMEOUT"}
    assert needed <= asked <= known
    for preset in listing.config.presets:
        assert preset.defaults.keys() <= asked
        settings = {name.removeprefix("WORKER_").lower(): value for name, value in preset.defaults.items()}
        assert WorkerSettings.model_validate(settings)
    assert not [row.key for row in listing.config.env if row.value and "SECRET" in row.key]


@each_worker
def test_the_job_of_the_test_is_one_that_the_worker_takes(row: Endpoint) -> None:
    _, tests = documents(row)
    kind = INPUT_OF[row.stage] if row.stage is Stage.BASE_GEN else FromUpstream
    for case in tests.tests:
        assert kind.model_validate(case.input)


def test_a_listing_is_a_repository_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert hub.main(["temporal_upscale", str(tmp_path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5
    assert {path.name for path in tmp_path.iterdir()} == {".runpod", "Dockerfile", "README.md", "handler.py"}
    image = next(COMMITTED.image(row) for row in COMMITTED.endpoint if row.stage is Stage.TEMPORAL_UPSCALE)
    dockerfile = (tmp_path / "Dockerfile").read_text().splitlines()
    assert dockerfile[-1] == f"FROM {image}"
    assert (tmp_path / "handler.py").read_text() == Path("workers/temporal_upscale/handler.py").read_text()
    assert Hub.model_validate_json((tmp_path / ".runpod" / "hub.json").read_text()).category == "video"
    with pytest.raises(SystemExit):
        hub.main(["temporal_upscale"])
