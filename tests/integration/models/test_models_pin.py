"""`models pin` against a server that speaks the hub's API."""

import hashlib
import json
import tomllib
from pathlib import Path

import pytest

from models.pin import Found, Hub, write
from models.web import Web
from shared import models
from tests.integration.models import rows
from tests.integration.models.weight_server import Manner, WeightServer

COMMIT = "0123456789" * 4
TABLE = Path(models.__file__).with_name("models.toml")
GEMMA = "google/gemma-3-12b-it-qat-q4_0-unquantized"
SPLITS = "Comfy-Org/ltx-2"
LTX = "Lightricks/LTX-2"


def large(path: str, size: int, digest: str) -> dict[str, object]:
    return {"type": "file", "path": path, "size": 135, "oid": "a" * 40, "lfs": {"oid": digest, "size": size}}


def hub(server: WeightServer, repository: str, *entries: dict[str, object]) -> None:
    api = f"/api/models/{repository}"
    server.put(f"{api}/revision/main", json.dumps({"sha": COMMIT, "gated": False}).encode())
    server.put(f"{api}/tree/{COMMIT}?recursive=true", json.dumps(list(entries)).encode())


def asked(server: WeightServer, tmp_path: Path, *roles: str) -> Found:
    settings = rows.settings(server, tmp_path)
    with Web(settings) as web:
        return Hub(web, settings).ask([models.file(role) for role in roles])


def test_sizes_hashes_and_commits_come_from_the_hub(server: WeightServer, tmp_path: Path) -> None:
    role = "checkpoint/dev/full"
    hub(server, LTX, large(models.file(role).path_in_repository, 43_300_000_123, "b" * 64))
    found = asked(server, tmp_path, role)
    assert found == Found({LTX: COMMIT}, {role: {"bytes": 43_300_000_123, "sha256": "b" * 64}})

    text, against = write(TABLE.read_text(), found)
    after = {row.get("role", row["name"]): row for kind in tomllib.loads(text).values() for row in kind}
    assert against == []
    assert after[role]["bytes"] == 43_300_000_123
    assert after[role]["sha256"] == "b" * 64
    assert "about_bytes" not in after[role]
    assert after[LTX]["revision"] == COMMIT
    before = TABLE.read_text().splitlines()
    new = [line for line in text.splitlines() if line not in before]
    assert len(new) == 3, "nothing else has changed"
    assert write(text, found) == (text, []), "a second time changes nothing"


def test_a_small_file_is_read_and_hashed_at_its_commit(server: WeightServer, tmp_path: Path) -> None:
    role = "text_encoder/folder/config.json"
    hub(server, GEMMA, {"type": "file", "path": "config.json", "size": 2, "oid": "a" * 40})
    server.put(f"/{GEMMA}/resolve/{COMMIT}/config.json", b"{}")
    found = asked(server, tmp_path, role)
    assert found.files == {role: {"bytes": 2, "sha256": hashlib.sha256(b"{}").hexdigest()}}


def test_what_cannot_be_asked_is_told_and_the_rest_goes_on(server: WeightServer, tmp_path: Path) -> None:
    server.put(f"/api/models/{GEMMA}/revision/main", b"", always=Manner(status=401))
    hub(server, LTX, large("other/ltx-2-19b-dev.safetensors", 1, "c" * 64))
    found = asked(server, tmp_path, "text_encoder/folder/1", "checkpoint/dev/full")
    assert found.files == {}
    assert found.trouble[0].startswith(f"{GEMMA} is gated ({server.url}/{GEMMA})")
    assert found.trouble[1].endswith("does not exist: it has other/ltx-2-19b-dev.safetensors")


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"sha": "main"}', b"[1]"])
def test_an_answer_that_is_none_is_told(server: WeightServer, tmp_path: Path, body: bytes) -> None:
    server.put(f"/api/models/{SPLITS}/revision/main", body)
    assert asked(server, tmp_path, "text_encoder/full").trouble == [f"{SPLITS}: the hub gave no commit"]
    hub(server, SPLITS)
    server.put(f"/api/models/{SPLITS}/tree/{COMMIT}?recursive=true", body)
    assert asked(server, tmp_path, "text_encoder/full").trouble == [f"{SPLITS}: the hub gave no list of files"]


def test_a_contradiction_is_told_and_replaced_only_on_demand() -> None:
    found = Found(files={"upscaler/temporal": {"bytes": 261_965_800, "sha256": "d" * 64}})
    text, against = write(TABLE.read_text(), found)
    assert text == TABLE.read_text()
    assert len(against) == 1
    assert against[0].startswith('upscaler/temporal: sha256 is "9a35c2eb')
    again, _ = write(text, found, again=True)
    rows_after = {row["role"]: row for row in tomllib.loads(again)["file"]}
    assert rows_after["upscaler/temporal"]["sha256"] == "d" * 64
    assert again.count("d" * 64) == 1
