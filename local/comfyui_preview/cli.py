"""The command line: what the workers pass to a real ComfyUI, and a few settings of the preview's own."""

import argparse
from dataclasses import dataclass
from pathlib import Path

import yaml

from local.comfyui_preview.service.times import ServiceTimes
from local.comfyui_preview.settings import Settings, read_model_names


@dataclass(frozen=True)
class Command:
    host: str
    port: int
    settings: Settings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("comfyui_preview", description="ComfyUI's protocol with a CPU preview behind it")
    same = parser.add_argument_group("as in ComfyUI")
    same.add_argument("--listen", default="127.0.0.1")
    same.add_argument("--port", type=int, default=8188)
    same.add_argument("--base-directory", "--base-dir", type=Path, required=True)
    same.add_argument("--extra-model-paths-config", type=Path)
    same.add_argument("--preview-method", choices=["none", "auto"], default="none")
    same.add_argument("--disable-metadata", action="store_true")
    same.add_argument("--disable-auto-launch", action="store_true")
    own = parser.add_argument_group("of the preview engine")
    own.add_argument("--embeddings-dir", type=Path, help="where text conditioning is saved (models/embeddings)")
    own.add_argument(
        "--model-names", type=Path, help="JSON: folder -> names of model files to offer besides models.toml"
    )
    own.add_argument("--step-seconds", type=float, default=0.0, help="how long each sampler step takes")
    own.add_argument(
        "--service-times",
        type=Path,
        metavar="FILE",
        help="sleep as long as a GPU would compute, by the JSON in FILE, and deliver stock footage kept beside it",
    )
    own.add_argument("--history-lag", type=float, default=0.01, help="seconds from execution_success to the history")
    own.add_argument("--test-nodes", action="store_true", help="offer nodes that raise and sleep on demand")
    return parser


def parse(argv: list[str]) -> Command:
    """Ends the process with usage and status 2 for unknown flags, as argparse does."""
    args = _parser().parse_args(argv)
    base = args.base_directory.resolve()
    embeddings = base / "models" / "embeddings"
    if args.extra_model_paths_config:
        embeddings = _mapped_embeddings(args.extra_model_paths_config) or embeddings
    settings = Settings(
        base=base,
        embeddings=(args.embeddings_dir or embeddings).resolve(),
        disable_metadata=args.disable_metadata,
        test_nodes=args.test_nodes,
        step_seconds=args.step_seconds,
        history_lag=args.history_lag,
        service_times=ServiceTimes.read(args.service_times) if args.service_times else None,
        stock=(args.service_times.resolve().parent if args.service_times else base) / "stock",
        model_names=read_model_names(args.model_names) if args.model_names else {},
    )
    return Command(args.listen, args.port, settings)


def _mapped_embeddings(path: Path) -> Path | None:
    """The default embeddings folder of {name: {base_path, is_default, embeddings}}, or None without one."""
    for section in (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).values():
        if section.get("is_default") and section.get("embeddings"):
            folder: Path = Path(section.get("base_path", "")) / section["embeddings"]
            return folder if folder.is_absolute() else path.parent / folder
    return None
