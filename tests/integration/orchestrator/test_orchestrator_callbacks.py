import pytest

from shared.contracts.vocabulary import Stage
from tests.integration.orchestrator.conftest import StartCloud


async def test_a_callback_only_hurries_the_next_look(start_cloud: StartCloud) -> None:
    async with start_cloud(poll_seconds_min=60, poll_seconds_max=120) as cloud:
        cloud.runpod.worker = None
        made = await cloud.create(spatial_upscale=False)
        job = await cloud.job(Stage.BASE_GEN)
        await cloud.seen(made["id"], "submitted")
        await cloud.worker(job)
        [(run_id, token, due)] = await cloud.rows("SELECT id, token, next_poll_at <= now() FROM stage_runs")
        assert not due
        for path in (f"{run_id}/forged", f"{'0' * 32}/{token}", f"{run_id}/{token}x"):
            answer = await cloud.http.post(f"/api/callbacks/runpod/{path}", json={"status": "COMPLETED"})
            assert answer.status_code == 404
        assert await cloud.rows("SELECT next_poll_at <= now() FROM stage_runs") == [(False,)]
        lie = {"id": job.id, "status": "FAILED", "error": "as a forger would have it"}
        answer = await cloud.http.post(f"/api/callbacks/runpod/{run_id}/{token}", json=lie)
        assert answer.status_code == 200
        # nothing but the time has changed
        assert await cloud.rows("SELECT state, next_poll_at <= now() FROM stage_runs") == [("submitted", True)]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff" * 100])
async def test_the_truth_is_asked_for_at_runpod(start_cloud: StartCloud, body: bytes) -> None:
    async with start_cloud() as cloud:
        cloud.runpod.worker = None
        made = await cloud.create(spatial_upscale=False)
        job = await cloud.job(Stage.BASE_GEN)
        await cloud.seen(made["id"], "submitted")
        [(run_id, token)] = await cloud.rows("SELECT id, token FROM stage_runs")
        await cloud.rows("UPDATE stage_runs SET next_poll_at = now() + interval '1 h'")
        await cloud.worker(job)
        for _ in range(3):
            answer = await cloud.http.post(f"/api/callbacks/runpod/{run_id}/{token}", content=body)
            assert answer.status_code == 200
        assert (await cloud.ended(made["id"]))["state"] == "succeeded"
