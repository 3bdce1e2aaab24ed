"""The early look on the preview engine and on a real ComfyUI: half the size, nothing sampled, nothing read again."""

from collections.abc import Callable

import pytest
import structlog

from shared import media
from tests.comfyui.stages import Stages
from workers.base_gen.stage import STAGE as BASE

LOADERS = 4
"""Checkpoint, sound VAE, text encoder and camera LoRA: ComfyUI keeps only what the latest prompt names."""


class TestEarlyLook:
    @pytest.mark.parametrize("half", [True, False])
    async def test_it_is_small_and_the_next_job_finds_its_weights_where_they_were(
        self, stages: Stages, *, half: bool, record_property: Callable[[str, object], None]
    ) -> None:
        given = {**stages.asked("t2v", half_resolution=half), "ending": "latents"}
        with structlog.testing.capture_logs() as lines:
            plain = await stages.ok(BASE, **{**given, "seed": given["seed"] + 1})
            reply = await stages.ok(BASE, **given, early_look=True)
            following = await stages.ok(BASE, **{**given, "seed": given["seed"] + 2})
        assert not any(each.reused for each in (plain, reply, following))
        made = stages.store.looks.read(reply.stage_key)
        assert made is not None, lines
        info = await media.probe(stages.file(made))
        assert (info.width, info.height, info.frames, float(info.fps)) == (128, 72, 24, 24.0)
        assert info.has_audio
        runs = [line for line in lines if line["event"] == "comfy_run"]
        assert len(runs) == 4
        if "preview" not in stages.engine.name:  # that one reads no weights, and keeps less
            assert runs[3]["cached"] == LOADERS
        record_property("seconds of the look", reply.timings.get("early_look", 0.0))
