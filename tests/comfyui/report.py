"""docs/comfyui.md, written after a run on a real ComfyUI."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date as Date  # noqa: N812  a type among values named date
from typing import Any

from local import tiny_models

HEAD = """# What a real ComfyUI executed

Written by `tests/comfyui` on {date}; do not edit. It says which of this project's graphs a real ComfyUI has run, \
stage by stage, through the real worker code, a real S3 between the stages, and ComfyUI's own HTTP and WebSocket.

Again: `COMFYUI_DIR=<checkout> COMFYUI_PYTHON=<its python> COMFYUI_REPORT=docs/comfyui.md \
python -m pytest tests/comfyui`. The checkout needs the ComfyUI-LTXVideo pack in its `custom_nodes`; weights are \
made on the spot (`local/tiny_models`). `make test` runs the same cases on the preview \
engine, in which every option stands.

## What this proves, and what it does not
Weights were tiny and random, in the real layouts, on a CPU. So: classes, inputs, enums, file formats, names, \
shapes, protocol and arithmetic are proved. Not proved, and owed to a first run on a GPU with the released weights \
(`make gpu-check`): what a video looks and sounds like, VRAM, speed, fp8 arithmetic (a CPU \
computes in float32), the released files themselves, and the real Depth-Anything-3. Files of which there is no \
small form, so that no case could use them: {missing}.

## Where
{where}

## Cases
{summary}

| case | result | seconds | measured |
|---|---|---|---|
{rows}
"""


@dataclass(frozen=True)
class Case:
    name: str
    outcome: str
    seconds: float
    measured: Mapping[str, object]


@dataclass
class Report:
    """Of one session, on the real server."""

    cases: list[Case] = field(default_factory=list)
    stats: Mapping[str, Any] = field(default_factory=dict)
    """Its answer to /system_stats."""

    def text(self, *, date: Date, revisions: str) -> str:
        """Markdown; `revisions` is what the caller knows of the checkouts and the server does not say."""
        system = self.stats.get("system", {})
        device = (self.stats.get("devices") or [{}])[0]
        facts = {
            "ComfyUI": f"{system.get('comfyui_version')} {f'({revisions})' if revisions else ''}",
            "PyTorch": system.get("pytorch_version"),
            "Python": str(system.get("python_version")).split(" ")[0],
            "device": f"{device.get('name')}, {platform.machine()}",
        }
        bad = [case for case in self.cases if case.outcome == "failed"]
        total = sum(case.seconds for case in self.cases)
        missing = ", ".join(f"`{file.name}` ({file.role})" for file in tiny_models.cannot_be_made())
        return HEAD.format(
            missing=missing or "none",
            date=date.isoformat(),
            where="\n".join(f"- {name}: {str(value).strip()}" for name, value in facts.items()),
            summary=f"{len(self.cases)} cases, {len(bad)} failed, {total:.0f} s.",
            rows="\n".join(_row(case) for case in self.cases),
        )


def _row(case: Case) -> str:
    measured = "; ".join(f"{name} {value}" for name, value in case.measured.items())
    return f"| {case.name.replace('|', '/')} | {case.outcome} | {case.seconds:.1f} | {measured} |"
