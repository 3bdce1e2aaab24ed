"""What every image has to be: pinned, small, without secrets, and holding exactly what its process imports."""

import json
import re
from fnmatch import fnmatch
from functools import cache

import grimp
import pytest

from models.__main__ import LAYER_BYTES
from models.selection import layers, needed
from shared.contracts.vocabulary import Precision, Quality
from shared.contracts.vocabulary import Stage as Work
from shared.worker.settings import Option, WorkerSettings
from tests.contract.images.dockerfile import FILES, FOLDER, ROOT, copied, lineage

FINAL: dict[str, str] = {"orchestrator": "orchestrator", **{stage.value: "baked" for stage in Work}}
"""File -> the stage that stands on all others of it."""
PACKAGES = ("shared", "models", "workers", "orchestrator", "local")
ENTRIES: dict[str, set[str]] = {
    "orchestrator": {"orchestrator.__main__"},
    **{stage.value: {"models.start", "models.__main__", "models.health", f"workers.{stage}.handler"} for stage in Work},
}
RUNTIME_BYTES, RUNPOD_BYTES = 12_000_000_000, 80_000_000_000
"""CUDA, torch and ComfyUI; the most that RunPod builds by itself (facts/ltx2.md sections 5.4, 5.5)."""
SECRET = re.compile(r"TOKEN|SECRET|PASSWORD|API_?KEY|ACCESS_KEY", re.IGNORECASE)
FREE_OF_DIGEST: set[str] = set()
"""Images that nobody could pin. None."""


@cache
def imports() -> grimp.ImportGraph:
    return grimp.build_graph(*PACKAGES)


def test_there_is_one_file_a_worker_one_for_the_orchestrator_and_their_base() -> None:
    assert FILES.keys() == {"base", "orchestrator", *Work}


@pytest.mark.parametrize("file", FILES)
def test_every_image_is_pinned_by_digest(file: str) -> None:
    for name, stage in FILES[file].items():
        if stage.parent in FILES[file] or stage.parent in FILES["base"]:
            continue
        assert re.search(r"@sha256:[0-9a-f]{64}$", stage.parent) or stage.parent in FREE_OF_DIGEST, name


def test_code_is_pinned_by_commit_and_wheels_by_hash() -> None:
    code = dict(rest.split("=", 1) for rest in FILES["base"]["comfyui-code"].all("ARG"))
    commits = [value for name, value in code.items() if name.endswith("_COMMIT")]
    assert len(commits) == 2
    assert all(re.fullmatch(r"[0-9a-f]{40}", commit) for commit in commits)
    for stages in FILES.values():
        for stage in stages.values():
            for run in stage.all("RUN"):
                assert not re.search(r"pip (install|sync)(?!.*--require-hashes)", run), run
                assert not re.search(r"\b(curl|wget|git clone)\b", run), run


def test_the_lock_of_comfyui_holds_what_the_facts_demand() -> None:
    lock = (FOLDER / "comfyui.lock").read_text()
    pins = dict(re.findall(r"(?m)^([a-z0-9._-]+)==([^ \\]+)", lock))
    assert pins["kornia"] == "0.8.2", "0.9 breaks ComfyUI-LTXVideo at import"
    assert pins["torch"] == pins["torchaudio"], "the audio nodes need both, and of one release"
    assert len(re.findall(r"(?m)^[a-z0-9._-]+==", lock)) <= lock.count("--hash=sha256:")
    assert "://" not in lock, "no registry's host"


@pytest.mark.parametrize("file", FINAL)
def test_every_copy_has_its_source_and_the_builder_gets_it(file: str) -> None:
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    for source in copied(lineage(file, FINAL[file])):
        assert (ROOT / source).exists(), source
        let_in = [rule[1:] for rule in rules if rule.startswith("!")]
        assert any(source == rule or source.startswith(f"{rule}/") for rule in let_in), source
    for stages in FILES.values():
        for stage in stages.values():
            for origin in re.findall(r"--from=(\S+)", " ".join(stage.all("COPY"))):
                assert origin in stages or origin in FILES["base"], origin


