"""Does any log hold a secret? In whatever dress: as it is, quoted for a URL, escaped for JSON, or in base64."""

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus

SHORTEST = 6  # characters; what is shorter stands anywhere by chance


def leaks(folder: Path, secrets: Mapping[str, str]) -> list[str]:
    """Which file under `folder` holds which secret; `secrets` is name -> value. Never shows a value.

    ValueError for a secret that is too short to be looked for, and for a folder without a file.
    """
    found = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    if not found:
        raise ValueError(f"there is nothing to look into in {folder}")
    dressed = {name: _dresses(name, value) for name, value in secrets.items()}
    return [hit for path in found for hit in _hits(path, folder, dressed)]


def leaked(text: str, secrets: Mapping[str, str]) -> list[str]:
    """The names of the secrets that stand in a text."""
    return [name for name, value in secrets.items() if any(dress in text for dress in _dresses(name, value))]


def _hits(path: Path, folder: Path, dressed: Mapping[str, set[str]]) -> Iterator[str]:
    text = path.read_text(errors="replace")
    for name, dresses in dressed.items():
        if any(dress in text for dress in dresses):
            yield f"{path.relative_to(folder)} holds {name}"


def _dresses(name: str, value: str) -> set[str]:
    if len(value) < SHORTEST:
        raise ValueError(f"{name} is too short to be looked for")
    inside_json = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    in_base64 = b64encode(value.encode()).decode().rstrip("=")
    return {value, quote(value), quote(value, safe=""), quote_plus(value), repr(value)[1:-1], in_base64, *inside_json}
