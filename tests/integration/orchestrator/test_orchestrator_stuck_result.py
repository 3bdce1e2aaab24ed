"""RunPod says that a run goes on, and the worker has finished it: its result is stuck on its way."""

from tests.integration.orchestrator.cloud import Cloud
from tests.integration.orchestrator.test_orchestrator_faults import hold


async def test_the_manifest_is_adopted_long_before_the_deadline(cloud: Cloud) -> None:
    generation_id, job = await hold(cloud, spatial_upscale=False)
    job.status = "IN_PROGRESS"
    await cloud.seen(generation_id, "running")
    await cloud.worker(job)
    job.status, job.output = "IN_PROGRESS", None
    assert (await cloud.ended(generation_id))["state"] == "succeeded"
    assert len(cloud.runpod.jobs) == 1
