"""Every promise is broken once by hand, and its check must say so."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.load.checks import PROMISES, violations
from tests.load.evidence import Evidence, runs_of
from tests.load.example import BODY, T0, run, whole

LOST, ENDS, FAILS, CREDITS, MADE, AGREE, WEBHOOKS, LEFT = PROMISES


def changed(**fields: object) -> Callable[[Evidence], None]:
    def change(found: Evidence) -> None:
        found.generations[0] = replace(found.generations[0], **fields)  # type: ignore[arg-type]

    return change


def rerun(**fields: object) -> Callable[[Evidence], None]:
    def change(found: Evidence) -> None:
        found.runs[1] = replace(found.runs[1], **fields)  # type: ignore[arg-type]

    return change


def told(**fields: object) -> Callable[[Evidence], None]:
    return lambda found: found.told[0].update(fields)


def having(**fields: object) -> Callable[[Evidence], None]:
    def change(found: Evidence) -> None:
        for name, value in fields.items():
            setattr(found, name, value)

    return change


def test_a_whole_load_breaks_nothing() -> None:
    assert violations(whole()) == {promise: [] for promise in PROMISES}


@pytest.mark.parametrize(
    ("promise", "trouble"),
    [
        (LOST, having(told=[])),
        (LOST, told(id="", problem="429")),
        (LOST, told(problem="not final in time")),
        (LOST, having(generations=[])),
        (LOST, having(listed=set())),
        (LOST, having(wishes=(), told=[])),
        (ENDS, changed(state="running")),
        (ENDS, changed(endings=2)),
        (ENDS, told(state="failed")),
        (FAILS, changed(state="canceled")),
        (FAILS, changed(state="failed", error="bad_output")),
        (CREDITS, changed(credits=30)),
        (CREDITS, changed(refund=5)),
        (MADE, changed(owner="hot")),
        (MADE, changed(request={**BODY, "quality": "pro"})),
        (MADE, changed(delivers={"width": 256, "height": 144, "frames": 24, "fps": 24})),
        (MADE, having(probed={"g": (256, 144, 47, 48.0)})),
        (MADE, told(intact=False)),
        (AGREE, changed(planned=("base_gen",))),
        (AGREE, rerun(state="failed")),
        (AGREE, rerun(state="running")),
        (AGREE, rerun(job_state="IN_PROGRESS")),
        (AGREE, rerun(job_state="FAILED", executed=0.0)),
        (AGREE, rerun(stage_key="k3", executed=0.0)),
        (AGREE, having(rendered={"k1": 1, "k2": 2})),
        (WEBHOOKS, having(announced={})),
        (WEBHOOKS, having(announced={"g": {"succeeded", "failed"}})),
        (LEFT, having(live_jobs=1)),
    ],
)
def test_a_broken_promise_is_named(promise: str, trouble: Callable[[Evidence], None]) -> None:
    found = whole()
    trouble(found)
    assert violations(found)[promise]


def test_a_worker_that_was_retired_under_a_job_is_no_violation() -> None:
    found = whole()
    given_up = replace(run("temporal_upscale", "k2"), state="failed", job_state="FAILED", stage_key=None)
    found.runs.insert(1, given_up)
    found.runs[2] = replace(found.runs[2], attempt=2)
    assert not any(violations(found).values())


def test_runs_are_joined_with_their_jobs_and_live_without() -> None:
    row = {
        "generation_id": "g",
        "stage": "base_gen",
        "attempt": 1,
        "state": "succeeded",
        "stage_key": "k",
        "reused": False,
        "manifest": {"timings": {"execute": 0.4}},
        "runpod_id": "j",
    }
    job = {"id": "j", "state": "COMPLETED", "created_at": T0, "queued_at": T0, "started_at": T0, "finished_at": T0}
    joined, alone = runs_of([row, {**row, "runpod_id": None, "manifest": None}], [job])
    assert (joined.job_state, joined.executed, joined.queued_at) == ("COMPLETED", 0.4, T0)
    assert (alone.job_state, alone.executed, alone.queued_at) == (None, 0.0, None)
