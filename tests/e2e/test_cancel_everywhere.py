"""A cancel at every point of a generation: the GPU is free within two seconds, and nothing more comes of it."""

import sys
import time
from typing import Any

import httpx
import pytest

from local.runpod_gateway.faults import FaultKind
from shared.contracts.vocabulary import Stage
from tests.e2e.faulty_cloud import MANY, FaultyCloud
from tests.waiting import wait_for

BASE, SPATIAL, TEMPORAL = Stage
DRAFT: dict[str, Any] = {"resolution": "draft", "duration": 1}
SOLD: dict[str, Any] = {"resolution": "720p", "duration": 10, "quality": "pro", "steps": 40}
"""Eight seconds of steps to be caught in: half of them may be over when the first is seen."""
STOP_SECONDS = 2.0
NOISE_SECONDS = 4.0
"""So much more is given to a busy test machine; what it really took is printed."""


def begun(cloud: FaultyCloud) -> int:
    return cloud.log(BASE).count('"event": "render_begins"')


def ended(cloud: FaultyCloud) -> int:
    """Cancels that the worker has carried out: ComfyUI has stopped, nothing is uploaded, nothing replied."""
    return cloud.log(BASE).count('"outcome": "canceled"')


def reach(cloud: FaultyCloud, point: str, made: str, renders: int) -> None:
    """Wait until the generation stands at this point. `renders` had begun before it was created."""
    match point:
        case "queued":
            cloud.until(made, (BASE, "pending"))
        case "submitted":
            cloud.until(made, (BASE, "submitted"))
        case "between stages":
            cloud.until(made, (BASE, "succeeded"), (SPATIAL, "pending"))
        case "sampling":
            wait_for(lambda: (cloud.get(made) or {})["fraction"] > 0, what="a step")
        case "uploading":
            wait_for(lambda: begun(cloud) > renders, what="the render", every=0.02)
            cloud.valve.shut()
            swallowed = cloud.valve.proxy.swallowed
            wait_for(lambda: cloud.valve.proxy.swallowed > swallowed, what="the first byte")


POINTS = {  # -> what holds it there
    "queued": (FaultKind.REFUSE_RUN, BASE, {"count": MANY, "status": 503}),
    "submitted": (FaultKind.COLD_START, BASE, {"delay_ms": 600_000}),
    "sampling": None,
    "uploading": None,
    "between stages": (FaultKind.REFUSE_RUN, SPATIAL, {"count": MANY, "status": 503}),
}


@pytest.mark.parametrize("point", POINTS)
def test_cancel_at_every_point(calmed: FaultyCloud, point: str, capsys: pytest.CaptureFixture[str]) -> None:
    fault = POINTS[point]
    if fault is not None:
        calmed.arm(fault[0], fault[1], **fault[2])
    asked = DRAFT if point in {"uploading", "between stages"} else SOLD  # only what is sold has credits to give back
    rendered, stopped = begun(calmed), ended(calmed)
    made = calmed.create(prompt=f"cancel it while {point}", temporal_upscale=True, **asked)
    reach(calmed, point, made["id"], rendered)
    later = {stage: len(calmed.jobs(stage)) for stage in (SPATIAL, TEMPORAL)}

    began = time.monotonic()
    answer = calmed.api.delete(f"/api/generations/{made['id']}")
    assert (answer.status_code, answer.json()["state"]) == (httpx.codes.OK, "canceled")
    assert answer.json()["credits_refund"] == made["credits"]
    on_gpu = point in {"sampling", "uploading"}

    def gpu_is_free() -> bool:
        return calmed.busy() == 0 and ended(calmed) == stopped + on_gpu

    wait_for(gpu_is_free, seconds=STOP_SECONDS + NOISE_SECONDS, what="a free GPU", every=0.05)
    with capsys.disabled():
        sys.stdout.write(f" [{point}: free after {time.monotonic() - began:.2f} s]")
    calmed.calm()

    again = calmed.api.delete(f"/api/generations/{made['id']}")
    assert (again.status_code, again.json()["code"]) == (httpx.codes.CONFLICT, "already_ended")
    assert "canceled" in again.json()["detail"]
    # the same workers serve the next one; by then nothing more has come of the canceled one
    assert calmed.make(prompt=f"after {point}", spatial_upscale=False, **DRAFT)["state"] == "succeeded"
    assert all(len(calmed.jobs(stage)) <= count for stage, count in later.items()), "no later stage starts"
    found = calmed.finish(made["id"])
    assert found["state"] == "canceled"
    assert found["credits_refund"] == found["credits"]
    assert [run["stage"] for run in found["stages"]] == [BASE, *[SPATIAL] * (point == "between stages")]
