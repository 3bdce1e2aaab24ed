"""Just enough of a reader of Dockerfiles for the rules that this repository has about them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from tests.contract.graphs.catalogue import WORKERS

ROOT = WORKERS.parent
FOLDER = ROOT / "dockerfiles"


@dataclass
class Stage:
    """One FROM and what follows it."""

    parent: str
    name: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def all(self, word: str) -> list[str]:
        return [rest for step, rest in self.steps if step == word]


def read(path: Path) -> dict[str, Stage]:
    """Name -> stage, in order. Continued lines are joined, comments left out."""
    lines = [line for line in path.read_text().splitlines() if not re.match(r"\s*#", line)]
    stages: dict[str, Stage] = {}
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if not line.strip():
            continue
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            parent, _, name = rest.partition(" AS ")
            stages[name] = current = Stage(parent, name)
        else:
            current.steps.append((word, rest.strip()))
    return stages


FILES = {path.name.removesuffix(".Dockerfile"): read(path) for path in sorted(FOLDER.glob("*.Dockerfile"))}


def lineage(file: str, name: str) -> list[Stage]:
    """A stage and what it stands on, the nearest first; base.Dockerfile's stages are there for all."""
    found: list[Stage] = []
    while stage := FILES[file].get(name) or FILES["base"].get(name):
        found.append(stage)
        file = file if name in FILES[file] else "base"
        name = stage.parent
    return found


def copied(stages: list[Stage]) -> list[str]:
    """Paths of this repository that these stages take; not what comes from other stages."""
    return [
        source
        for stage in stages
        for rest in stage.all("COPY")
        if not rest.startswith("--from=")
        for source in rest.split()[:-1]
    ]


def environment(stages: list[Stage], args: Mapping[str, str]) -> dict[str, str]:
    """What ENV says in these stages (the nearest first), with these build arguments."""
    found: dict[str, str] = {}
    known: dict[str, str] = {}
    for stage in reversed(stages):
        for word, rest in stage.steps:
            pairs = dict(re.findall(r"([A-Z_]+)=(\S+)", rest))
            if word == "ARG":
                known |= pairs | {name: value for name, value in args.items() if name in pairs}
            elif word == "ENV":
                found |= {name: Template(value).safe_substitute(known) for name, value in pairs.items()}
    return found
