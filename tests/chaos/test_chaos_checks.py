"""Each promise is seen to be broken when it is: evidence that is sound but for one thing."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from shared.media.probe import MediaInfo
from tests.chaos.checks import PROMISES, violations
from tests.chaos.evidence import Evidence, Upload
from tests.chaos.plan import Wanted
from tests.chaos.receiver import Arrival
from tests.chaos.renders import Render, renders_of, wasted
from tests.chaos.users import Told

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BODY = {"resolution": "720p", "duration": 10, "quality": "fast", "temporal_upscale": False}
SHOWN: dict[str, Any] = {"state": "succeeded", "credits": 30, "credits_refund": 0}
VIDEO = MediaInfo(1280, 720, 240, Fraction(24), 10.0, 10.0, 10.0, "h264", "yuv420p", 48000, 2, "preview", "mov")
RENDER = Render("base_gen", "k" * 64, "a" * 32, "base_gen-0", NOW, NOW, NOW + timedelta(seconds=4), "rendered")
FAILED = {"state": "failed", "credits": 30, "credits_refund": 30, "error": {"code": "worker_lost"}}


def arrival(state: str = "succeeded", refund: int = 0, **changes: Any) -> Arrival:
    data = {"id": "g1", "state": state, "credits_refund": refund}
    return replace(Arrival("msg_1", valid=True, taken=True, kind=f"generation.{state}", data=data), **changes)


def sound() -> Evidence:
    return Evidence(
        told=[Told(Wanted(0, dict(BODY), image=False, control=None, cancel=None), "g1", dict(SHOWN))],
        listed=["g1"],
        endings={"g1": 1},
        videos={"g1": VIDEO},
        renders=[RENDER],
        commits={RENDER.stage_key: NOW + timedelta(seconds=4)},
        live_jobs={"local-base-gen": 0},
        uploads_expire=True,
        arrivals=[arrival()],
    )


def shown(**changes: Any) -> Callable[[Evidence], None]:
    return lambda found: found.told[0].shown.update(changes)


def put(name: str, value: object) -> Callable[[Evidence], None]:
    return lambda found: setattr(found, name, value)


LATE = replace(RENDER, job_began=NOW + timedelta(seconds=9), began=NOW + timedelta(seconds=9))
UPLOAD = Upload(f"latents/{RENDER.stage_key}/{RENDER.attempt_id}-1/video_latent.safetensors", NOW)
LOST, ENDS, VIDEOS, FAILURES, TWICE, ORPHANS, WEBHOOKS, SECRETS, ANSWERS = PROMISES
BROKEN: list[tuple[str, Callable[[Evidence], None]]] = [
    (LOST, put("listed", [])),
    (LOST, put("listed", ["g1", "g2"])),
    (LOST, lambda found: setattr(found.told[0], "id", "")),
    (LOST, lambda found: found.told.append(found.told[0])),
    (ENDS, shown(state="running")),
    (ENDS, put("endings", {"g1": 2})),
    (ENDS, shown(state="canceled")),
    (VIDEOS, put("videos", {"g1": "HTTPStatusError"})),
    (VIDEOS, put("videos", {})),
    (VIDEOS, put("videos", {"g1": replace(VIDEO, frames=239)})),
    (VIDEOS, put("videos", {"g1": replace(VIDEO, width=256)})),
    (VIDEOS, put("videos", {"g1": replace(VIDEO, fps=Fraction(48))})),
    (VIDEOS, put("videos", {"g1": replace(VIDEO, seconds=9.9)})),
    (VIDEOS, put("videos", {"g1": replace(VIDEO, audio_seconds=None)})),
    (FAILURES, shown(credits_refund=30)),
    (FAILURES, shown(**{**FAILED, "credits_refund": 0})),
    (FAILURES, shown(**{**FAILED, "error": {"code": "internal"}})),
    (FAILURES, shown(**{**FAILED, "error": {}})),
    (TWICE, put("renders", [RENDER, LATE])),
    (TWICE, put("renders", [RENDER, replace(LATE, outcome="cut")])),
    (ORPHANS, put("live_jobs", {"local-base-gen": 1})),
    (ORPHANS, put("strays", ["python"])),
    (ORPHANS, put("left", ["python"])),
    (ORPHANS, put("uploads", [UPLOAD])),
    (ORPHANS, put("renders", [replace(RENDER, outcome="going")])),
    (WEBHOOKS, put("arrivals", [])),
    (WEBHOOKS, put("arrivals", [arrival(taken=False)])),
    (WEBHOOKS, put("arrivals", [arrival(valid=False)])),
    (WEBHOOKS, put("arrivals", [arrival("failed", 30)])),
    (WEBHOOKS, put("arrivals", [arrival(), arrival(webhook_id="msg_2")])),
    (SECRETS, put("leaks", ["a.log holds the API key"])),
    (ANSWERS, put("unexpected", ["GET /: 500"])),
]


def test_sound_evidence_breaks_nothing() -> None:
    assert not any(violations(sound()).values())


@pytest.mark.parametrize(("promise", "spoil"), BROKEN)
def test_what_is_broken_is_seen(promise: str, spoil: Callable[[Evidence], None]) -> None:
    found = sound()
    spoil(found)
    assert violations(found)[promise]


def test_a_typed_failure_with_its_refund_is_no_violation() -> None:
    found = sound()
    found.told[0].shown.update(FAILED)
    found.arrivals = [arrival("failed", 30)]
    assert not any(violations(found).values())


@pytest.mark.parametrize("outcome", ["cut", "failed", "canceled"])
def test_an_upload_that_was_broken_off_is_left_to_the_rule_of_the_bucket(outcome: str) -> None:
    found = sound()
    found.uploads, found.renders = [UPLOAD], [replace(RENDER, outcome=outcome)]
    assert not any(violations(found).values())
    found.uploads_expire = False
    assert violations(found)[ORPHANS]


def line(event: str, second: int, **more: object) -> str:
    at = (NOW + timedelta(seconds=second)).isoformat()
    return json.dumps({"event": event, "timestamp": at, "stage": "base_gen", **more})


def test_renders_are_read_from_a_log_with_torn_lines() -> None:
    begin = {"stage_key": "k" * 64, "attempt_id": "a" * 32, "after": 0.5}
    torn = '{"event": "comf' + f"--- {(NOW + timedelta(seconds=5)).isoformat()} base_gen-0: ended with -9; starts again"
    found = renders_of(
        "base_gen-0",
        [
            line("render_begins", 1, **begin),
            torn,
            line("render_begins", 7, **begin),
            line("stage_run", 10, outcome="rendered"),
            line("stage_run", 11, outcome="reused"),
            line("render_begins", 12, **begin),
        ],
    )
    assert [(render.outcome, render.seconds) for render in found] == [("cut", 4.0), ("rendered", 3.0), ("going", 0.0)]
    assert found[0].job_began == NOW + timedelta(seconds=0.5)
    assert wasted(found) == 4.0
