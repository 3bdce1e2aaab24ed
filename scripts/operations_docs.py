"""Writes the tables of docs/operations.md that follow from code: costs, workers, error codes. `--check` fails when one
is not what the code says.
"""

import sys
from pathlib import Path

from orchestrator.transitions import RETRIES
from scripts.costs import Assumptions, cost_table, workers_table
from scripts.places import kept, placed
from shared.errors import FAMILIES

PAGE = Path("docs/operations.md")

MEANING: dict[str, tuple[str, str]] = {
    "invalid_input": (
        "the request, or the raw input of a stage, is not legal",
        "nothing: the sender is told the field",
    ),
    "input_unreachable": ("a user's URL does not answer, or leads inside", "nothing; many at once: our egress or DNS"),
    "input_too_large": ("a user's file is over a cap", "nothing"),
    "input_not_media": ("a user's file is no image or video that we take", "nothing"),
    "idempotency_conflict": ("one `Idempotency-Key` with two bodies", "nothing: a fault of the caller's"),
    "storage_unavailable": ("S3 did not answer, or refused our keys", "see StorageFailing; `detail` says which"),
    "comfy_unreachable": ("ComfyUI runs and does not answer", "the worker's log; again and again: WorkersUnstable"),
    "comfy_crashed": ("ComfyUI died under the job", "memory first: the log says whether the kernel killed it"),
    "connection_lost": ("the socket to ComfyUI broke, or a receiver's", "nothing; many: WorkersUnstable"),
    "worker_lost": ("RunPod gave the job up, or a worker was stopped", "nothing; many: WorkersUnstable"),
    "execution_timeout": ("a run took longer than its deadline", "slower GPUs than planned, or a job that hangs"),
    "runpod_unavailable": (
        "RunPod could not be reached, refused us, or no worker came in an hour",
        "see RunPodFailing, RunPodRefuses, StageStarved",
    ),
    "out_of_memory": ("the GPU's or the host's memory was too small", "see OutOfRoom"),
    "disk_full": ("the worker's disk is full", "a larger container disk; see OutOfRoom"),
    "artifact_missing": ("an input in S3 is gone", "see ArtifactsLost"),
    "artifact_corrupt": ("an input in S3 is not what its sha256 says", "see ArtifactsLost"),
    "graph_rejected": ("ComfyUI refuses the graph", "the image's ComfyUI or node pack does not fit: roll back"),
    "model_missing": ("the worker has no weights for that", "`detail` names them; set `WORKER_*` or fetch them"),
    "contract_mismatch": ("worker and orchestrator are of different releases", "see WrongSetup"),
    "bad_output": (
        "the video has the wrong size, is black, frozen or silent",
        "`detail` has the figures; see WrongSetup",
    ),
    "internal": ("a fault of ours", "the log of that run has the trace; report it"),
}
"""Code -> what it means, and what an operator does."""


def codes_table() -> str:
    """A code without a meaning or a rule is a KeyError, and so is a meaning without its code."""
    known = {code for family in FAMILIES for code in family.codes}
    if known != MEANING.keys():
        raise KeyError(f"codes and their meanings differ: {sorted(known ^ MEANING.keys())}")
    rows = [
        f"| `{code}` | {MEANING[code][0]} | {_again(code)} | {MEANING[code][1]} |"
        for family in FAMILIES
        for code in family.codes
    ]
    return "\n".join(["| code | means | tried again | you do |", "|---|---|---|---|", *rows])


def _again(code: str) -> str:
    retries = RETRIES[code].retries
    return {0: "never", 1: "once", 2: "twice"}[retries]


def written(page: str) -> str:
    """The page with its tables anew."""
    given = Assumptions()
    for name, table in (("costs", cost_table(given)), ("workers", workers_table(given)), ("codes", codes_table())):
        page = placed(page, name, table)
    return page


def main(arguments: list[str]) -> int:
    return kept({PAGE: written(PAGE.read_text())}, check="--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
