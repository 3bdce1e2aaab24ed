"""Corner cases of the validation that the recorded exchanges do not hold."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from local.comfyui_preview.cli import parse
from local.comfyui_preview.engine.cache import order_of, signatures
from local.comfyui_preview.engine.inputs import Offer
from local.comfyui_preview.engine.node import Graph, Job
from local.comfyui_preview.engine.validation import Verdict, validate
from local.comfyui_preview.folders import Folders, OutsideError
from local.comfyui_preview.nodes import node_classes
from local.comfyui_preview.nodes.sigmas import LTXVScheduler
from local.comfyui_preview.settings import Settings

CLASSES = node_classes(with_test_nodes=True)


@pytest.fixture
def offer(tmp_path: Path) -> Offer:
    folders = Folders(tmp_path, tmp_path / "models" / "embeddings")
    folders.create()
    return Offer(Settings(tmp_path, folders.embeddings), folders)


def node(kind: str, /, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def two_branches() -> Graph:
    return {
        "1": node("EmptyImage", width=64, height=64, batch_size=1, color=0),
        "2": node("ImageInvert", image=["1", 0]),
        "3": node("PreviewImage", images=["2", 0]),
        "4": node("SaveImage", images=["1", 0], filename_prefix="x"),
    }


def kinds(verdict: Verdict, node_id: str) -> list[str]:
    return [error["type"] for error in verdict.node_errors[node_id]["errors"]]


def test_a_fault_that_feeds_two_outputs_names_both(offer: Offer) -> None:
    graph = two_branches()
    del graph["1"]["inputs"]["width"]
    verdict = validate(graph, CLASSES, offer)
    assert verdict.error
    assert verdict.outputs == []
    assert verdict.node_errors["1"]["dependent_outputs"] == ["3", "4"]


def test_a_fault_in_one_branch_leaves_the_other(offer: Offer) -> None:
    graph = two_branches()
    graph["2"]["inputs"]["image"] = ["77", 0]
    verdict = validate(graph, CLASSES, offer)
    assert verdict.error is None
    assert verdict.outputs == ["4"]
    assert kinds(verdict, "2") == ["exception_during_inner_validation"]
    assert verdict.node_errors["2"]["dependent_outputs"] == ["3"]


def test_every_fault_of_a_node_is_told_at_once(offer: Offer) -> None:
    graph = two_branches()
    graph["1"]["inputs"] = {"width": 0, "height": 99999, "color": "blue"}
    verdict = validate(graph, CLASSES, offer)
    assert kinds(verdict, "1") == [
        "value_smaller_than_min",
        "value_bigger_than_max",
        "required_input_missing",
        "invalid_input_type",
    ]


@pytest.mark.parametrize("name", ["../secret.latent", "/etc/hostname", "x.latent [output]", "../../x [temp]"])
def test_files_outside_do_not_exist(offer: Offer, name: str) -> None:
    graph = {"1": node("LoadLatent", latent=name), "2": node("SaveLatent", samples=["1", 0], filename_prefix="x")}
    assert kinds(validate(graph, CLASSES, offer), "1") == ["custom_validation_failed"]


def test_every_node_class_declares_what_its_run_takes() -> None:
    for node_class in CLASSES.values():
        assert node_class.outputs or node_class.is_output
        assert set(node_class.judged) <= set(node_class.inputs)


def test_signatures_follow_literals_links_and_contents_but_not_ids(offer: Offer) -> None:
    (offer.folders.of("input") / "a.latent").write_bytes(b"one")
    graph = {"1": node("LoadLatent", latent="a.latent"), "2": node("SaveLatent", samples=["1", 0], filename_prefix="x")}

    def of(g: Graph) -> dict[str, str]:
        return signatures(g, CLASSES, offer.folders, order_of(g, [list(g)[-1]]))

    plain = of(graph)
    renamed = {"7": graph["1"], "8": node("SaveLatent", samples=["7", 0], filename_prefix="x", unknown=3)}
    assert list(of(renamed).values()) == list(plain.values())
    other = {"1": graph["1"], "2": node("SaveLatent", samples=["1", 0], filename_prefix="y")}
    assert of(other)["1"] == plain["1"]
    assert of(other)["2"] != plain["2"]
    (offer.folders.of("input") / "a.latent").write_bytes(b"two")
    assert set(of(graph).values()).isdisjoint(plain.values())


def test_scheduler_starts_at_one_ends_at_zero_and_stops_at_the_terminal(offer: Offer) -> None:
    job = Job(offer.settings, offer.folders, {}, lambda *_: None, threading.Event())
    ran = LTXVScheduler(job).run(steps=20, max_shift=2.05, base_shift=0.95, stretch=True, terminal=0.1)
    sigmas = ran.outputs[0]
    assert len(sigmas) == 21
    assert (sigmas[0], sigmas[-1]) == (1.0, 0.0)
    assert sigmas[-2] == pytest.approx(0.1)
    assert (sigmas[:-1] > sigmas[1:]).all()


def test_names_come_from_the_list_the_folder_and_the_file(tmp_path: Path) -> None:
    (tmp_path / "models/loras/mine").mkdir(parents=True)
    (tmp_path / "models/loras/mine/a.safetensors").write_bytes(b"")
    names = tmp_path / "names.json"
    names.write_text(json.dumps({"loras": ["b.safetensors"]}))
    settings = parse(["--base-dir", str(tmp_path), "--model-names", str(names)]).settings
    offered = settings.names("loras")
    assert {"mine/a.safetensors", "b.safetensors", "ltx-2-19b-distilled-lora-384.safetensors"} <= set(offered)


def test_the_command_line_of_a_worker_is_taken_and_an_unknown_flag_is_not(tmp_path: Path) -> None:
    config = tmp_path / "paths.yaml"
    config.write_text(f"comfyui:\n  base_path: {tmp_path}/input\n  is_default: true\n  embeddings: conditioning\n")
    flags = ["--listen", "127.0.0.1", "--port", "1", "--base-directory", str(tmp_path), "--disable-metadata"]
    command = parse([*flags, "--preview-method", "none", "--extra-model-paths-config", str(config)])
    assert command.settings.embeddings == tmp_path / "input" / "conditioning"
    assert command.settings.disable_metadata
    with pytest.raises(SystemExit):
        parse([*flags, "--lowvram-please"])


def test_folders_keep_names_inside(tmp_path: Path) -> None:
    folders = Folders(tmp_path, tmp_path / "e")
    folders.create()
    assert folders.annotated("sub/a.png [output]") == tmp_path / "output/sub/a.png"
    assert folders.annotated("a [b].png") == tmp_path / "input/a [b].png"
    with pytest.raises(OutsideError):
        folders.annotated("../x")
    (tmp_path / "output" / "v_00041_.latent").touch()
    (tmp_path / "output" / "v_x_00099_.latent").touch()
    assert folders.next_output("v").path(".latent").name == "v_00042_.latent"
