"""clients/typescript and its Express example by Node's own test runner: alone, and against a real orchestrator."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from local.picture import lighthouse
from tests.fixtures_cloud import RunningCloud

ROOT = Path(__file__).parents[2]
SECONDS = 240


def script(name: str, *arguments: str, extra: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """One of the npm scripts; its dependencies are there afterwards, as the lock file says."""
    kept = {each: os.environ[each] for each in os.environ if not each.lower().endswith("_proxy")}
    return subprocess.run(
        ["bash", str(ROOT / "scripts/client.sh"), name, *arguments],
        env={**kept, **(extra or {})},
        check=False,
        timeout=SECONDS,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module", autouse=True)
def _node() -> None:
    found = subprocess.run(
        ["bash", str(ROOT / "scripts/ensure_node.sh")],
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        check=False,
        timeout=SECONDS,
        capture_output=True,
        text=True,
    )
    if found.returncode and os.environ.get("CI", "").lower() not in {"1", "true"}:
        pytest.skip(f"there is no Node, and it cannot be had: {found.stderr.strip()[-300:]}")
    assert found.returncode == 0, found.stderr


def passed(done: subprocess.CompletedProcess[str], least: int) -> None:
    """At least so many tests ran, and every one passed."""
    counts = {
        word: int(count) for word, count in re.findall(r"^\S+ (tests|pass|skipped) (\d+)$", done.stdout, re.MULTILINE)
    }
    assert done.returncode == 0, done.stdout
    assert counts == {"tests": counts["tests"], "pass": counts["tests"], "skipped": 0}, done.stdout
    assert counts["tests"] >= least, done.stdout


@pytest.mark.timeout(SECONDS)
def test_the_types_follow_from_the_document(tmp_path: Path) -> None:
    done = script("generate", str(tmp_path / "api.ts"))
    assert done.returncode == 0, done.stdout
    written = (ROOT / "clients/typescript/src/api.ts").read_text()
    assert (tmp_path / "api.ts").read_text() == written, "clients/typescript/src/api.ts is old; run `make docs`"


@pytest.mark.timeout(SECONDS)
def test_the_client_and_the_example_alone() -> None:
    passed(script("test"), 75)


@pytest.mark.timeout(SECONDS)
def test_the_client_and_the_example_against_the_local_cloud(cloud: RunningCloud, tmp_path: Path) -> None:
    built = script("build")
    assert built.returncode == 0, built.stdout
    facts = cloud.cloud.facts
    (tmp_path / "image.png").write_bytes(lighthouse())
    extra = {
        "LTX2_URL": facts.api_url,
        "LTX2_API_KEY": facts.api_key,
        "LTX2_WEBHOOK_SECRET": facts.webhook_secret,
        "LTX2_IMAGE": str(tmp_path / "image.png"),
    }
    passed(script("test:cloud", extra=extra), 7)
