import pytest

from shared.contracts.vocabulary import Stage
from tests.integration.orchestrator.cloud import Cloud


@pytest.mark.parametrize("spatial", [True, False])
@pytest.mark.parametrize("temporal", [True, False])
async def test_every_toggle_leads_to_the_video_that_was_planned(cloud: Cloud, spatial: bool, temporal: bool) -> None:
    made = await cloud.create(spatial_upscale=spatial, temporal_upscale=temporal)
    assert made["state"] == "queued"
    ended = await cloud.ended(made["id"])
    assert ended["state"] == "succeeded", ended
    stages = [Stage.BASE_GEN, *[Stage.SPATIAL_UPSCALE] * spatial, *[Stage.TEMPORAL_UPSCALE] * temporal]
    assert [run["stage"] for run in ended["stages"]] == stages
    assert all(run["state"] == "succeeded" and run["attempt"] == 1 for run in ended["stages"])
    assert ended["result"]["fps"] == (48 if temporal else 24)
    assert ended["fraction"] == 1.0
    assert cloud.worker.renders == dict.fromkeys(stages, 1)