def test_the_builder_never_sees_what_is_not_listed() -> None:
    rules = [rule for rule in (ROOT / ".dockerignore").read_text().splitlines() if rule and not rule.startswith("#")]
    assert rules[0] == "*"
    for secret in (".env", ".local", ".git", "out", "tests", "local"):
        assert not any(fnmatch(secret, rule[1:]) for rule in rules if rule.startswith("!"))


@pytest.mark.parametrize("file", FINAL)
def test_an_image_holds_exactly_what_its_process_imports(file: str) -> None:
    graph = imports()
    wanted = set(ENTRIES[file])
    for entry in ENTRIES[file]:
        wanted |= graph.find_upstream_modules(entry)
    taken = copied(lineage(file, FINAL[file]))
    holds = {
        module
        for module in graph.modules
        if any(f"{module.replace('.', '/')}/".startswith(f"{path.removesuffix('.py')}/") for path in taken)
        or f"{module.replace('.', '/')}/__init__.py" in taken
    }
    parents = {module.rsplit(".", cut)[0] for module in wanted for cut in range(module.count(".") + 1)}
    assert wanted <= holds | parents, f"missing: {sorted(wanted - holds)}"
    folders = {path.split("/")[1] for path in taken if path.startswith("workers/") and not path.endswith(".py")}
    own = {file, "comfy_nodes"}  # node packs are handed to ComfyUI, and never imported
    assert folders == (own if file in set(Work) else set()), "another worker's code"
    assert {path.split("/")[0] for path in taken if path.split("/")[0] in PACKAGES} == {
        module.split(".")[0] for module in wanted
    }


@pytest.mark.parametrize("file", FINAL)
def test_it_runs_as_nobody_special_under_tini_and_says_how_it_is(file: str) -> None:
    stages = lineage(file, FINAL[file])
    assert next(stage.all("USER")[-1] for stage in stages if stage.all("USER")) == "10001:10001"
    assert [rest for stage in stages for rest in stage.all("ENTRYPOINT")] == ['["tini", "--"]']
    assert len([rest for stage in stages for rest in stage.all("HEALTHCHECK")]) == 1
    command = json.loads(next(stage.all("CMD")[-1] for stage in stages if stage.all("CMD")))
    assert command[:2] == ["python", "-m"]
    assert command[2:] == (["models.start", file] if file in set(Work) else ["orchestrator", "serve"])
    labels = " ".join(rest for stage in stages for rest in stage.all("LABEL"))
    for name in ("title", "description", "licenses"):
        assert f"org.opencontainers.image.{name}=" in labels


def test_no_secret_is_in_a_layer() -> None:
    for file, stages in FILES.items():
        for stage in stages.values():
            for word in ("ARG", "ENV", "LABEL"):
                for rest in stage.all(word):
                    assert not SECRET.search(rest), f"{file}: {word} {rest}"
            for run in stage.all("RUN"):
                assert not SECRET.search(re.sub(r"--mount=type=secret\S*", "", run)), f"{file}: {run}"


@pytest.mark.parametrize("work", Work)
def test_weights_fit_into_the_layers_that_there_are(work: Work) -> None:
    """With the limit of a registry, and with layers that take whole checkpoints."""
    runs = [run for run in FILES[work]["baked"].all("RUN") if "models fetch" in run]
    assert [int(found) for run in runs for found in re.findall(r"--layer (\d+)", run)] == [*range(1, len(runs) + 1)]
    assert f"LAYER_BYTES={LAYER_BYTES}" in FILES[work]["baked"].all("ARG")
    for most in (LAYER_BYTES, 30_000_000_000, 45_000_000_000):
        for precision in Precision:
            settings = WorkerSettings(precisions=(precision,), qualities=tuple(Quality), options=tuple(Option))
            packed = layers(needed([work], settings), most)
            assert len(packed) <= len(runs)
            assert all(sum(file.size for file in layer) <= most for layer in packed)
            baked = [file for layer in packed for file in layer]
            if most == LAYER_BYTES:
                assert sum(file.size for file in baked) + RUNTIME_BYTES < RUNPOD_BYTES
            assert {file.role for file in baked} == {
                file.role for file in needed([work], settings) if file.size <= most
            }
