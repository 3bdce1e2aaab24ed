import pytest

pytest_plugins = ["tests.fixtures_s3", "tests.fixtures_postgres"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Slow tests run only when asked for by `-m slow`."""
    if "slow" in config.getoption("markexpr", ""):
        return
    skip = pytest.mark.skip(reason="slow: run it with -m slow")
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(skip)
