import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

from tests.contract.monitoring.promql import faults, labels_of, parsed, selectors, series

BOARD: dict[str, Any] = json.loads(Path("deploy/monitoring/dashboard.json").read_text())
PANELS: list[dict[str, Any]] = BOARD["panels"]
ASKING = [panel for panel in PANELS if "targets" in panel]
WIDTH = 24  # Grafana's columns


def test_it_can_be_imported() -> None:
    assert BOARD.keys() >= {"uid", "title", "schemaVersion", "panels", "templating", "time", "refresh"}
    assert "id" not in BOARD  # Grafana's own number of a stored dashboard
    [variable] = BOARD["templating"]["list"]
    assert (variable["name"], variable["type"], variable["query"]) == ("datasource", "datasource", "prometheus")
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    assert {panel["type"] for panel in PANELS} <= {"row", "stat", "timeseries", "alertlist"}
    assert all(panel["title"] and (panel["type"] == "row" or panel["description"]) for panel in PANELS)


def test_no_panel_lies_on_another() -> None:
    for panel in PANELS:
        grid = panel["gridPos"]
        assert min(grid["x"], grid["y"]) >= 0
        assert min(grid["w"], grid["h"]) > 0
        assert grid["x"] + grid["w"] <= WIDTH
    for one, two in combinations((panel["gridPos"] for panel in PANELS), 2):
        beside = one["x"] + one["w"] <= two["x"] or two["x"] + two["w"] <= one["x"]
        apart = one["y"] + one["h"] <= two["y"] or two["y"] + two["h"] <= one["y"]
        assert beside or apart, (one, two)


def test_every_query_asks_for_what_exists() -> None:
    for panel in ASKING:
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) > 0
        for target in panel["targets"]:
            assert list(faults(target["expr"])) == [], panel["title"]
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            named = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            assert named == labels_of(parsed(target["expr"])) or not named, panel["title"]


def test_what_is_alerted_on_can_be_seen_and_every_series_is_looked_at() -> None:
    seen = {s.name for panel in ASKING for target in panel["targets"] for s in selectors(parsed(target["expr"]))}
    rules = yaml.safe_load(Path("deploy/monitoring/alerts.yml").read_text())
    asked = {s.name for group in rules["groups"] for rule in group["rules"] for s in selectors(parsed(rule["expr"]))}
    assert asked <= seen
    bases = {re.sub(r"_(total|bucket|sum|count|created)$", "", name) for name in series()}
    assert {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in seen} == bases
