"""docs/security.md names a test for each claim: the tests have to be there."""

import re
from pathlib import Path

TESTS = Path("tests")
ORCHESTRATOR = "integration/orchestrator/test_orchestrator_"
PAGE = Path("docs/security.md").read_text().partition("## What is worth protecting")[2]
FOLDERS = "contract|integration|unit|e2e|chaos|browser"


def test_every_file_that_is_named_exists() -> None:
    named = {f"{ORCHESTRATOR}{name}" for name in re.findall(r"`o/(\w+)", PAGE)}
    named |= set(re.findall(rf"`((?:{FOLDERS})(?:/\w+)*)", PAGE))
    assert len(named) > 15
    assert [name for name in named if not ((TESTS / f"{name}.py").exists() or (TESTS / name).is_dir())] == []


def test_every_test_that_is_named_exists() -> None:
    written = "\n".join(path.read_text() for path in TESTS.rglob("test_*.py"))
    named = set(re.findall(r"::(test_\w+)", PAGE))
    assert len(named) > 15
    assert [name for name in named if f"def {name}(" not in written] == []
