"""A job that a worker has no weights for is told so, by the variables that say it; all others go through."""

from itertools import product

import pytest

from models.selection import needed
from shared.contracts import keys
from shared.contracts.stage import BaseGenInput, SpatialUpscaleInput, StageInput
from shared.contracts.vocabulary import Precision, Quality, Stage, TextEncoder
from shared.errors import FatalError
from shared.worker import fitness
from shared.worker.abilities import lacks, require_able
from shared.worker.settings import Option, WorkerSettings

EVERYTHING = [
    WorkerSettings(precisions=tuple(Precision), text_encoder=encoder) for encoder in TextEncoder
]  # their variants together are all that may be asked for
SOME = [
    WorkerSettings(qualities=qualities, precisions=precisions, options=options)
    for qualities, precisions, options in product(
        ((Quality.FAST,), (Quality.PRO,), tuple(Quality)),
        ((Precision.FP8,), (Precision.FULL,)),
        ((), (Option.CAMERA,), (Option.CONTROL,), (Option.DETAILER,), tuple(Option)),
    )
]


def variants(stage: Stage) -> list[StageInput]:
    return [work for settings in EVERYTHING for work in fitness.variants(stage, settings)]


@pytest.mark.parametrize("stage", Stage)
def test_what_is_let_through_reads_only_weights_that_the_worker_has(stage: Stage) -> None:
    read = [(work, keys.models_of(work).keys()) for work in variants(stage)]
    assert read
    for settings in SOME:
        has = {file.name for file in needed([stage], settings)}
        for work, files in read:
            if not list(lacks(work, settings)):
                assert files <= has, (work, settings)


@pytest.mark.parametrize("stage", Stage)
def test_what_a_worker_is_set_up_for_is_let_through(stage: Stage) -> None:
    for settings in SOME:
        for work in fitness.variants(stage, settings):
            require_able(work, settings)


def base(**given: object) -> BaseGenInput:
    return BaseGenInput.model_validate({"prompt": "x", **given})


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (base(quality="pro"), "quality pro (WORKER_QUALITIES=fast)"),
        (base(precision="full"), "precision full (WORKER_PRECISIONS=fp8)"),
        (base(text_encoder="folder"), "the text encoder's folder form (WORKER_TEXT_ENCODER=single)"),
        (base(camera="dolly_in"), "camera (WORKER_OPTIONS=)"),
        (
            base(control={"type": "depth"}, control_source=fitness.SOMETHING.model_dump()),
            "control (WORKER_OPTIONS=)",
        ),
        (
            SpatialUpscaleInput(
                video_latent=fitness.SOMETHING,
                audio_latent=fitness.SOMETHING,
                detail_conditioning=fitness.SOMETHING,
                upscale=False,
                detailer=True,
            ),
            "detailer (WORKER_OPTIONS=)",
        ),
    ],
    ids=["quality", "precision", "encoder", "camera", "control", "detailer"],
)
def test_each_lack_is_named_with_its_variable_and_is_final(work: StageInput, said: str) -> None:
    little = WorkerSettings(qualities=(Quality.FAST,), options=())
    with pytest.raises(FatalError) as told:
        require_able(work, little)
    assert told.value.code == "model_missing"
    assert said in told.value.message
    assert "send such requests to an endpoint that is, or set these variables" in told.value.message
    require_able(work, little.model_copy(update={"partial": True}))
