"""What this worker was set up for, and a job that asks for more: refused at once, before anything is fetched. Pure.

ComfyUI would refuse its graph too, but after the inputs have come, and in words that do not name what to change.
"""

from collections.abc import Iterator

from shared.contracts.stage import BaseGenInput, SpatialUpscaleInput, StageInput
from shared.contracts.vocabulary import Camera
from shared.errors import FatalError
from shared.worker.settings import Option, WorkerSettings


def require_able(work: StageInput, settings: WorkerSettings) -> None:
    """FatalError model_missing names what the worker lacks and the variables that say so.

    It is never tried again: all workers of an endpoint have one environment. A `partial` worker tries everything.
    """
    lacking = [] if settings.partial else list(lacks(work, settings))
    if lacking:
        raise FatalError(
            "model_missing",
            f"this endpoint's workers are not set up for {', '.join(lacking)}: send such requests to an endpoint that "
            "is, or set these variables and give its workers the weights (python -m models list)",
        )


def lacks(work: StageInput, settings: WorkerSettings) -> Iterator[str]:
    """Every part of the job for which the settings promise no weights, with the variable."""
    if not isinstance(work, BaseGenInput | SpatialUpscaleInput):
        return  # the temporal stage reads the same three files whatever it is asked for
    refines = isinstance(work, BaseGenInput) or work.upscale
    if refines and work.quality not in settings.qualities:
        yield f"quality {work.quality} (WORKER_QUALITIES={','.join(settings.qualities)})"
    if work.precision not in settings.precisions:
        yield f"precision {work.precision} (WORKER_PRECISIONS={','.join(settings.precisions)})"
    if isinstance(work, BaseGenInput) and work.text_encoder is not settings.text_encoder:
        yield f"the text encoder's {work.text_encoder} form (WORKER_TEXT_ENCODER={settings.text_encoder})"
    for option in _options(work):
        if option not in settings.options:
            yield f"{option} (WORKER_OPTIONS={','.join(settings.options)})"


def _options(work: BaseGenInput | SpatialUpscaleInput) -> Iterator[Option]:
    if isinstance(work, BaseGenInput):
        if work.lora_camera is not Camera.NONE:
            yield Option.CAMERA
        if work.control is not None:
            yield Option.CONTROL
    else:
        if work.upscale and work.camera is not Camera.NONE:
            yield Option.CAMERA
        if work.detailer:
            yield Option.DETAILER
