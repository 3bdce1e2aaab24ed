from collections.abc import Iterator

import pytest

from local.layout import Options
from tests.fixtures_cloud import RunningCloud, running_cloud


@pytest.fixture(scope="session")
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
