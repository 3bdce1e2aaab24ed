"""The plan as people read it, and the page that explains it."""

import re
from pathlib import Path

import pytest

from deploy import __main__ as command
from deploy.bodies import Ids, create
from deploy.findings import Finding
from deploy.plan import plan
from deploy.show import table
from deploy.state import Account, wanted
from orchestrator.settings import Settings
from tests.integration.deploy.account import FakeAccount
from tests.unit.deploy.accounts import COMMITTED, EXAMPLE, only, seen

PAGE = Path("docs/endpoints.md").read_text()
ASSERTED = "".join(path.read_text() for path in Path("tests/integration/deploy").glob("test_*.py"))


def test_the_plan_of_the_committed_file_is_rendered_whole() -> None:
    text = table(plan(COMMITTED, Account(endpoints=(), volumes=())))
    for row in COMMITTED.endpoint:
        assert f"  + create endpoint {COMMITTED.name(row)}\n      image = {COMMITTED.image(row)}\n" in text
    assert text.endswith(f"\n{len(COMMITTED.endpoint)} to create\n")


def test_a_plan_reads_like_this() -> None:
    fake = FakeAccount()
    states = wanted(EXAMPLE)[0]
    for name, state in states.items():
        fake.create_endpoint(create(name, state, Ids()))
    fake.create_endpoint(create("somebodys", next(iter(states.values())), Ids()))
    fake.endpoints["ep1"] |= {"disk": 20, "flashboot": "OFF"}
    fake.endpoints["ep1"]["gpu"]["excludedTypes"] = []
    goal = only()
    found = (Finding("one thing"), Finding("another", blocks=False))
    assert table(plan(goal, seen(fake, goal.names())), found) == (
        "  ~ change endpoint mivo-ltx2-base-gen (ep1)\n"
        "      container_disk_gb: 20 -> 120\n"
        "      excluded_gpus: (none) -> NVIDIA L40, NVIDIA RTX 6000 Ada Generation\n"
        "      flashboot: OFF -> FLASHBOOT\n"
        "  - delete endpoint mivo-ltx2-spatial-upscale (ep3)\n"
        "      ! deletes an endpoint: its queued and running jobs are canceled, and its id is gone\n"
        "  - delete endpoint mivo-ltx2-temporal-upscale (ep5)\n"
        "      ! deletes an endpoint: its queued and running jobs are canceled, and its id is gone\n"
        "    foreign endpoint somebodys (ep7): not ours, never touched\n"
        "problem: one thing\n"
        "note: another\n"
        "1 to change, 2 to delete, 1 not ours\n"
    )


def test_larger_machines_have_a_variable_of_their_own() -> None:
    for row in EXAMPLE.endpoint:
        for large in (False, True):
            variable = row.model_copy(update={"large": large}).variable
            assert variable.lower() in Settings.model_fields
            assert ("LARGE" in variable) is large


def test_every_command_of_the_pages_exists(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--help"])
    offered = set(re.findall(r"^    (\w+) ", capsys.readouterr().out, flags=re.MULTILINE))
    pages = "".join(path.read_text() for path in [*Path("docs").glob("*.md"), Path("README.md"), Path("Makefile")])
    named = set(re.findall(r"-m deploy (\w+)", pages))
    assert {"plan", "apply", "env", "status", "destroy"} <= offered & named
    assert named <= offered


def test_every_message_that_the_page_explains_is_one_that_a_test_has_seen() -> None:
    explained = PAGE.partition("| it says | do |")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)`", explained, flags=re.MULTILINE)
    assert len(rows) >= 6
    for row in rows:
        for part in re.split(r" … | …", row):
            assert part in ASSERTED, part
