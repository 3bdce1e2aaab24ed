"""Environment variables that nobody reads: mostly misspelled ones, whose default would hold in silence."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

import structlog
from pydantic import AliasChoices
from pydantic_settings import BaseSettings

from models.settings import ModelsSettings
from shared.artifacts import S3Settings
from shared.comfy.settings import ComfySettings
from shared.worker.settings import WorkerSettings

log = structlog.get_logger(__name__)

READ_BY_WORKERS: tuple[type[BaseSettings], ...] = (WorkerSettings, ModelsSettings, ComfySettings, S3Settings)
ALIKE = 0.85
"""Of difflib, 0 to 1: WORKER_QUALITY is like WORKER_QUALITIES, WORKER_ID is like nothing."""


def names(kind: type[BaseSettings]) -> Iterator[str]:
    """Of the variables that a settings class reads."""
    prefix = kind.model_config.get("env_prefix") or ""
    for name, field in kind.model_fields.items():
        alias = field.validation_alias
        if isinstance(alias, AliasChoices):
            yield from (str(choice) for choice in alias.choices)
        else:
            yield f"{prefix}{name}".upper()


def misspelled(given: Iterable[str]) -> list[str]:
    """What to say of every variable of our prefixes that no worker reads and that is nearly one of ours.

    Others are only logged: they may be somebody else's.
    """
    known = sorted({name for kind in READ_BY_WORKERS for name in names(kind)})
    prefixes = tuple(str(kind.model_config.get("env_prefix")) for kind in READ_BY_WORKERS)
    strange = [name for name in sorted(given) if name.upper().startswith(prefixes) and name.upper() not in known]
    meant = {name: get_close_matches(name.upper(), known, n=1, cutoff=ALIKE) for name in strange}
    if others := [name for name, near in meant.items() if not near]:
        log.warning("variables_unread", names=others)
    return [f"no worker reads {name} (did you mean {near[0]}?)" for name, near in meant.items() if near]
