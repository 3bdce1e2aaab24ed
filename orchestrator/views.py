"""What users see of a generation: in answers and in webhooks. No database, no network."""

from datetime import datetime
from typing import Any

from orchestrator.library import Library
from orchestrator.progression import overall
from orchestrator.store import Delivery, Generation, StageRun
from orchestrator.transitions import GenerationState, RunState
from orchestrator.webhooks import message
from shared.contracts.artifact import Artifact


def summary(generation: Generation) -> dict[str, Any]:
    """One line of a list, and the head of everything else. The prompt is not repeated."""
    plan = generation.plan
    return _without_none(
        {
            "id": generation.id,
            "state": generation.state,
            "credits": generation.credits,
            "credits_refund": generation.credits_refund,
            "seed": plan.seed,
            "delivers": plan.delivers.model_dump(mode="json"),
            "created_at": generation.created_at.isoformat(),
            "finished_at": generation.finished_at.isoformat() if generation.finished_at else None,
            "error": generation.error.model_dump(mode="json", exclude_none=True) if generation.error else None,
            "metadata": generation.request.metadata or None,
            "urls": {
                "self": f"/api/generations/{generation.id}",
                "progress": f"/api/generations/{generation.id}/progress",
            },
        }
    )


def detail(generation: Generation, history: list[StageRun], library: Library) -> dict[str, Any]:
    """Everything about one generation: its plan, every stage run, and the results when it succeeded."""
    shown = summary(generation) | {
        "plan": plan_of(generation),
        "stages": [_run(run) for run in history],
        "fraction": _fraction(generation, history),
        "last_seq": generation.last_seq,
    }
    if generation.early_look is not None:
        shown["early_look"] = early_look(generation.early_look, library)
    if generation.state is GenerationState.SUCCEEDED:
        shown["result"] = result(history, library, generation.id)
    return shown


def delivery(row: Delivery) -> dict[str, Any]:
    """An outgoing webhook. What the receiver answered is shown as far as it helps: a status, or why there is none."""
    return _without_none(
        {
            "id": row.id,
            "generation_id": row.generation_id,
            "state": row.state,
            "tries": row.tries,
            "last_answer": row.last_answer,
            "created_at": row.created_at.isoformat(),
            "finished_at": row.finished_at.isoformat() if row.finished_at else None,
        }
    )


def plan_of(generation: Generation) -> list[dict[str, Any]]:
    return [
        {"stage": step.stage, "estimated_seconds": step.estimated_seconds, "ending": step.params.ending}
        for step in generation.plan.stages
    ]


def result(history: list[StageRun], library: Library, generation_id: str) -> dict[str, Any]:
    """Presigned URLs of the video and its poster."""
    manifest = next((run.manifest for run in reversed(history) if run.state is RunState.SUCCEEDED), None)
    if manifest is None or "video" not in manifest.artifacts:
        return {}
    video, poster = manifest.artifacts["video"], manifest.artifacts.get("poster")
    return _facts(video) | _without_none(
        {
            "video_url": library.url(video.key),
            "download_url": library.url(video.key, name=f"ltx2-{generation_id}.mp4"),
            "poster_url": library.url(poster.key) if poster else None,
        }
    )


def early_look(look: Artifact, library: Library) -> dict[str, Any]:
    """The small clip of the base stage, under a presigned URL."""
    return {"url": library.url(look.key), **_facts(look)}


def _facts(video: Artifact) -> dict[str, Any]:
    return video.model_dump(mode="json", include={"sha256", "bytes", "width", "height", "frames", "fps", "seconds"})


def progress_message(
    generation: Generation, run: StageRun, left: float | None, at: datetime, library: Library
) -> dict[str, Any]:
    """The webhook about a generation that goes on. `left`: seconds until the video, as followers were told.

    `seq` never falls from one message to the next, and is highest in the one about the end: one that comes late, after
    a higher one, says nothing any more.
    """
    where = {
        "seq": generation.last_seq,
        "stage": run.stage,
        "attempt": run.attempt,
        "stage_state": run.state,
        "stage_fraction": round(run.progress, 4),
        "fraction": overall(generation.plan, run.stage, run.progress),
        "remaining_seconds": left,
        "early_look": early_look(generation.early_look, library) if generation.early_look else None,
    }
    return message("generation.progress", at, summary(generation) | _without_none(where))


def final_message(generation: Generation, history: list[StageRun], library: Library) -> dict[str, Any]:
    """The webhook about the end of a generation."""
    data = summary(generation) | _settled(generation) | {"seq": generation.last_seq}
    if generation.state is GenerationState.SUCCEEDED:
        data["result"] = result(history, library, generation.id)
    at = generation.finished_at or generation.created_at
    return message(f"generation.{generation.state}", at, data)


def runpod_message(generation: Generation, history: list[StageRun], library: Library) -> dict[str, Any]:
    """The same news in the body of RunPod's own webhooks, for a backend that reads those already.

    Such a reader knows COMPLETED and FAILED. A canceled generation is FAILED to it: its own CANCELLED might be read by
    nobody, and the credits would not come back.
    """
    error = generation.error
    why = f"{error.code}: {error.message}" if error else f"{generation.state}: stopped by its user"
    succeeded = generation.state is GenerationState.SUCCEEDED
    return _without_none(
        {
            "id": generation.id,
            "status": "COMPLETED" if succeeded else "FAILED",
            "output": result(history, library, generation.id) if succeeded else None,
            "error": None if succeeded else why,
            **_settled(generation),
        }
    )


def _settled(generation: Generation) -> dict[str, int]:
    refund = generation.credits_refund or 0
    return {"credits_refund": refund, "credits_charged": generation.credits - refund}


def _run(run: StageRun) -> dict[str, Any]:
    times = {
        name: getattr(run, name).isoformat() if getattr(run, name) else None
        for name in ("created_at", "submitted_at", "started_at", "finished_at")
    }
    artifacts = run.manifest.artifacts if run.manifest else {}
    return _without_none(
        {
            "stage": run.stage,
            "attempt": run.attempt,
            "state": run.state,
            "fraction": round(run.progress, 4),
            "reused": run.reused if run.manifest else None,
            "repair": run.repair or None,
            "stage_key": run.stage_key,
            **times,
            "artifacts": {
                role: artifact.model_dump(mode="json", exclude_none=True) for role, artifact in artifacts.items()
            },
            "timings": run.manifest.timings if run.manifest else None,
            "error": run.error.model_dump(mode="json", exclude_none=True) if run.error else None,
        }
    )


def _fraction(generation: Generation, history: list[StageRun]) -> float:
    if generation.state is GenerationState.SUCCEEDED:
        return 1.0
    return overall(generation.plan, history[-1].stage, history[-1].progress) if history else 0.0


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
