from collections.abc import Iterator

import pytest

from local.layout import Options
from tests.e2e.faulty_cloud import FaultyCloud, faulty_cloud
from tests.fixtures_cloud import RunningCloud, running_cloud


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    """Two orchestrators on one database; sampler steps that take long enough to be caught in."""
    options = Options(
        state=tmp_path_factory.mktemp("cloud"),
        orchestrators=2,
        port=0,
        worker={"COMFYUI_EXTRA_ARGS": "--step-seconds 0.2"},
    )
    with running_cloud(options) as running:
        yield running


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyCloud]:
    with faulty_cloud(tmp_path_factory.mktemp("faulty")) as running:
        yield running


@pytest.fixture
def calmed(faulty: FaultyCloud) -> Iterator[FaultyCloud]:
    """The cloud whose parts fail on command; no fault of one test reaches the next."""
    yield faulty
    faulty.calm()
