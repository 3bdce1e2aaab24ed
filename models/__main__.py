"""`python -m models list|fetch|pin|split-vae|tiny`: the weights of the three stages."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from models import pin, split
from models.answers import Address
from models.fetch import fetch
from models.listing import table
from models.progress import Bars, Lines
from models.selection import layers, needed
from models.settings import Check, ModelsSettings
from models.web import Web
from shared import logs, models
from shared.contracts.vocabulary import Precision, Quality, Stage, TextEncoder
from shared.errors import MivoError
from shared.models import ModelFile
from shared.worker.settings import Option, WorkerSettings

LAYER_BYTES = 9_500_000_000
"""GHCR takes layers of 10 GB (facts/ltx2.md section 5.5); sizes of the table may be a little off."""
TABLE = Path(models.__file__).with_name("models.toml")


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when it is done; 1 with a message that says what to do; 75 when the same may work later."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == ["tiny"]:  # a test tool of the local cloud, which no image carries; so a process, not an import
        os.execv(sys.executable, [sys.executable, "-m", "local.tiny_models", *given[1:]])  # noqa: S606  no shell
    args = _parser().parse_args(given)
    logs.configure("models", stream=sys.stderr)
    try:
        return int(args.run(args))
    except MivoError as error:
        sys.stderr.write(f"{error.message}\n")
        return 75 if error.retryable else 1  # 75 is EX_TEMPFAIL of sysexits.h
    except OSError as error:  # a path that somebody gave
        sys.stderr.write(f"{error.filename}: {error.strerror}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("models", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    listing = commands.add_parser("list", help="the files that a worker needs, and their sizes")
    fetching = commands.add_parser("fetch", help="bring them: volume, RunPod's cache, the hub, a mirror")
    for command in (listing, fetching):
        _choice(command)
    listing.set_defaults(run=_list)
    fetching.add_argument("--target", type=Path, required=True, help="ComfyUI's models folder")
    fetching.add_argument("--hashes", action="store_true", help="read what is there, too, and compare its sha256")
    fetching.add_argument("--layer", type=int, help="only what goes into this layer of an image, from 1")
    fetching.add_argument("--layer-bytes", type=int, default=LAYER_BYTES, help="the most that a layer may hold")
    fetching.set_defaults(run=_fetch)
    pinning = commands.add_parser("pin", help="fill unknown sizes, hashes and revisions in shared/models.toml")
    pinning.add_argument("--again", action="store_true", help="replace what differs from the hub, too")
    pinning.set_defaults(run=_pin)
    splitting = commands.add_parser("split-vae", help="cut the temporal stage's files out of a checkpoint")
    splitting.add_argument("checkpoint", help="a path, or an http(s) URL that gives ranges")
    splitting.add_argument("--target", type=Path, required=True, help="ComfyUI's models folder")
    splitting.set_defaults(run=_split)
    commands.add_parser("tiny", help="tiny random weights for tests; see --help of python -m local.tiny_models")
    return parser


def _choice(command: argparse.ArgumentParser) -> None:
    """Without a choice, what the environment (WORKER_*) says, of all stages."""
    command.add_argument("--stage", type=Stage, choices=list(Stage), action="append")
    command.add_argument("--quality", type=Quality, choices=list(Quality), action="append")
    command.add_argument("--precision", type=Precision, choices=list(Precision), action="append")
    command.add_argument("--option", choices=[*Option, "none"], action="append", help="default: all")
    command.add_argument("--text-encoder", type=TextEncoder, choices=list(TextEncoder))


def _chosen(args: argparse.Namespace) -> tuple[ModelFile, ...]:
    said = {
        "qualities": args.quality,
        "precisions": args.precision,
        "options": args.option and [option for option in args.option if option != "none"],
        "text_encoder": args.text_encoder,
    }
    settings = WorkerSettings(**{name: value for name, value in said.items() if value is not None})
    return needed(args.stage or Stage, settings)


def _list(args: argparse.Namespace) -> int:
    sys.stdout.write(table(_chosen(args)))
    return 0


def _fetch(args: argparse.Namespace) -> int:
    settings = ModelsSettings()
    if args.hashes:
        settings = settings.model_copy(update={"check": Check.HASHES})
    files = _chosen(args)
    if args.layer is not None:
        packed = layers(files, args.layer_bytes)
        files = packed[args.layer - 1] if 1 <= args.layer <= len(packed) else ()
    fetch(files, args.target, settings, Bars() if sys.stderr.isatty() else Lines())
    sys.stdout.write(f"{len(files)} files below {args.target}\n")
    return 0


def _pin(args: argparse.Namespace) -> int:
    settings = ModelsSettings()
    with Web(settings) as web:
        found = pin.Hub(web, settings).ask(models.all_files().values())
    text, against = pin.write(TABLE.read_text(encoding="utf-8"), found, again=args.again)
    for line in (*found.trouble, *against):
        sys.stderr.write(f"{line}\n")
    TABLE.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{len(found.files)} files looked up; read the difference in {TABLE.name}, then commit\n")
    return 1 if found.trouble or (against and not args.again) else 0


def _split(args: argparse.Namespace) -> int:
    if not args.checkpoint.startswith(("http://", "https://")):
        _cut(split.LocalSource(Path(args.checkpoint)), args.target)
        return 0
    settings = ModelsSettings()
    with Web(settings) as web:
        _cut(split.WebSource(web, Address(args.checkpoint, "the checkpoint")), args.target)
    return 0


def _cut(source: split.Source, target: Path) -> None:
    header = split.read_header(source)
    for role in split.CUTS:
        file = models.file(role)
        path = target / file.folder / file.name
        split.cut(source, header, role, path)
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    sys.exit(main())
