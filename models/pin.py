"""Fills in what models.toml does not know, from the hub's own metadata. It never replaces what is there unasked."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from models import hub
from models.answers import Address
from models.settings import ModelsSettings
from models.web import Web
from shared import models
from shared.errors import FatalError, MivoError
from shared.models import Commit, ModelFile, Repository

SMALL = 50_000_000
"""Bytes. Files outside of the hub's large-file store have no sha256 there: they are read and hashed."""


class Large(BaseModel):
    model_config = ConfigDict(extra="ignore")

    oid: str = Field(pattern=r"^[0-9a-f]{64}$")
    """The sha256."""
    size: int


class Entry(BaseModel):
    """One row of `GET /api/models/<repository>/tree/<commit>`."""

    model_config = ConfigDict(extra="ignore")

    path: str
    size: int = 0
    lfs: Large | None = None


class About(BaseModel):
    """Of `GET /api/models/<repository>/revision/<revision>`."""

    model_config = ConfigDict(extra="ignore")

    sha: Commit


ENTRIES = TypeAdapter(list[Entry])


@dataclass
class Found:
    """What the hub knows. Values are those of the hub, whatever models.toml says."""

    revisions: dict[str, str] = field(default_factory=dict)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Role -> bytes, sha256 and path."""
    trouble: list[str] = field(default_factory=list)


class Hub:
    """The questions of `models pin`."""

    def __init__(self, web: Web, settings: ModelsSettings) -> None:
        self._web, self._settings = web, settings

    def ask(self, files: Iterable[ModelFile]) -> Found:
        """One look at each repository. What cannot be asked (a gated one without its token) is told, not raised."""
        found = Found()
        by_repository: dict[str, list[ModelFile]] = {}
        for file in files:
            if file.repository is not None:
                by_repository.setdefault(file.repository, []).append(file)
        for name, rows in by_repository.items():
            repository = models.repositories()[name]
            try:
                commit = self._commit(repository)
                entries = self._tree(repository, commit)
                found.revisions[name] = commit
            except MivoError as error:
                found.trouble.append(error.message)
                continue
            for file in rows:
                try:
                    found.files[file.role] = self._facts(hub.on_hub(file, self._settings, commit), file, entries)
                except MivoError as error:
                    found.trouble.append(error.message)
        return found

    def _commit(self, repository: Repository) -> str:
        address = hub.api(repository, f"revision/{repository.revision or hub.NEWEST}", self._settings)
        try:
            return About.model_validate_json(self._web.content(address)).sha
        except ValidationError as error:
            raise FatalError("model_missing", f"{address.label}: the hub gave no commit") from error

    def _tree(self, repository: Repository, commit: str) -> dict[str, Entry]:
        address = hub.api(repository, f"tree/{commit}?recursive=true", self._settings)
        try:
            return {entry.path: entry for entry in ENTRIES.validate_json(self._web.content(address))}
        except ValidationError as error:
            raise FatalError("model_missing", f"{address.label}: the hub gave no list of files") from error

    def _facts(self, address: Address, file: ModelFile, entries: dict[str, Entry]) -> dict[str, Any]:
        path = file.path_in_repository
        entry = entries.get(path)
        if entry is None:
            base = path.rpartition("/")[2]
            also = [known for known in entries if known.rpartition("/")[2] == base]
            hint = f"it has {', '.join(also)}" if also else "it has no file of that name"
            raise FatalError("model_missing", f"{address.label} does not exist: {hint}", reason="not_found")
        if entry.lfs is not None:
            return {"bytes": entry.lfs.size, "sha256": entry.lfs.oid}
        if entry.size > SMALL:
            raise FatalError("model_missing", f"{address.label}: the hub tells no sha256")
        content = self._web.content(address)
        return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def write(text: str, found: Found, *, again: bool = False) -> tuple[str, list[str]]:
    """(models.toml with what was found, contradictions). Comments and order stay. Pure.

    A contradiction is a value that is there already and differs; `again` replaces it.
    """
    against: list[str] = []
    blocks = re.split(r"(?m)^(?=\[\[(?:file|repository)\]\])", text)
    return "".join(_filled(block, found, against, again=again) for block in blocks), against


def _filled(block: str, found: Found, against: list[str], *, again: bool) -> str:
    if name := re.search(r'(?m)^name = "([^"]+)"', block) if block.startswith("[[repository]]") else None:
        facts: dict[str, Any] = {"revision": found.revisions.get(name[1])}
    elif role := re.search(r'(?m)^role = "([^"]+)"', block):
        facts = found.files.get(role[1], {})
    else:
        return block
    for key, value in facts.items():
        if value is not None:
            block = _set(block, key, value, against, again=again)
    return block


def _set(block: str, key: str, value: int | str, against: list[str], *, again: bool) -> str:
    line = f"{key} = {value}" if isinstance(value, int) else f'{key} = "{value}" # pragma: allowlist secret'
    there = re.search(rf"(?m)^{key} = (\S+).*$", block)
    if there is None:
        rows = block.splitlines()
        last = max(number for number, row in enumerate(rows) if re.match(r"\w+ = ", row))
        block = "\n".join([*rows[: last + 1], line, *rows[last + 1 :]]) + ("\n" if block.endswith("\n") else "")
        return re.sub(r"(?m)^about_bytes = .*\n", "", block) if key == "bytes" else block
    if there[1].strip('"').replace("_", "") == str(value):
        return block
    title = re.search(r'(?m)^(?:role|name) = "([^"]+)"', block)
    against.append(f"{title[1] if title else '?'}: {key} is {there[1]} here and {value} on the hub")
    return block[: there.start()] + line + block[there.end() :] if again else block
