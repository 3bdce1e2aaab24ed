"""The temporal stage's small files, cut out of the tiny random checkpoint by ranges."""

import subprocess
import sys
from pathlib import Path

import pytest
from safetensors import deserialize, safe_open

from local.tiny_models.draw import save
from local.tiny_models.write import MAKERS, Content
from models import split
from models.fetch import fetch
from shared import models
from shared.errors import FatalError
from tests.integration.models import rows
from tests.integration.models.weight_server import Manner, WeightServer

WHOLE = models.file("checkpoint/dev/fp8")
ROLES = ("video_vae", "audio_vae")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint, and the two files as the generator of tiny weights writes them itself."""
    folder = tmp_path_factory.mktemp("tiny")
    for role, maker in (("checkpoint/*", WHOLE.role), *((role, role) for role in ROLES)):
        file = models.file(maker)
        content = MAKERS[role](file, 20260)
        assert isinstance(content, Content)
        path = rows.at(folder, file)
        path.parent.mkdir(parents=True, exist_ok=True)
        save(path, *content)
    return folder


def inside(path: Path) -> tuple[dict[str, object], dict[str, str]]:
    with safe_open(path, "np") as file:
        metadata = file.metadata()
    return dict(deserialize(path.read_bytes())), metadata


def test_the_command_cuts_what_the_temporal_graph_loads(tiny: Path, root: Path) -> None:
    source = rows.at(tiny, WHOLE)
    done = subprocess.run(
        [sys.executable, "-m", "models", "split-vae", source, "--target", root],
        capture_output=True,
        text=True,
        check=True,
    )
    for role in ROLES:
        file = models.file(role)
        assert str(rows.at(root, file)) in done.stdout
        assert inside(rows.at(root, file)) == inside(rows.at(tiny, file))
        assert rows.at(root, file).stat().st_size < source.stat().st_size
    assert rows.litter(root) == []


def test_over_http_only_their_own_ranges_are_read(server: WeightServer, tiny: Path, root: Path) -> None:
    body = rows.at(tiny, WHOLE).read_bytes()
    server.put("/whole", body, *[Manner(), Manner(cut=5), Manner(cut=2000)], always=Manner(cut=400_000))
    subprocess.run(
        [sys.executable, "-m", "models", "split-vae", f"{server.url}/whole", "--target", root],
        env={"PATH": "/usr/bin:/bin", "MODELS_WAIT_SECONDS": "0.01"},
        check=True,
    )
    for role in ROLES:
        file = models.file(role)
        assert inside(rows.at(root, file)) == inside(rows.at(tiny, file))
    starts = server.starts("/whole")
    header = split.read_header(split.LocalSource(rows.at(tiny, WHOLE)))
    transformer = [tensor for key, tensor in header.tensors.items() if key.startswith("model.diffusion_model.")]
    for tensor in transformer:
        first, last = (header.data_start + offset for offset in tensor.data_offsets)
        assert not [at for at in starts if first <= at < last], "the transformer was read"


def test_fetch_cuts_them_out_of_the_hub_s_checkpoint_when_nobody_has_them(
    server: WeightServer, tiny: Path, root: Path, tmp_path: Path
) -> None:
    server.put(f"/{WHOLE.repository}/resolve/main/{WHOLE.name}", rows.at(tiny, WHOLE).read_bytes())
    files = [models.file(role) for role in ROLES]
    fetch(files, root, rows.settings(server, tmp_path), rows.progress())
    for file in files:
        assert inside(rows.at(root, file)) == inside(rows.at(tiny, file))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"short", "shorter than 8 bytes|ends at byte"),
        (b"\xff" * 100, "its header would be"),
        (b"\x02" + b"\0" * 7 + b"[]" + b"x" * 50, "no header of a safetensors file"),
        (rows.content(), "holds no video_vae"),
    ],
)
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, root: Path, content: bytes, said: str) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    source = split.LocalSource(path)
    with pytest.raises(FatalError, match=said):
        split.cut(source, split.read_header(source), "video_vae", root / "v.safetensors")
    assert not root.exists() or rows.litter(root) == []


def test_a_checkpoint_that_ends_too_early_leaves_nothing(tiny: Path, root: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    header = split.read_header(split.LocalSource(rows.at(tiny, WHOLE)))
    end = min(tensor.data_offsets[1] for key, tensor in header.tensors.items() if key.startswith("vae."))
    path.write_bytes(rows.at(tiny, WHOLE).read_bytes()[: header.data_start + end])
    source = split.LocalSource(path)
    with pytest.raises(FatalError, match="ends at byte"):
        split.cut(source, split.read_header(source), "video_vae", root / "v.safetensors")
    assert list(root.rglob("*")) == []


def test_a_server_without_ranges_would_send_the_whole_checkpoint(
    server: WeightServer, tiny: Path, root: Path, tmp_path: Path
) -> None:
    path = f"/{WHOLE.repository}/resolve/main/{WHOLE.name}"
    server.put(path, rows.at(tiny, WHOLE).read_bytes(), always=Manner(ranges=False))
    with pytest.raises(FatalError, match="gives no ranges; fetch it whole first"):
        fetch([models.file("video_vae")], root, rows.settings(server, tmp_path), rows.progress())
