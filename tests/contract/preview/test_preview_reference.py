"""The engine beside the reference: graphs that a real ComfyUI executed, and the catalogue of its nodes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.contract.preview.preview_client import Engine, disc, film
from tests.contract.preview.preview_graphs import CONTROL_MODELS
from workers.comfy_nodes.mivo import NODE_CLASS_MAPPINGS

_REFERENCE = Path(__file__).parents[4] / "shared" / "comfyui"
_HERE = pytest.mark.skipif(not _REFERENCE.is_dir(), reason="the reference (../shared/comfyui) is not here")

# Lotus: a Stable Diffusion network with nodes that no graph of this project uses. A real server was never seen to
# execute it either (its model files were placeholders).
_LEFT_OUT = {"h9_iclora_depth_lotus_core"}


def _reference_graphs() -> list[Path]:
    """In the order in which one may read what another wrote: d2 decodes what e2 made."""
    graphs = [path for path in (_REFERENCE / "graphs").glob("*.json") if path.stem not in _LEFT_OUT]
    assert len(graphs) > 50
    return sorted(graphs, key=lambda path: (path.stem.startswith("d2"), path.stem))


@_HERE
def test_every_reference_graph_executes(start: Callable[..., Engine], tmp_path: Path) -> None:
    names = tmp_path / "names.json"
    names.write_text(json.dumps(_EXTRA_MODELS))
    engine = start("--model-names", str(names))
    Image.new("RGB", (128, 64), (90, 120, 30)).save(engine.base / "input" / "first_frame.png")
    film(engine.base / "input" / "rig_guide.mp4", disc(17, 128, 64))
    film(engine.base / "input" / "rig_guide65.mp4", disc(65, 128, 64))
    for path in _reference_graphs():
        entry = engine.run(json.loads(path.read_text()))
        assert entry["status"]["completed"], (path.stem, entry["status"]["messages"][-1])
        _pass_on(engine, path.stem)


# Names of files in the recorded session that shared/models.toml does not know.
_EXTRA_MODELS: dict[str, list[str]] = {
    **CONTROL_MODELS,
    "diffusion_models": ["ltx-2-19b-distilled-transformer-only.safetensors"],
    "vae": [
        f"ltx-2-{n}.safetensors" for n in ("video-vae", "video-vae-nometa", "video-vae-prefixed", "audio-vae-only")
    ],
    "checkpoints": [
        *CONTROL_MODELS["checkpoints"],
        "ltx-2-audio-vae-only.safetensors",
        "ltx-2-text-projection-only.safetensors",
    ],
    "loras": [*CONTROL_MODELS["loras"], "alien-keys.safetensors", "wrong-shape.safetensors"],
    "text_encoders": ["gemma-3-12b-it-qat-q4_0-unquantized/model-00001-of-00005.safetensors"],
}


def _pass_on(engine: Engine, done: str) -> None:
    """Puts a graph's files where the next graphs look for them, as in the recorded session."""
    if done != "b_t2v_fast_base_split":
        return
    inputs, output, embeddings = engine.base / "input", engine.base / "output", engine.base / "models" / "embeddings"
    for folder in (inputs, embeddings):
        (folder / "jobs" / "abc").mkdir(parents=True)
    for part in ("video", "audio"):
        content = (output / f"stage1/{done}_{part}_00001_.latent").read_bytes()
        (inputs / f"job_{part}.latent").write_bytes(content)
        (inputs / f"jobs/abc/job_{part}.latent").write_bytes(content)
    content = (embeddings / f"{done}_pos.safetensors").read_bytes()
    for name in ("jobs/abc/pos.safetensors", "k_pos.safetensors"):
        (embeddings / name).write_bytes(content)


def test_every_graph_of_the_gallery_is_known(engine: Engine) -> None:
    """All that the engine misses are the files of the example request."""
    graphs = sorted((Path(__file__).parents[3] / "workers").glob("*/workflows/examples/*.json"))
    assert graphs
    for path in graphs:
        answer = engine.post(json.loads(path.read_text(encoding="utf-8"))).json()
        assert answer.get("error", {}).get("type") in {None, "prompt_outputs_failed_validation"}, (path.name, answer)
        told = {error["type"] for entry in answer["node_errors"].values() for error in entry["errors"]}
        assert told <= {"custom_validation_failed"}, (path.name, answer["node_errors"])


# What only a front end uses, our own node (test_preview_own_node.py), and what the preview offers less of on purpose.
_NOT_IN_THE_CATALOGUE = {"ImageCrop", *NODE_CLASS_MAPPINGS}
_FEWER_OPTIONS = {("DA3Render", "output"), ("VAELoader", "vae_name")}


@_HERE
def test_every_node_is_declared_as_in_the_catalogue(engine: Engine) -> None:
    catalogue = json.loads((_REFERENCE / "node_catalog.json").read_text(encoding="utf-8"))
    told = engine.http.get("/object_info").json()
    for name, mine in told.items():
        if name in _NOT_IN_THE_CATALOGUE or name.startswith("Test"):
            continue
        theirs = catalogue[name]
        assert mine["output"] == [output["type"] for output in theirs["outputs"]], name
        assert mine["output_node"] == theirs["output_node"], name
        for group in ("required", "optional"):
            wanted = theirs["inputs"].get(group, {})
            assert mine["input"].get(group, {}).keys() == wanted.keys(), (name, group)
            for key, entry in wanted.items():
                assert differences(mine["input"][group][key], entry) == {} or (name, key) in _FEWER_OPTIONS, (name, key)


def differences(mine: list[Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """What of type, options and bounds is not the same: {what: (mine, theirs)}."""
    kind, details = mine
    found: dict[str, tuple[Any, Any]] = {}
    options = kind if isinstance(kind, list) else None
    if (kind if options is None else "COMBO") != theirs["type"]:
        found["type"] = (kind, theirs["type"])
    if theirs.get("enum_kind") == "fixed" and set(options or ()) != set(theirs["options"]):
        found["options"] = (options, theirs["options"])
    for bound in ("min", "max"):
        if bound in theirs and details.get(bound) != theirs[bound]:
            found[bound] = (details.get(bound), theirs[bound])
    if "dynamic_keys" in theirs:
        keys = {key: set(entry.get("required", ())) for one in theirs["dynamic_keys"] for key, entry in one.items()}
        offered = {one["key"]: set(one["inputs"]["required"]) for one in details["options"]}
        if keys != offered:
            found["dynamic_keys"] = (offered, keys)
    return found
