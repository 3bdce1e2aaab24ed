"""The node of our own pack and its twin in the preview engine take the same."""

import json
from pathlib import Path

from local.comfyui_preview.engine.inputs import Offer
from local.comfyui_preview.folders import Folders
from local.comfyui_preview.nodes import node_classes
from local.comfyui_preview.settings import Settings
from tests.contract.graphs import catalogue
from workers.comfy_nodes.mivo import NODE_CLASS_MAPPINGS


def test_both_declare_the_same(tmp_path: Path) -> None:
    offer = Offer(Settings(tmp_path, tmp_path), Folders(tmp_path, tmp_path))
    for name, real in NODE_CLASS_MAPPINGS.items():
        twin = node_classes(with_test_nodes=False)[name]
        (group,) = real.INPUT_TYPES().values()
        assert twin.is_output is real.OUTPUT_NODE is True
        assert not twin.outputs
        assert not real.RETURN_TYPES
        bounded = {key: [*given] for key, given in group.items() if given[0] == "INT"}
        assert bounded == {key: one.config(offer) for key, one in twin.inputs.items() if one.kind == "INT"}
        assert {key: given[0] for key, given in group.items()} == {
            key: one.config(offer)[0] for key, one in twin.inputs.items()
        }


def test_graphs_are_judged_by_what_the_real_one_takes() -> None:
    """Else: `python -m tests.contract.graphs.catalogue`."""
    recorded = json.loads(catalogue.HERE.read_text())
    assert {name: recorded[name] for name in NODE_CLASS_MAPPINGS} == catalogue.own_nodes()
