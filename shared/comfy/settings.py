"""Where ComfyUI is, from the environment (COMFYUI_...)."""

import shlex
import sys
from pathlib import Path
from typing import Self

from pydantic import Field, HttpUrl, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

OURS = {
    *("--listen", "--port", "--base-directory", "--extra-model-paths-config"),
    *("--preview-method", "--disable-metadata", "--database-url"),
}
"""Flags that `process.py` gives; others of that name would send its questions nowhere."""


class ComfySettings(BaseSettings):
    """Exactly one of `url` (a server that runs already), `dir` (a checkout) and `command` (anything else)."""

    model_config = SettingsConfigDict(env_prefix="COMFYUI_", env_ignore_empty=True, frozen=True)

    url: HttpUrl | None = None
    dir: Path | None = None  # started as `python main.py` inside it
    command: str | None = None  # e.g. "python -m local.comfyui_preview"; takes ComfyUI's flags; must exec, not fork
    python: str = sys.executable  # the interpreter for `dir`
    base_dir: Path = Path("comfyui")  # ComfyUI's --base-directory: models/, input/, output/, temp/, custom_nodes/
    extra_args: str = ""  # more flags, as in a shell
    ready_seconds: float = Field(default=300.0, gt=0)  # from start to the first answer; loads torch and node packs

    @field_validator("extra_args")
    @classmethod
    def _adds_only(cls, value: str) -> str:
        taken = sorted(OURS & {word.partition("=")[0] for word in shlex.split(value)})  # ValueError for a lone quote
        if taken:
            raise ValueError(f"the worker itself gives {', '.join(taken)}; leave that out")
        return value

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        given = [name for name in ("url", "dir", "command") if getattr(self, name) is not None]
        if len(given) != 1:
            said = " and ".join(f"COMFYUI_{name.upper()}" for name in given) or "none"
            raise ValueError(f"set exactly one of COMFYUI_URL, COMFYUI_DIR and COMFYUI_COMMAND; got {said}")
        return self

    @property
    def argv(self) -> list[str]:
        """The command without its flags; empty in attach mode."""
        if self.command is not None:
            return shlex.split(self.command)
        return [] if self.dir is None else [self.python, "main.py"]
