"""Every cell of the stages' table, on the preview engine and on a real ComfyUI."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

from shared.comfy import sections
from shared.contracts.stage import new_attempt_id
from shared.contracts.vocabulary import Camera, Precision, Quality, Stage
from shared.stage import Names
from shared.worker import execute
from shared.worker.parse import parse
from tests.comfyui.one_graph import REFINE, join
from tests.comfyui.stages import Stages
from workers.base_gen.stage import STAGE as BASE
from workers.spatial_upscale.stage import STAGE as SPATIAL
from workers.temporal_upscale.stage import STAGE as TEMPORAL

Record = Callable[[str, object], None]
KINDS = ["t2v", "i2v"]
CAMERAS = [Camera.STATIC, Camera.DOLLY_IN, Camera.NONE]
SPLIT_TOLERANCE = 0.01
"""Root mean square of what the latents differ by, over their standard deviation. The split hands over conditioning and
latents in bfloat16, of 8 bits, whose rounding alone makes 0.002."""
SOUND_TOLERANCE = 1e-6
"""The sound is made once; a real server multiplies what it would change by a mask of zeros."""


class TestCells:
    @pytest.mark.parametrize(("kind", "quality", "camera"), list(product(KINDS, Quality, CAMERAS)))
    async def test_all_stages_and_endings(
        self,
        stages: Stages,
        *,
        kind: str,
        quality: Quality,
        camera: Camera,
        record_property: Record,
    ) -> None:
        precision = Precision.FULL if camera is Camera.NONE else Precision.FP8
        given = stages.asked(kind, quality=quality, camera=camera, precision=precision)
        base = await stages.ok(BASE, **given, ending="latents")
        assert set(base.artifacts) == {"video_latent", "audio_latent"}
        spatial = await stages.ok(SPATIAL, manifest=base.manifest, ending="latents")
        assert set(spatial.artifacts) == {"video_latent", "audio_latent"}
        assert not np.allclose(stages.latent(spatial), 0)
        changed = stages.sound_moved(base, spatial)
        assert changed <= SOUND_TOLERANCE
        record_property("sound changed by the refine by at most", f"{changed:.1e}")
        temporal = await stages.ok(TEMPORAL, latents=spatial.artifacts["video_latent"].key)
        await stages.check_video(temporal, doubled=True)
        early = await stages.ok(BASE, **given, ending="video")
        assert set(early.artifacts) == {"video_latent", "audio_latent", "video", "poster"}
        await stages.check_video(early, half=True)
        assert np.array_equal(stages.latent(early), stages.latent(base))
        await stages.check_video(await stages.ok(SPATIAL, manifest=base.manifest, ending="video"))

    @pytest.mark.parametrize(("kind", "quality"), list(product(KINDS, Quality)))
    async def test_one_pass_at_full_size(self, stages: Stages, kind: str, quality: Quality) -> None:
        base = await stages.ok(BASE, **stages.asked(kind, quality=quality), half_resolution=False)
        await stages.check_video(base)
        await stages.check_video(await stages.ok(TEMPORAL, manifest=base.manifest), doubled=True)

    async def test_a_half_size_look_can_be_doubled_in_time(self, stages: Stages) -> None:
        base = await stages.ok(BASE, **stages.asked("t2v"), ending="latents")
        await stages.check_video(await stages.ok(TEMPORAL, manifest=base.manifest), half=True, doubled=True)

    async def test_every_word_of_a_request_shows_in_the_latents(self, stages: Stages, record_property: Record) -> None:
        first = stages.latent(await stages.ok(BASE, **stages.asked("t2v"), ending="latents"))
        others: dict[str, dict[str, Any]] = {
            "prompt": stages.asked("t2v", prompt="bells over a quiet village"),
            "seed": stages.asked("t2v", seed=stages.seed + 1),
            "camera": stages.asked("t2v", camera=Camera.DOLLY_IN),
            "no camera": stages.asked("t2v", camera=Camera.NONE),
            "image": stages.asked("i2v"),
        }
        for word, given in others.items():
            latent = stages.latent(await stages.ok(BASE, **given, ending="latents"))
            moved = float(np.abs(latent - first).mean())
            record_property(f"{word} moves latents by", f"{moved:.1e}")
            assert moved > 1e-4, word

    async def test_gemma_as_a_folder(self, stages: Stages, record_property: Record) -> None:
        """Both loaders read the same numbers here, and still do not make the same conditioning."""
        single = await stages.ok(BASE, **stages.asked("t2v"), ending="latents")
        folder = await stages.ok(BASE, **stages.asked("t2v"), text_encoder="folder", ending="latents")
        moved = float(np.abs(stages.latent(folder) - stages.latent(single)).mean())
        record_property("differs from the single file's latents by", f"{moved:.1e}")
        await stages.check_video(await stages.ok(SPATIAL, manifest=folder.manifest))

    @pytest.mark.parametrize(("kind", "quality"), list(product(KINDS, Quality)))
    async def test_the_detailer_follows_the_refine(
        self, stages: Stages, kind: str, quality: Quality, record_property: Record
    ) -> None:
        given = stages.asked(kind, quality=quality)
        base = await stages.ok(BASE, **given, ending="latents")
        plain = await stages.ok(SPATIAL, manifest=base.manifest, ending="latents")
        detailed = await stages.ok(SPATIAL, manifest=base.manifest, detailer=True, ending="latents")
        added = float(np.abs(stages.latent(detailed) - stages.latent(plain)).mean())
        record_property("detail moves latents by", f"{added:.1e}")
        assert added > 1e-4
        assert stages.sound_moved(base, detailed) <= SOUND_TOLERANCE
        await stages.check_video(await stages.ok(SPATIAL, manifest=base.manifest, detailer=True))

    async def test_the_detailer_alone(self, stages: Stages) -> None:
        base = await stages.ok(BASE, **stages.asked("t2v"), half_resolution=False, ending="latents")
        detailed = await stages.ok(SPATIAL, manifest=base.manifest, detailer=True)
        await stages.check_video(detailed)
        await stages.check_video(await stages.ok(TEMPORAL, manifest=detailed.manifest), doubled=True)

    @pytest.mark.parametrize(
        ("control", "source", "preprocessed", "kind", "quality"),
        [
            ("canny", "video", False, "t2v", Quality.FAST),
            ("canny", "video", False, "i2v", Quality.PRO),
            ("canny", "image", False, "t2v", Quality.FAST),
            ("depth", "video", False, "t2v", Quality.FAST),
            ("depth", "video", True, "t2v", Quality.FAST),
            ("pose", "video", True, "t2v", Quality.PRO),
            ("pose", "image", True, "i2v", Quality.FAST),
        ],
    )
    async def test_control(
        self, stages: Stages, *, control: str, source: str, preprocessed: bool, kind: str, quality: Quality
    ) -> None:
        """Pose without a map is not here: there are no small SDPose weights (`local.tiny_models.cannot_be_made`)."""
        given = stages.asked(kind, quality=quality, seed=5)  # one for all of these: the free ones are then made once
        free = await stages.ok(BASE, **given, camera=Camera.NONE, ending="latents")
        held = {"type": control, "preprocessed": preprocessed}
        artifact = stages.input_of(source)
        base = await stages.ok(BASE, **given, control=held, control_source=artifact, ending="latents")
        assert not np.array_equal(stages.latent(base), stages.latent(free))
        spatial = await stages.ok(SPATIAL, manifest=base.manifest)
        await stages.check_video(spatial)
        assert stages.sound_moved(base, spatial) <= SOUND_TOLERANCE

    @pytest.mark.parametrize(("kind", "quality"), [("t2v", Quality.FAST), ("i2v", Quality.PRO)])
    async def test_the_split_equals_one_graph(
        self, stages: Stages, kind: str, quality: Quality, record_property: Record
    ) -> None:
        given = {**stages.asked(kind, quality=quality), "ending": "latents"}
        base = await stages.ok(BASE, **given)
        split = await stages.ok(SPATIAL, manifest=base.manifest, ending="latents")
        work = parse(Stage.BASE_GEN, given, stages.store)
        refine = parse(Stage.SPATIAL_UPSCALE, {"manifest": base.manifest, "ending": "latents"}, stages.store)
        names, refine_names = Names(new_attempt_id()), Names(new_attempt_id())
        graph = join(BASE.graph(work, names), SPATIAL.graph(refine, refine_names))
        async with stages.engine.session(names) as comfy, stages.engine.session(refine_names):
            image = {
                role: path
                for role, path in (await execute.fetch_inputs(work, stages.folder, stages.store)).items()
                if role == "image"
            }
            await execute.hand_over(comfy, image, names)
            await execute.hand_over(comfy, image, refine_names)
            run = await execute.execute(comfy, graph, seconds=300, on_progress=lambda _: None)
            (saved,) = run.files(REFINE + sections.SAVE_VIDEO_LATENT)
            path = await comfy.fetch_output(saved, stages.folder / "one")
        one, two = stages.load(path), stages.latent(split)
        differ = float(np.sqrt(np.mean((one - two) ** 2)) / one.std())
        record_property("latents differ by", f"{differ:.1e} of their std, at most {np.abs(one - two).max():.1e}")
        assert differ < SPLIT_TOLERANCE
