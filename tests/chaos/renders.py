"""What the workers rendered, and when, as their logs say."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

ENDED = re.compile(r"--- (\S+) \S+: ended with")  # a note of the supervisor, maybe after half a line of the worker's


@dataclass(frozen=True)
class Render:
    stage: str
    stage_key: str
    attempt_id: str
    worker: str
    job_began: datetime
    """When the worker took the job; it looked for the manifest after that."""
    began: datetime
    ended: datetime | None = None
    outcome: str = "going"
    """`rendered`, `failed`, `canceled`, `cut` by a kill, or still going."""

    @property
    def seconds(self) -> float:
        return (self.ended - self.began).total_seconds() if self.ended else 0.0


def renders_of(worker: str, lines: Iterable[str]) -> list[Render]:
    """The renders of one worker's log, in order."""
    done: list[Render] = []
    going: Render | None = None
    for line in lines:
        event = _event(line)
        if event.get("event") == "render_begins":
            at = datetime.fromisoformat(event["timestamp"])
            going = Render(
                stage=event["stage"],
                stage_key=event["stage_key"],
                attempt_id=event["attempt_id"],
                worker=worker,
                job_began=at - timedelta(seconds=float(event["after"])),
                began=at,
            )
        elif going is not None and (death := ENDED.search(line)):
            done.append(replace(going, ended=datetime.fromisoformat(death[1]), outcome="cut"))
            going = None
        elif going is not None and event.get("event") == "stage_run":
            done.append(replace(going, ended=datetime.fromisoformat(event["timestamp"]), outcome=str(event["outcome"])))
            going = None
    return [*done, going] if going is not None else done


def all_renders(logs: Path) -> list[Render]:
    """Of every worker's log in a folder of logs."""
    return [
        render
        for log in sorted(logs.glob("*_*-*.log"))
        for render in renders_of(log.stem, log.read_text(errors="replace").splitlines())
    ]


def _event(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:  # other people's text, or a line that a kill cut short
        return {}
    return found if isinstance(found, dict) else {}


def wasted(renders: Iterable[Render]) -> float:
    """GPU-seconds that bought nothing: all but the first success of each key."""
    useful: set[str] = set()
    lost = 0.0
    for render in sorted(renders, key=lambda one: one.ended or one.began):
        if render.outcome == "rendered" and render.stage_key not in useful:
            useful.add(render.stage_key)
        else:
            lost += render.seconds
    return lost
