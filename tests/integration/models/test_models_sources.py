"""Where `models fetch` takes a file from, in which order, and what it refuses before a byte has come."""

import os
from pathlib import Path

import pytest

from models.fetch import fetch
from models.settings import Check
from shared.errors import FatalError
from tests.integration.models import rows
from tests.integration.models.weight_server import Manner, WeightServer

BODY = rows.content()
FILE = rows.pinned(BODY)
GEMMA = "google/gemma-3-12b-it-qat-q4_0-unquantized"


def put(path: Path, body: bytes = BODY) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return path


def test_it_comes_from_the_hub_in_segments_over_many_connections(
    server: WeightServer, root: Path, tmp_path: Path
) -> None:
    server.put(rows.on_hub(FILE), BODY)
    fetch([FILE], root, rows.settings(server, tmp_path), rows.progress())
    target = rows.at(root, FILE)
    assert target.read_bytes() == BODY
    assert target.stat().st_mode & 0o777 == 0o644
    assert sorted(server.starts(rows.on_hub(FILE))) == list(range(0, len(BODY), rows.SEGMENT))
    assert rows.litter(root) == []


def test_what_is_there_is_not_asked_for(server: WeightServer, root: Path, tmp_path: Path) -> None:
    put(rows.at(root, FILE))
    fetch([FILE], root, rows.settings(server, tmp_path), rows.progress())
    assert server.asked == []


@pytest.mark.parametrize("broken", [BODY[:-1], b"", b"\0" * len(BODY)], ids=["short", "empty", "zeros"])
def test_what_is_there_but_broken_is_replaced(server: WeightServer, root: Path, tmp_path: Path, broken: bytes) -> None:
    put(rows.at(root, FILE), broken)
    server.put(rows.on_hub(FILE), BODY)
    fetch([FILE], root, rows.settings(server, tmp_path), rows.progress())
    assert rows.at(root, FILE).read_bytes() == BODY


def test_only_hashes_see_a_bit_that_flipped(server: WeightServer, root: Path, tmp_path: Path) -> None:
    target = put(rows.at(root, FILE), BODY[:-1] + bytes([BODY[-1] ^ 1]))
    server.put(rows.on_hub(FILE), BODY)
    fetch([FILE], root, rows.settings(server, tmp_path), rows.progress())
    assert target.read_bytes() != BODY
    fetch([FILE], root, rows.settings(server, tmp_path, check=Check.HASHES), rows.progress())
    assert target.read_bytes() == BODY


def test_the_volume_comes_before_the_cache_and_both_are_linked(
    server: WeightServer, root: Path, tmp_path: Path
) -> None:
    commit = "c" * 40
    folder = tmp_path / "cache" / "models--Lightricks--LTX-2"
    blob = put(folder / "blobs" / "x")
    snapshot = folder / "snapshots" / commit / FILE.name
    snapshot.parent.mkdir(parents=True)
    snapshot.symlink_to(os.path.relpath(blob, snapshot.parent))
    put(folder / "refs" / "main", commit.encode())
    (folder / "snapshots" / ("d" * 40)).mkdir()
    settings = rows.settings(server, tmp_path)

    fetch([FILE], root, settings, rows.progress())
    target = rows.at(root, FILE)
    assert target.readlink() == snapshot
    assert target.read_bytes() == BODY

    volume = put(tmp_path / "volume" / FILE.folder / FILE.name)
    target.unlink()
    fetch([FILE], root, settings, rows.progress())
    assert target.readlink() == volume
    assert server.asked == []


def test_a_broken_file_on_the_volume_is_passed_over(server: WeightServer, root: Path, tmp_path: Path) -> None:
    broken = put(tmp_path / "volume" / FILE.folder / FILE.name, BODY[:1000])
    server.put(rows.on_hub(FILE), BODY)
    fetch([FILE], root, rows.settings(server, tmp_path), rows.progress())
    assert rows.at(root, FILE).read_bytes() == BODY
    assert not rows.at(root, FILE).is_symlink()
    assert broken.read_bytes() == BODY[:1000], "the volume belongs to others too"


