"""Every run carries its executionTimeout and its ttl, from one table, within what RunPod allows."""

from itertools import product
from typing import Any

from local.runpod_gateway.client_api import Policy
from orchestrator.plan import make_plan
from orchestrator.runpod_client import MAX_MS, MIN_EXECUTION_MS, MIN_TTL_MS
from shared import durations, geometry
from shared.contracts.request import GenerationRequest
from shared.contracts.vocabulary import Quality, Resolution, Stage
from tests.integration.orchestrator.conftest import StartCloud

SIZES = [(resolution, duration) for resolution in Resolution for duration in geometry.durations(resolution)]
TOGGLES = [
    {"spatial_upscale": spatial, "temporal_upscale": temporal, "detailer": detailer}
    for spatial, temporal, detailer in product([True, False], repeat=3)
]
EVERY: list[dict[str, Any]] = [
    {"prompt": "x", "quality": quality, "resolution": resolution, "duration": duration, **toggles}
    for quality, (resolution, duration), toggles in product(Quality, SIZES, TOGGLES)
]


def policy_of(asked: dict[str, Any], stage: Stage) -> dict[str, int]:
    request = GenerationRequest.model_validate(asked, context={"allow_draft": True})
    limit = make_plan(request, seed=1).of(stage).deadline_seconds
    return {"executionTimeout": limit * 1000, "ttl": (limit + durations.QUEUE_SECONDS) * 1000}


def test_no_deadline_lies_outside_what_runpod_allows() -> None:
    """Also with the most steps and a control: nothing is cut to fit."""
    for asked in EVERY:
        most = {"steps": 40} if asked["quality"] == Quality.PRO else {}
        control = {"control": {"type": "depth", "upload_id": "0" * 32}, "camera": "none"}
        for more in ({}, {**most, **control}):
            request = GenerationRequest.model_validate({**asked, **more}, context={"allow_draft": True})
            for step in make_plan(request, seed=1).stages:
                assert step.deadline_seconds == durations.deadline(durations.of(step.params).total)
                assert step.deadline_seconds > step.estimated_seconds
                milliseconds = step.deadline_seconds * 1000
                assert MIN_EXECUTION_MS <= milliseconds <= MAX_MS
                assert MIN_TTL_MS <= milliseconds + durations.QUEUE_SECONDS * 1000 <= MAX_MS


def test_more_work_never_gets_less_time() -> None:
    def limit(**changes: Any) -> int:
        return policy_of({**EVERY[0], "resolution": "720p", "duration": 10, **changes}, Stage.BASE_GEN)[
            "executionTimeout"
        ]

    assert limit() < limit(duration=15) < limit(duration=20)
    assert limit() < limit(resolution="1080p")
    assert limit() < limit(quality="pro")
    assert limit() < limit(spatial_upscale=False)
    assert limit(quality="pro") < limit(quality="pro", steps=40)


async def test_every_combination_sends_its_policy(start_cloud: StartCloud) -> None:
    """Of drafts one length, and always with the temporal stage: the table above has all."""
    sizes = [
        (resolution, duration) for resolution, duration in SIZES if duration == 1 or resolution != Resolution.DRAFT
    ]
    every = [
        asked for asked in EVERY if asked["temporal_upscale"] and (asked["resolution"], asked["duration"]) in sizes
    ]
    async with start_cloud(in_flight_limit=len(every)) as cloud:
        made = [(await cloud.create(**asked))["id"] for asked in every]
        for generation_id, asked in zip(made, every, strict=True):
            ended = await cloud.ended(generation_id)
            assert ended["state"] == "succeeded", asked
            jobs = [job for job in cloud.runpod.jobs if job.body["input"]["generation_id"] == generation_id]
            assert [job.stage for job in jobs] == [run["stage"] for run in ended["stages"]]
            for job in jobs:
                assert job.body["policy"] == policy_of(asked, job.stage), asked
                assert Policy.model_validate(job.body["policy"]).ttl, "and the gateway takes it"
