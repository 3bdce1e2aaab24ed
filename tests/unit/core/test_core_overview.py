"""What an operator is told, from counts; and that it wakes nobody for less than the alerts do."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator import overview
from orchestrator.overview import CodeCount, Concern, Ended, EndpointSeen, Flow, concerns_of, flow_of, stages_of
from orchestrator.workforce import counts, worker_counts
from shared.contracts.vocabulary import Stage

AT = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
BASE, SPATIAL, TEMPORAL = Stage


def endpoint(**said: Any) -> EndpointSeen:
    return EndpointSeen.model_validate({"endpoint": "e", "large": False, "asked_at": AT, **said})


def code(name: str, hour: int = 1) -> CodeCount:
    return CodeCount(stage=BASE, code=name, hour=hour, day=3, last_at=AT)


def concerns(**given: Any) -> list[Concern]:
    live, endpoints = given.pop("live", []), given.pop("endpoints", {})
    nothing: dict[str, Any] = {"flows": [], "failures": [], "look_late": 0, "tasks_late": {}, "dead_webhooks": 0}
    return concerns_of(stages=stages_of(live, {}, endpoints), **(nothing | given))


@pytest.mark.parametrize(
    ("given", "alerts"),
    [
        ({}, []),
        ({"look_late": 61}, ["RunsNotPolled"]),
        ({"look_late": 59, "tasks_late": {"submit": 59}}, []),
        ({"tasks_late": {"submit": 61, "tell": 5}}, ["TasksLate"]),
        ({"live": [(BASE, "pending", 1, 301)]}, ["RunsNotSubmitted"]),
        ({"live": [(BASE, "submitted", 1, 901)]}, ["StageStarved"]),
        ({"live": [(BASE, "submitted", 1, 899), (BASE, "running", 1, 9999)]}, []),
        # no worker at all is known sooner than by waiting
        ({"live": [(BASE, "submitted", 1, 5)], "endpoints": {BASE: [endpoint(idle=0, running=0)]}}, ["StageStarved"]),
        ({"live": [(BASE, "submitted", 1, 5)], "endpoints": {BASE: [endpoint(idle=0, running=1)]}}, []),
        (
            {
                "live": [(BASE, "submitted", 1, 5)],
                "endpoints": {BASE: [endpoint(idle=0, running=0, initializing=1)]},
            },
            [],
        ),
        ({"endpoints": {BASE: [endpoint(idle=0, running=0)]}}, []),  # nobody waits: scaled to nothing
        ({"endpoints": {BASE: [endpoint(problem="no answer")]}}, ["RunPodFailing"]),
        ({"endpoints": {BASE: [endpoint(idle=1, running=0, unhealthy=2)]}}, ["WorkersUnstable"]),
        ({"flows": [Flow(minutes=60, accepted=9, succeeded=20, failed=3, canceled=0)]}, ["GenerationsFail"]),
        ({"flows": [Flow(minutes=60, accepted=9, succeeded=20, failed=2, canceled=0)]}, []),
        ({"flows": [Flow(minutes=60, accepted=9, succeeded=50, failed=3, canceled=0)]}, []),
        ({"failures": [code("bad_output")]}, ["WrongSetup"]),
        ({"failures": [code("bad_output", hour=0), code("worker_lost")]}, []),
        ({"dead_webhooks": 1}, ["WebhooksDead"]),
        (
            {"dead_webhooks": 1, "look_late": 90, "live": [(TEMPORAL, "submitted", 2, 1000)]},
            ["RunsNotPolled", "StageStarved", "WebhooksDead"],
        ),
    ],
)
def test_what_needs_somebody(given: dict[str, Any], alerts: list[str]) -> None:
    assert [each.alert for each in concerns(**given)] == alerts


def test_its_bounds_are_those_of_the_alerts() -> None:
    groups = yaml.safe_load(Path("deploy/monitoring/alerts.yml").read_text())["groups"]
    rules = {rule["alert"]: " ".join(rule["expr"].split()) for group in groups for rule in group["rules"]}
    for alert, bound in {
        "RunsNotSubmitted": overview.SUBMIT_SECONDS,
        "StageStarved": overview.STARVED_SECONDS,
        "RunsNotPolled": overview.LATE_SECONDS,
        "TasksLate": overview.LATE_SECONDS,
    }.items():
        assert rules[alert].endswith(f"> {bound:g}"), alert
    assert f"> {overview.FAILING_SHARE:g} and" in rules["GenerationsFail"]
    assert rules["GenerationsFail"].endswith(f"> {overview.FAILING_COUNT + 0.5:g}")
    script = Path("orchestrator/admin/overview.js").read_text()
    assert f"{{ pending: {overview.SUBMIT_SECONDS:g}, submitted: {overview.STARVED_SECONDS:g} }}" in script


def test_every_stage_is_there_in_its_order() -> None:
    ended = {SPATIAL: Ended(succeeded=4, gpu_seconds=1800)}
    live = [("spatial_upscale", "running", 2, 60.5), ("base_gen", "pending", 1, 3.0)]
    base, spatial, temporal = stages_of(live, ended, {BASE: [endpoint(idle=1, running=0)]})
    assert [each.stage for each in (base, spatial, temporal)] == list(Stage)
    assert (base.pending.count, base.pending.oldest_seconds, base.endpoints[0].idle) == (1, 3.0, 1)
    assert (spatial.running.count, spatial.busy_workers, spatial.hour.succeeded) == (2, 0.5, 4)
    assert (temporal.running.count, temporal.hour, temporal.endpoints) == (0, Ended(), [])


def test_a_flow_names_every_end() -> None:
    flow = flow_of(5, 7, {"failed": 2})
    assert (flow.accepted, flow.succeeded, flow.failed, flow.canceled) == (7, 0, 2, 0)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({}, {}),
        ({"workers": None}, {}),
        ({"workers": {"idle": 1, "running": 0}}, {"idle": 1, "running": 0}),
        ({"workers": {"idle": "1", "running": True, "ready": 3, "throttled": -1, "unhealthy": 2}}, {"unhealthy": 2}),
    ],
)
def test_only_counts_are_taken_for_counts(said: dict[str, Any], found: dict[str, int]) -> None:
    assert counts(said) == found


def test_workers_of_both_endpoints_of_a_stage_are_counted_and_unknown_ones_are_not() -> None:
    seen = {BASE: (endpoint(idle=1, running=2), endpoint(idle=3)), SPATIAL: (endpoint(problem="no answer"),)}
    assert worker_counts(seen) == {BASE: {"idle": 4, "running": 2}}
