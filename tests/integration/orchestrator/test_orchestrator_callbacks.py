"""RunPod's webhook is only a hint: forged, replayed or nonsensical, it changes nothing but when we look."""

import asyncio
from typing import Any

import pytest

from shared.contracts.vocabulary import Stage
from tests.integration.orchestrator.cloud import Cloud
from tests.integration.orchestrator.conftest import StartCloud
from tests.waiting import eventually

PATIENT = {"poll_seconds_min": 60, "poll_seconds_max": 120}
EVERYTHING = (
    "SELECT (SELECT json_agg(t ORDER BY id) FROM (SELECT g.*, null AS x FROM generations g) t)::text,"
    " (SELECT json_agg(to_jsonb(r) - 'next_poll_at' - 'hinted_at' ORDER BY id) FROM stage_runs r)::text,"
    " (SELECT json_agg(e ORDER BY seq) FROM events e)::text,"
    " (SELECT count(*) FROM procrastinate_jobs WHERE task_name <> 'prune')"
)


async def submitted(cloud: Cloud) -> tuple[str, str, Any]:
    """A run that RunPod has: its id, its token and its job."""
    cloud.runpod.worker = None
    made = await cloud.create(spatial_upscale=False)
    job = await cloud.job(Stage.BASE_GEN)
    await cloud.seen(made["id"], "submitted")

    async def task_done() -> bool:
        return await cloud.rows("SELECT count(*) FROM procrastinate_jobs WHERE task_name <> 'prune'") == [(0,)]

    await eventually(task_done)
    [(run_id, token)] = await cloud.rows("SELECT id, token FROM stage_runs")
    return run_id, token, job


@pytest.mark.parametrize(
    "path",
    [
        "{run}/forged",
        "{zeros}/{token}",
        "{run}/{token}x",
        "{run}/{start}",
        "{run}/{upper}",
        "{run}/",
        "{run}",
        "{run}/%00",
        "{run}/{token}%0a",
        "{run}/{token}/..",
        "{zeros}/",
        "%00/{token}",
        "{run}%00/{token}",
        "%27%20OR%201=1--/{token}",
    ],
)
async def test_a_forged_callback_changes_nothing(start_cloud: StartCloud, path: str) -> None:
    async with start_cloud(**PATIENT) as cloud:
        run_id, token, job = await submitted(cloud)
        before, asked = await cloud.rows(EVERYTHING), cloud.runpod.asked
        due = await cloud.rows("SELECT next_poll_at, hinted_at FROM stage_runs")
        words = {"run": run_id, "token": token, "zeros": "0" * 32, "start": token[:-1], "upper": token.swapcase()}
        lie = {"id": job.id, "status": "COMPLETED", "output": {}}
        answer = await cloud.http.post(f"/api/callbacks/runpod/{path.format(**words)}", json=lie)
        assert answer.status_code == 404
        for method in ("GET", "PUT", "DELETE"):
            answer = await cloud.http.request(method, f"/api/callbacks/runpod/{run_id}/{token}")
            assert answer.status_code == 405
        assert await cloud.rows(EVERYTHING) == before
        assert await cloud.rows("SELECT next_poll_at, hinted_at FROM stage_runs") == due
        assert cloud.runpod.asked == asked


BODIES = [b"", b"{", b"\xff" * 100, b"null", b"[" * 100_000, b"x" * 1_000_000]


async def test_a_callback_only_hurries_the_next_look(start_cloud: StartCloud) -> None:
    async with start_cloud(**PATIENT) as cloud:
        run_id, token, job = await submitted(cloud)
        before, asked = await cloud.rows(EVERYTHING), cloud.runpod.asked
        lies: list[Any] = [
            {"id": job.id, "status": "FAILED", "error": "as a forger would have it"},
            {"id": job.id, "status": "COMPLETED", "output": {"manifest": "manifests/of/another.json"}},
        ]
        url = f"/api/callbacks/runpod/{run_id}/{token}"
        for lie in lies:
            assert (await cloud.http.post(url, json=lie)).status_code == 200
        for content in BODIES:
            assert (await cloud.http.post(url, content=content)).status_code == 200

        async def looked() -> bool:
            return cloud.runpod.asked > asked

        await eventually(looked)  # and RunPod says that it still waits, whatever the lies said
        assert await cloud.rows(EVERYTHING) == before


async def test_a_thousand_replays_bring_about_one_look_and_one_that_waits(start_cloud: StartCloud) -> None:
    async with start_cloud(**PATIENT) as cloud:
        run_id, token, _ = await submitted(cloud)
        before, asked = await cloud.rows(EVERYTHING), cloud.runpod.asked
        url = f"/api/callbacks/runpod/{run_id}/{token}"

        async def replay() -> None:
            for _ in range(50):
                assert (await cloud.http.post(url, timeout=30)).status_code == 200

        await asyncio.gather(*(replay() for _ in range(20)))

        async def next_look() -> bool:
            due = "SELECT next_poll_at BETWEEN now() + interval '1 s' AND now() + interval '60 s' FROM stage_runs"
            return bool(cloud.runpod.asked > asked and await cloud.rows(due) == [(True,)])

        await eventually(next_look)
        assert cloud.runpod.asked - asked <= 2
        assert await cloud.rows(EVERYTHING) == before


async def test_the_truth_is_asked_for_at_runpod(start_cloud: StartCloud) -> None:
    async with start_cloud() as cloud:
        run_id, token, job = await submitted(cloud)
        await cloud.rows("UPDATE stage_runs SET next_poll_at = now() + interval '1 h'")
        await cloud.worker(job)
        [(generation_id,)] = await cloud.rows("SELECT id FROM generations")
        assert (await cloud.http.post(f"/api/callbacks/runpod/{run_id}/{token}", content=b"{")).status_code == 200
        done = await cloud.ended(generation_id)
        assert done["state"] == "succeeded"
        [run] = done["stages"]  # nobody looked while the worker had it, and yet it is known when it took it
        assert run["submitted_at"] <= run["started_at"] <= run["finished_at"]
        # once it has ended, nobody looks any more
        after, asked = await cloud.rows(EVERYTHING), cloud.runpod.asked
        for _ in range(20):
            assert (await cloud.http.post(f"/api/callbacks/runpod/{run_id}/{token}")).status_code == 200
        assert await cloud.rows(EVERYTHING) == after
        assert cloud.runpod.asked == asked
