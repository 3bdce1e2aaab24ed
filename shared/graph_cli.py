"""`python -m workers.<stage> graph ...`: the graph of any request, as API JSON; and the gallery of the main ones.

Options are the fields of the stage's input, so that a new field is a new option. What the stage would get from S3
are placeholders: a graph names files, it does not read them.
"""

import json
import sys
from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from shared.contracts.artifact import Artifact
from shared.contracts.keys import INPUT_ROLES
from shared.contracts.stage import INPUT_OF, Attempt, ControlParams, StageInput
from shared.contracts.vocabulary import ControlType
from shared.stage import Names, StageDefinition

EXAMPLE_ATTEMPT, EXAMPLE_NONCE = "0" * 32, "example"
"""So that the same options print the same graph."""

Examples = Mapping[str, Sequence[str]]
"""File name without `.json` -> options."""


def main(definition: StageDefinition, examples: Examples, argv: Sequence[str] | None = None) -> int:
    """Prints a graph, or writes the gallery; the exit status is 2 for options that no request may have."""
    parser = ArgumentParser(prog=f"python -m workers.{definition.stage}")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_options(commands.add_parser("graph", help="print the graph of a request as API JSON"), definition)
    gallery = commands.add_parser("gallery", help="write the graphs of the main requests to a folder")
    gallery.add_argument("--out", type=Path, default=Path("workers", definition.stage, "workflows", "examples"))
    given = parser.parse_args(argv)
    if given.command == "graph":
        try:
            sys.stdout.write(text_of(definition, given))
        except ValidationError as error:
            parser.error("; ".join(" ".join([*map(str, item["loc"]), item["msg"]]) for item in error.errors()))
        return 0
    given.out.mkdir(parents=True, exist_ok=True)
    for name, text in gallery_of(definition, examples).items():
        (given.out / name).write_text(text, encoding="utf-8")
    return 0


def gallery_of(definition: StageDefinition, examples: Examples) -> dict[str, str]:
    """File name -> text."""
    parser = ArgumentParser()
    _add_options(parser, definition)
    return {f"{name}.json": text_of(definition, parser.parse_args(argv)) for name, argv in examples.items()}


def text_of(definition: StageDefinition, given: Namespace) -> str:
    """The graph of these options; ValidationError where no request may have them."""
    work = _work(definition, vars(given))
    *_, graph = definition.graphs(work, Names(work.attempt_id, nonce=EXAMPLE_NONCE))  # the early look's, if asked for
    return json.dumps(graph.api(), indent=2, ensure_ascii=False) + "\n"


def _add_options(parser: ArgumentParser, definition: StageDefinition) -> None:
    """One for each field that is no artifact; `--image` stands for an image, `--control` for a control video."""
    kind = INPUT_OF[definition.stage]
    elsewhere = {*INPUT_ROLES, *Attempt.model_fields, "contract_version", "control"}
    for name, field in kind.model_fields.items():
        if name not in elsewhere:
            _add_option(parser, f"--{name.replace('_', '-')}", field)
    if "image" in kind.model_fields:
        parser.add_argument("--image", action="store_true", help="with a first image")
    if "control" in kind.model_fields:
        parser.add_argument("--control", choices=list(ControlType), type=ControlType)
        parser.add_argument("--control-strength", type=float, default=ControlParams.model_fields["strength"].default)
        parser.add_argument("--control-preprocessed", action="store_true", help="the video is such a map already")


def _add_option(parser: ArgumentParser, option: str, field: FieldInfo) -> None:
    about = field.annotation
    if about is bool:
        parser.add_argument(option, action=BooleanOptionalAction, default=field.default)
    elif isinstance(about, type) and issubclass(about, StrEnum):
        parser.add_argument(option, choices=list(about), type=about, default=field.default)
    elif get_origin(about) is Literal:
        if len(get_args(about)) > 1:  # else there is nothing to choose
            parser.add_argument(option, choices=get_args(about), default=field.default)
    elif about is str:
        parser.add_argument(option, required=True)
    elif about in (int, int | None):
        parser.add_argument(option, type=int, default=field.default)
    else:
        raise TypeError(f"{option}: no option is known for {about}")


def _work(definition: StageDefinition, given: dict[str, Any]) -> StageInput:
    kind = INPUT_OF[definition.stage]
    fields = {name: given[name] for name in kind.model_fields if name in given and name not in {"image", "control"}}
    control = given.get("control") and {
        "type": given["control"],
        "strength": given["control_strength"],
        "preprocessed": given["control_preprocessed"],
    }
    fields |= {"control": control} if control else {}
    there = {
        "video_latent": True,
        "audio_latent": True,
        "conditioning": given.get("upscale"),
        "detail_conditioning": given.get("detailer"),
        "image": given.get("image"),
        "control_source": control,
    }
    roles = [role for role in INPUT_ROLES if role in kind.model_fields and there[role]]
    return kind.model_validate({**fields, "attempt_id": EXAMPLE_ATTEMPT} | {role: _placeholder(role) for role in roles})


def _placeholder(role: str) -> Artifact:
    return Artifact(key=f"inputs/{role}", sha256="0" * 64, bytes=0, media_type="application/octet-stream")
