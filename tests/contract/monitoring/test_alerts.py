"""The rules that wake people: they ask for what exists, they say what to do, and they fire when they should."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.poller import LEASE_SECONDS, LOOK_SECONDS
from tests.contract.monitoring.promql import begun, faults, labels_of, parsed, selectors, series

RULES, SCENES = Path("deploy/monitoring/alerts.yml"), Path("deploy/monitoring/alerts_test.yml")
PAGE = Path("docs/operations.md")
GROUPS: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"]
ALERTS: dict[str, dict[str, Any]] = {rule["alert"]: rule for group in GROUPS for rule in group["rules"]}
DURATION = re.compile(r"\d+[smhd]")


def anchors(page: str) -> set[str]:
    """The ids that a page's headings get."""
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_alert_has_a_name_of_its_own() -> None:
    assert len(ALERTS) == sum(len(group["rules"]) for group in GROUPS) > 15
    assert len({group["name"] for group in GROUPS}) == len(GROUPS)


@pytest.mark.parametrize("name", ALERTS)
def test_a_rule_asks_for_what_exists(name: str) -> None:
    assert list(faults(ALERTS[name]["expr"])) == []


@pytest.mark.parametrize("name", ALERTS)
def test_a_rule_is_whole_and_says_what_to_do(name: str) -> None:
    rule = ALERTS[name]
    assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"].keys() == {"severity"}
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert DURATION.fullmatch(rule.get("for", "0s"))
    said = rule["annotations"]
    assert said.keys() == {"summary", "description", "first_step", "runbook_url"}
    named = set(re.findall(r"\$labels\.(\w+)", " ".join(said.values())))
    assert named <= labels_of(parsed(rule["expr"]))
    page, _, anchor = said["runbook_url"].partition("#")
    assert (page, anchor) == (str(PAGE), f"alert-{name.lower()}")


def test_every_runbook_is_there_and_none_is_left_over() -> None:
    known = {anchor for anchor in anchors(PAGE.read_text()) if anchor.startswith("alert-")}
    assert known == {f"alert-{name.lower()}" for name in ALERTS}


def test_an_increase_is_only_asked_of_counters_that_begin_at_zero() -> None:
    """A series that appears with 1 has not increased, for Prometheus: the first failure would wake nobody."""

    counters = {name for name in series() if name.endswith("_total")}
    asked = {s.name for rule in ALERTS.values() for s in selectors(parsed(rule["expr"]))} & counters
    assert asked - {name for name, _ in begun()} == set()


def test_a_late_look_is_later_than_any_that_goes_well() -> None:
    assert "> 60" in ALERTS["RunsNotPolled"]["expr"]
    assert max(LEASE_SECONDS, LOOK_SECONDS) < 60


def test_every_alert_has_a_scene_in_which_it_fires() -> None:
    scenes: list[dict[str, Any]] = yaml.safe_load(SCENES.read_text())["tests"]
    fired = re.findall(r'alertname="(\w+)"', " ".join(str(scene["promql_expr_test"]) for scene in scenes))
    assert set(fired) == set(ALERTS)
    for scene in scenes:
        for each in scene["input_series"]:
            assert list(faults(each["series"])) == []


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not here (Debian's package prometheus)")
@pytest.mark.parametrize("arguments", [("check", "rules", RULES), ("test", "rules", SCENES)])
def test_promtool_agrees(arguments: tuple[str | Path, ...]) -> None:
    done = subprocess.run(["promtool", *arguments], check=False, timeout=60, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
