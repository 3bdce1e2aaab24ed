"""The committed graphs of the main requests are fresh, and the command line prints any other."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shared.comfy.catalog import validate
from shared.comfy.graph import Graph
from shared.contracts.vocabulary import Stage
from shared.graph_cli import Examples, gallery_of, main
from tests.contract.graphs.catalogue import WHOLE, WORKERS, part_of
from tests.contract.graphs.legal import STAGES
from workers.base_gen.__main__ import EXAMPLES as BASE
from workers.spatial_upscale.__main__ import EXAMPLES as SPATIAL
from workers.temporal_upscale.__main__ import EXAMPLES as TEMPORAL

EXAMPLES: dict[Stage, Examples] = {
    Stage.BASE_GEN: BASE,
    Stage.SPATIAL_UPSCALE: SPATIAL,
    Stage.TEMPORAL_UPSCALE: TEMPORAL,
}


@pytest.mark.parametrize("stage", Stage)
def test_the_gallery_is_fresh(stage: Stage) -> None:
    folder = WORKERS / stage / "workflows" / "examples"
    committed = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    assert committed == gallery_of(STAGES[stage], EXAMPLES[stage]), f"run python -m workers.{stage} gallery"
    assert len(set(committed.values())) == len(committed), "two examples are the same graph"


@pytest.mark.parametrize("stage", Stage)
def test_an_example_is_a_graph_that_comfyui_accepts(catalogue: dict[str, Any], stage: Stage) -> None:
    for name, text in gallery_of(STAGES[stage], EXAMPLES[stage]).items():
        assert validate(Graph.load(json.loads(text)), catalogue, idle=name.startswith("early_look")) == []


def test_the_catalogue_is_that_of_the_recorded_server(catalogue: dict[str, Any]) -> None:
    if not WHOLE.exists():
        pytest.skip(f"no node catalogue at {WHOLE}: the facts are not beside this checkout")
    assert catalogue == part_of(json.loads(WHOLE.read_text())), "run python -m tests.contract.graphs.catalogue"


@pytest.mark.parametrize(
    ("stage", "argv", "title", "values"),
    [
        ("base_gen", ["--prompt", "a cat", "--quality", "pro", "--steps", "33"], "Sigmas", {"steps": 33}),
        ("base_gen", ["--prompt", "a cat"], "Positive prompt", {"text": "a cat"}),
        ("base_gen", ["--prompt", "x", "--control", "canny", "--control-strength", "0.5"], "Guide", {"strength": 0.5}),
        ("spatial_upscale", ["--no-upscale", "--detailer"], "Detail sampler", {"sampler_name": "euler"}),
        ("temporal_upscale", [], "Save video", {"fps": 48, "frames": 480}),
    ],
)
def test_the_command_line_prints_a_graph(stage: str, argv: list[str], title: str, values: dict[str, Any]) -> None:
    printed = subprocess.run(
        [sys.executable, "-m", f"workers.{stage}", "graph", *argv],
        cwd=WORKERS.parent,
        capture_output=True,
        check=True,
        timeout=60,
        text=True,
    )
    inputs = Graph.load(json.loads(printed.stdout)).node(title).inputs
    assert {name: inputs[name] for name in values} == values


@pytest.mark.parametrize(
    ("stage", "argv", "said"),
    [
        (Stage.BASE_GEN, ["--prompt", "x", "--steps", "20"], "steps: only pro"),
        (Stage.BASE_GEN, ["--prompt", "x", "--control", "pose", "--camera", "jib_up"], "already fixes the camera"),
        (Stage.BASE_GEN, ["--prompt", " "], "prompt"),
        (Stage.BASE_GEN, [], "--prompt"),
        (Stage.SPATIAL_UPSCALE, ["--no-upscale"], "nothing to do"),
        (Stage.TEMPORAL_UPSCALE, ["--ending", "latents"], "--ending"),
    ],
)
def test_what_no_request_may_have_is_refused_in_words(
    capsys: pytest.CaptureFixture[str], stage: Stage, argv: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(STAGES[stage], EXAMPLES[stage], ["graph", *argv])
    assert caught.value.code == 2
    assert said in capsys.readouterr().err


def test_the_gallery_is_written_where_it_is_wanted(tmp_path: Path) -> None:
    for stage in Stage:
        assert main(STAGES[stage], EXAMPLES[stage], ["gallery", "--out", str(tmp_path / stage)]) == 0
        assert {path.stem for path in (tmp_path / stage).iterdir()} == set(EXAMPLES[stage])
