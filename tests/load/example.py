"""A small load that kept every promise, to be broken by tests."""

from datetime import UTC, datetime, timedelta

from tests.load.evidence import Evidence, Generation, Run
from tests.load.scenarios import OTHERS, Wish

T0 = datetime(2026, 1, 1, tzinfo=UTC)
BODY = {
    "prompt": "p",
    "resolution": "draft",
    "duration": 1,
    "quality": "fast",
    "spatial_upscale": False,
    "temporal_upscale": True,
    "detailer": False,
}


def run(stage: str, key: str) -> Run:
    return Run("g", stage, 1, "succeeded", key, False, 1.0, "j", "COMPLETED", T0, T0, T0 + timedelta(seconds=1))


def whole() -> Evidence:
    generation = Generation(
        id="g",
        owner=OTHERS,
        state="succeeded",
        request=dict(BODY),
        planned=("base_gen", "temporal_upscale"),
        estimated=(6.0, 16.0),
        delivers={"width": 256, "height": 144, "frames": 48, "fps": 48},
        credits=0,
        refund=0,
        endings=1,
        error=None,
        created_at=T0,
        finished_at=T0 + timedelta(seconds=3),
    )
    return Evidence(
        wishes=(Wish(0, 0.0, OTHERS, "poll", cancel=False, body=dict(BODY)),),
        told=[{"number": 0, "id": "g", "state": "succeeded", "late": 0.0, "intact": True}],
        generations=[generation],
        runs=[run("base_gen", "k1"), run("temporal_upscale", "k2")],
        listed={"g"},
        announced={"g": {"succeeded"}},
        rendered={"k1": 1, "k2": 1},
        probed={"g": (256, 144, 48, 48.0)},
    )
