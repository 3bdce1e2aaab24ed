import json
from typing import Any

import pytest

from tests.contract.graphs.catalogue import HERE


@pytest.fixture(scope="session")
def catalogue() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(HERE.read_text())
    return found
