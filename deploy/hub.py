"""`python -m deploy.hub`: what RunPod's Hub wants to know of a worker, from endpoints.toml.

Without arguments it writes `deploy/hub/<stage>/.runpod/hub.json` and `tests.json`; with a stage and a folder, a whole
repository for a listing. Source of every field: docs.runpod.io, page hub/publishing-guide. docs/endpoints.md says why
a listing is a repository of its own.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deploy import desired as files
from deploy.desired import Desired, Endpoint
from shared.contracts.vocabulary import Quality, Resolution, Stage
from shared.errors import MivoError

ROOT = Path(__file__).parents[1]
FOLDER = Path(__file__).with_name("hub")
CUDA_VERSIONS = ("13.0", "12.9", "12.8")
"""The newest that listings of RunPod's own name; the Hub knows a set, no floor."""
TEST_MS = 600_000
"""The smallest work, on a worker that has its weights already."""
TEST_GPUS = (
    (24, "NVIDIA GeForce RTX 4090"),
    (48, "NVIDIA L40S"),
    (80, "NVIDIA H100 80GB HBM3"),
    (141, "NVIDIA H200"),
)
"""Memory in GB and id, of page references/gpu-types."""
NO_MANIFEST = "manifests/{}/" + "0" * 64 + ".json"
"""Stands for one that an earlier stage left in the publisher's bucket."""

TITLES = {
    Stage.BASE_GEN: (
        "LTX-2 base generation",
        "Prompt, and an image if you like, to LTX-2 latents or a video with sound",
    ),
    Stage.SPATIAL_UPSCALE: ("LTX-2 spatial upscaling", "Doubles and refines LTX-2 latents; the detailer"),
    Stage.TEMPORAL_UPSCALE: ("LTX-2 temporal upscaling", "LTX-2 latents from 24 to 48 frames a second, decoded"),
}
INPUTS = {
    "S3_ENDPOINT_URL": ("S3 endpoint", "Of any S3: AWS, Cloudflare R2, MinIO"),
    "S3_BUCKET": ("S3 bucket", "Where latents, manifests and videos go"),
    "S3_REGION": ("S3 region", "auto for R2"),
    "S3_ACCESS_KEY_ID": ("S3 access key", "As a reference to a RunPod secret"),
    "S3_SECRET_ACCESS_KEY": ("S3 secret key", "As a reference to a RunPod secret"),
}
"""Variables that whoever deploys has to fill in: name and description of the field."""


def listing(desired: Desired, row: Endpoint) -> dict[str, Any]:
    """hub.json."""
    title, description = TITLES[row.stage]
    worker = desired.worker(row)
    qualities = ",".join(worker.qualities)
    env = _statics(desired, row)
    env += [_asked(name) for name in INPUTS if name in {*desired.env, *row.env, *row.secrets}]
    env.append(
        {
            "key": "WORKER_QUALITIES",
            "input": {
                "name": "Qualities",
                "type": "string",
                "description": "Whose weights the worker fetches",
                "options": [{"label": word, "value": word} for word in (qualities, *worker.qualities)],
                "default": qualities,
                "advanced": True,
            },
        }
    )
    return {
        "title": title,
        "description": description,
        "type": "serverless",
        "category": "video",
        "config": {
            "runsOn": "GPU",
            "containerDiskInGb": row.container_disk_gb,
            "gpuCount": row.gpu_count,
            "gpuIds": ",".join([*row.gpu_pools, *(f"-{name}" for name in row.excluded_gpus)]),
            "allowedCudaVersions": [*CUDA_VERSIONS],
            "presets": [{"name": "Fast only", "defaults": {"WORKER_QUALITIES": Quality.FAST.value}}],
            "env": env,
        },
    }


def tests(desired: Desired, row: Endpoint) -> dict[str, Any]:
    """tests.json: one job of the smallest size. It has no secrets, so the publisher's repository adds S3."""
    upstream = {"manifest": NO_MANIFEST.format(Stage.BASE_GEN)}
    draft: dict[str, Any] = {"prompt": "A lighthouse in a storm", "resolution": Resolution.DRAFT.value, "duration": 1}
    return {
        "tests": [
            {
                "name": f"{row.stage}_smallest",
                "input": draft if row.stage is Stage.BASE_GEN else upstream,
                "timeout": TEST_MS,
            }
        ],
        "config": {
            "gpuTypeId": next(gpu for memory, gpu in TEST_GPUS if memory >= row.vram_gb),
            "gpuCount": row.gpu_count,
            "env": [
                _static("WORKER_QUALITIES", Quality.FAST.value),
                *_statics(desired, row),
            ],
            "allowedCudaVersions": [*CUDA_VERSIONS],
        },
    }


def repository(desired: Desired, row: Endpoint) -> dict[str, str]:
    """Path -> text of all that the Hub asks of a repository."""
    title, description = TITLES[row.stage]
    return {
        ".runpod/hub.json": _text(listing(desired, row)),
        ".runpod/tests.json": _text(tests(desired, row)),
        "Dockerfile": f"# The Hub builds this from a release; it takes no private base.\nFROM {desired.image(row)}\n",
        "README.md": f"# {title}\n\n{description}. A worker needs S3 (`S3_*`); LTX-2's and Gemma's licences hold.\n",
        "handler.py": (ROOT / "workers" / row.stage / "handler.py").read_text(encoding="utf-8"),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when the files are written."""
    parser = argparse.ArgumentParser("deploy.hub", description=__doc__)
    parser.add_argument("stage", nargs="?", type=Stage, choices=[*Stage])
    parser.add_argument("folder", nargs="?", type=Path, help="of the repository that makes the listing")
    args = parser.parse_args(arguments)
    if (args.stage is None) != (args.folder is None):
        parser.error("a stage and a folder, or neither")
    try:
        desired = files.load()
    except MivoError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    for row in desired.endpoint:
        if row.large or args.stage not in {None, row.stage}:
            continue
        whole = repository(desired, row)
        chosen = whole if args.folder else {path: text for path, text in whole.items() if path.startswith(".runpod/")}
        for path, text in chosen.items():
            target = (args.folder or FOLDER / row.stage) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{target}\n")
    return 0


def _static(name: str, value: str) -> dict[str, Any]:
    return {"key": name, "value": value}


def _statics(desired: Desired, row: Endpoint) -> list[dict[str, Any]]:
    """What is the same wherever it runs."""
    return [_static(name, value) for name, value in {**desired.env, **row.env}.items() if name not in INPUTS]


def _asked(name: str) -> dict[str, Any]:
    label, said = INPUTS[name]
    return {
        "key": name,
        "input": {"name": label, "type": "string", "description": said, "default": "", "advanced": False},
    }


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2) + "\n"


if __name__ == "__main__":
    sys.exit(main())
