"""`python -m local.tiny_models --target DIR`: tiny random weights for a test ComfyUI, below DIR."""

import argparse
import sys
from pathlib import Path

from local.tiny_models import cannot_be_made, write
from local.tiny_models.write import SEED


def main() -> None:
    parser = argparse.ArgumentParser("tiny_models", description=__doc__)
    parser.add_argument("--target", type=Path, required=True, help="ComfyUI's models folder")
    parser.add_argument("--seed", type=int, default=SEED)
    args = parser.parse_args()
    paths = write(args.target, seed=args.seed)
    size = sum(path.stat().st_size for path in paths)
    sys.stdout.write(f"{len(paths)} files, {size / 1e6:.0f} MB, below {args.target}\n")
    for file in cannot_be_made():
        sys.stdout.write(f"cannot be made: {file.folder}/{file.name} ({file.role})\n")


if __name__ == "__main__":
    main()
