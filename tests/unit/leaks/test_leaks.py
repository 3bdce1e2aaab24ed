import json
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.leaks import leaked, leaks

SECRETS = {"a key": 'k3y/with+"signs"', "a prompt": "ein Leuchtturm im Sturm, nächtens"}  # pragma: allowlist secret


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize(
    "dress",
    [str, quote, lambda text: quote(text, safe=""), json.dumps, repr, lambda text: b64encode(text.encode()).decode()],
    ids=["plain", "url", "url, all of it", "json", "python", "base64"],
)
def test_a_secret_is_found_in_every_dress_and_is_not_shown(tmp_path: Path, name: str, dress: object) -> None:
    assert callable(dress)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.log").write_bytes(b"\xff a line\nand " + dress(SECRETS[name]).encode() + b" in it\n")
    (tmp_path / "b.log").write_text("nothing here")
    assert leaks(tmp_path, SECRETS) == [f"deep/a.log holds {name}"]


def test_honest_logs_are_clean(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("a lighthouse; [removed]; k3y")
    assert leaks(tmp_path, SECRETS) == leaked("a lighthouse", SECRETS) == []


def test_it_does_not_pass_for_want_of_anything_to_look_at(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to look into"):
        leaks(tmp_path, SECRETS)
    (tmp_path / "a.log").touch()
    with pytest.raises(ValueError, match="too short"):
        leaks(tmp_path, {"an empty one": ""})