@pytest.mark.parametrize("fault", [Manner(status=404), Manner(status=503), Manner(content=rows.content(seed=2))])
def test_the_mirror_stands_in_for_a_hub_that_fails_and_gets_no_token(
    server: WeightServer, root: Path, tmp_path: Path, fault: Manner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_the_token")
    server.put(rows.on_hub(FILE), BODY, always=fault)
    mirrored = f"/m/{FILE.folder}/{FILE.name}"
    server.put(mirrored, BODY)
    fetch([FILE], root, rows.settings(server, tmp_path, mirror=f"{server.url}/m"), rows.progress())
    assert rows.at(root, FILE).read_bytes() == BODY
    tokens = {row.path: row.authorization for row in server.asked}
    assert tokens == {rows.on_hub(FILE): "Bearer hf_the_token", mirrored: None}


def test_every_file_that_cannot_be_had_is_named_before_one_byte_has_come(
    server: WeightServer, root: Path, tmp_path: Path
) -> None:
    gated, absent = rows.row("g.safetensors", GEMMA), rows.row("n.safetensors")
    server.put(rows.on_hub(FILE), BODY)
    server.put(rows.on_hub(gated), BODY, always=Manner(status=401, headers=(("X-Error-Code", "GatedRepo"),)))
    with pytest.raises(FatalError, match="model_missing") as told:
        fetch([FILE, gated, absent], root, rows.settings(server, tmp_path), rows.progress())
    assert f"{GEMMA}/g.safetensors is gated ({server.url}/{GEMMA})" in told.value.message
    assert "accept its terms there, and set HF_TOKEN or HF_TOKEN_FILE" in told.value.message
    assert "Lightricks/LTX-2/n.safetensors does not exist there" in told.value.message
    assert server.starts(rows.on_hub(FILE)) == []


@pytest.mark.parametrize(("status", "said"), [(401, "the token is not valid"), (403, "has not accepted its terms")])
def test_a_token_that_is_not_enough_is_told_apart_and_never_shown(
    server: WeightServer, tmp_path: Path, status: int, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    gated = rows.row("g.safetensors", GEMMA)
    secret = tmp_path / "secret"
    secret.write_text("hf_very_secret\n")
    server.put(rows.on_hub(gated), BODY, always=Manner(status=status))
    with pytest.raises(FatalError, match=said) as told:
        fetch([gated], tmp_path / "models", rows.settings(server, tmp_path, HF_TOKEN_FILE=secret), rows.progress())
    assert {row.authorization for row in server.asked} == {"Bearer hf_very_secret"}
    assert "hf_very_secret" not in f"{told.value} {told.value.detail} {capfd.readouterr()}"


def test_the_token_does_not_follow_a_redirect_to_another_host_and_the_signed_url_is_not_shown(
    server: WeightServer, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_the_token")
    elsewhere = f"http://localhost:{server.port}/blob?Signature=abc"
    linked = (("Location", elsewhere), ("X-Linked-Etag", f'"{FILE.sha256}"'))
    server.put(rows.on_hub(FILE), BODY, always=Manner(status=302, headers=linked))
    server.put("/blob?Signature=abc", BODY)
    fetch([rows.row()], root, rows.settings(server, tmp_path), rows.progress())
    assert rows.at(root, FILE).read_bytes() == BODY
    assert {row.authorization for row in server.asked if row.path.startswith("/blob")} == {None}
    server.put("/blob?Signature=abc", BODY, always=Manner(status=403))
    rows.at(root, FILE).unlink()
    with pytest.raises(FatalError) as told:
        fetch([FILE], root, rows.settings(server, tmp_path), rows.progress())
    assert "Signature" not in str(told.value)


def test_the_hub_s_own_hash_is_believed_where_the_table_has_none(
    server: WeightServer, root: Path, tmp_path: Path
) -> None:
    claim = (("X-Linked-Etag", f'"{"0" * 64}"'),)
    server.put(rows.on_hub(FILE), BODY, always=Manner(headers=claim))
    with pytest.raises(FatalError, match=f"instead of {'0' * 64}, 3 times"):
        fetch([rows.row()], root, rows.settings(server, tmp_path), rows.progress())
    assert not rows.at(root, FILE).exists()
    assert rows.litter(root) == []


@pytest.mark.parametrize(
    "manner",
    [Manner(content=rows.content(size=5)), Manner(headers=(("X-Linked-Etag", f'"{"1" * 64}"'),))],
    ids=["size", "hash"],
)
def test_a_file_that_was_replaced_on_the_hub_is_refused_unread(
    server: WeightServer, root: Path, tmp_path: Path, manner: Manner
) -> None:
    server.put(rows.on_hub(FILE), BODY, always=manner)
    with pytest.raises(FatalError, match="it was replaced: look at it, then run `python -m models pin --again`"):
        fetch([FILE], root, rows.settings(server, tmp_path), rows.progress())
    assert server.starts(rows.on_hub(FILE)) == []


def test_a_disk_that_is_too_small_is_seen_first(server: WeightServer, root: Path, tmp_path: Path) -> None:
    server.put(rows.on_hub(FILE), BODY)
    with pytest.raises(FatalError, match=r"GB are to come, and .* are free at") as told:
        fetch([FILE], root, rows.settings(server, tmp_path, spare_bytes=10**18), rows.progress())
    assert told.value.detail["reason"] == "disk"
    assert server.starts(rows.on_hub(FILE)) == []
