"""A worker that is not fit says so and takes no job: real worker processes on the SDK's own loop."""

import pytest

from shared.contracts.vocabulary import Stage
from shared.errors import ErrorBody
from tests.integration.worker.endpoint import StartEndpoint


@pytest.mark.parametrize(
    ("stage", "trouble", "more", "said"),
    [
        (Stage.BASE_GEN, "no_pack", {}, "LTXVSaveConditioning"),
        (Stage.SPATIAL_UPSCALE, "no_pack", {}, "LTXVLoadConditioning, LTXVLoopingSampler"),
        (Stage.BASE_GEN, "never_starts", {"COMFYUI_READY_SECONDS": "2"}, "comfy_unreachable"),
    ],
)
async def test_a_worker_that_is_not_fit_says_so_and_takes_no_job(
    start_endpoint: StartEndpoint, stage: Stage, trouble: str, more: dict[str, str], said: str
) -> None:
    """Its ComfyUI answers although ComfyUI-LTXVideo failed to import, or never answers.

    One that dies at its start: tests/integration/models/test_worker_refusals.py.
    """
    endpoint = await start_endpoint(stage)
    job = await endpoint.run()
    worker = endpoint.start_worker("unfit", troubles={trouble: 9}, env=more)
    assert worker.process.wait(60) == 1
    shown = (await endpoint.client.workers())["unfit"]
    assert shown["unhealthy"].startswith("fit: ")
    assert said in shown["unhealthy"]
    view = await endpoint.client.status(job)
    assert (view["status"], view.get("retries", 0)) == ("IN_QUEUE", 0), "it was never taken"


async def test_a_missing_model_file_makes_a_worker_unfit_unless_it_may_be_partial(
    start_endpoint: StartEndpoint,
) -> None:
    endpoint = await start_endpoint(Stage.TEMPORAL_UPSCALE)
    lacking = {"no_audio_vae": 9}
    worker = endpoint.start_worker("unfit", troubles=lacking)
    assert worker.process.wait(60) == 1
    shown = (await endpoint.client.workers())["unfit"]["unhealthy"]
    assert "model_missing: ComfyUI lacks weights: ltx-2-19b-audio-vae.safetensors" in shown
    endpoint.start_worker("partial", troubles=lacking, env={"WORKER_PARTIAL": "true"})
    view = await endpoint.client.until(await endpoint.client.run({"no": "input"}), "FAILED", seconds=60)
    assert "invalid_input" in view["error"]


async def test_a_fit_worker_is_warm_before_its_first_job_and_refuses_what_it_has_no_weights_for(
    start_endpoint: StartEndpoint,
) -> None:
    endpoint = await start_endpoint()
    job, pro = await endpoint.run(), await endpoint.run(quality="pro")
    worker = endpoint.start_worker("warm", env={"WORKER_WARM_UP_SECONDS": "60", "WORKER_QUALITIES": "fast"})
    view = await endpoint.client.until(job, "COMPLETED", seconds=90)
    assert (view["output"]["stage"], view["output"]["reused"]) == ("base_gen", False)
    lines = worker.log.read_text()
    assert 0 < lines.index("worker_warm") < lines.index("render_begins")
    view = await endpoint.client.until(pro, "FAILED", seconds=60)
    error = ErrorBody.model_validate_json(view["error"])
    assert (error.code, error.retryable, error.stage) == ("model_missing", False, "base_gen")
    assert "quality pro (WORKER_QUALITIES=fast): send such requests to an endpoint that is" in error.message
    assert worker.log.read_text().count("render_begins") == 1, "refused before anything was fetched or run"
    assert worker.process.poll() is None, "it lives on for the jobs that it can do"
