"""Evidence -> what was lost, or made otherwise than it was asked for. Pure; empty is what everybody hopes for."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

from shared.errors import TransientError
from tests.load.evidence import Evidence, Generation, Run
from tests.load.scenarios import Wish, stages_of

FINAL = {"succeeded", "failed", "canceled"}
ENDED_JOBS = {"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"}
CREDITS = {("fast", "720p"): 30, ("pro", "720p"): 45}
"""Of 10 s; a draft costs nothing (design section 4)."""
SIZES = {"720p": (1280, 720), "draft": (256, 144)}

Check = Callable[[Evidence], Iterator[str]]


def violations(found: Evidence) -> dict[str, list[str]]:
    """Promise -> how it was broken; every promise is named, so that a report can say that it held."""
    return {promise: list(check(found)) for promise, check in PROMISES.items()}


def _nothing_is_lost(found: Evidence) -> Iterator[str]:
    fates = {told["number"]: told for told in found.told}
    for wish in found.wishes:
        told = fates.get(wish.number)
        if told is None:
            yield f"nobody knows what became of wish {wish.number}"
        elif not told["id"]:
            yield f"wish {wish.number} was never taken: {told.get('problem')}"
        elif problem := told.get("problem"):
            yield f"wish {wish.number} ({told['id'][:8]}): {problem}"
    accepted = Counter(told["id"] for told in found.told if told["id"])
    stored = {generation.id for generation in found.generations}
    yield from (f"{identity} answers {times} wishes" for identity, times in accepted.items() if times > 1)
    yield from (f"{identity} was accepted and is not in the database" for identity in accepted.keys() - stored)
    yield from (f"{identity} was made and nobody asked for it" for identity in stored - accepted.keys())
    yield from (f"{identity} is in the database and not listed" for identity in stored - found.listed)


def _everything_ends_once(found: Evidence) -> Iterator[str]:
    told = {one["id"]: one for one in found.told if one["id"]}
    for generation in found.generations:
        if generation.state not in FINAL:
            yield f"{generation.id} is stuck in {generation.state}"
            continue
        if generation.endings != 1:
            yield f"{generation.id} has {generation.endings} events of its end"
        seen = told.get(generation.id, {}).get("state")
        if seen is not None and seen != generation.state:
            yield f"{generation.id} is {generation.state}, and its user saw {seen}"


def _only_what_was_asked_ends_otherwise(found: Evidence) -> Iterator[str]:
    """Nothing is broken on purpose here: a failure is ours, unless a worker was retired under it three times."""
    wishes = _wishes_by_id(found)
    for generation in found.generations:
        wish = wishes.get(generation.id)
        if generation.state == "canceled" and wish is not None and not wish.cancel:
            yield f"{generation.id} was canceled, and nobody asked for it"
        if generation.state == "failed" and generation.error not in TransientError.codes:
            yield f"{generation.id} failed with {generation.error}"


def _credits_agree(found: Evidence) -> Iterator[str]:
    wishes = _wishes_by_id(found)
    for generation in found.generations:
        if generation.state not in FINAL or generation.id not in wishes:
            continue
        body = wishes[generation.id].body
        price = CREDITS.get((body["quality"], body["resolution"]), 0)
        refund = 0 if generation.state == "succeeded" else price
        if (generation.credits, generation.refund) != (price, refund):
            yield (
                f"{generation.id} {generation.state}: {generation.credits} credits, {generation.refund} back, instead"
                f" of {price} and {refund}"
            )


def _made_is_what_was_asked(found: Evidence) -> Iterator[str]:
    wishes = _wishes_by_id(found)
    told = {one["id"]: one for one in found.told if one["id"]}
    for generation in found.generations:
        if generation.id not in wishes:
            continue
        wish = wishes[generation.id]
        if generation.owner != wish.owner:
            yield f"{generation.id} belongs to {generation.owner}, and {wish.owner} asked for it"
        for name, value in wish.body.items():
            if generation.request.get(name) != value:
                yield f"{generation.id} has {name} {generation.request.get(name)!r} instead of {value!r}"
        fps = 48 if wish.body["temporal_upscale"] else 24
        frames, size = fps * wish.body["duration"], SIZES[wish.body["resolution"]]
        delivers = tuple(generation.delivers[name] for name in ("width", "height", "frames", "fps"))
        if delivers != (*size, frames, fps):
            yield f"{generation.id} delivers {delivers} instead of {(*size, frames, fps)}"
        if generation.id in found.probed and found.probed[generation.id] != (*size, frames, float(fps)):
            yield f"{generation.id} is a video of {found.probed[generation.id]}"
        if generation.state == "succeeded" and not told[generation.id].get("intact"):
            yield f"{generation.id}: its user got no video, or another than was promised"


def _stage_runs_agree(found: Evidence) -> Iterator[str]:
    """With the plan, with RunPod's jobs and with what the workers rendered."""
    runs: dict[str, list[Run]] = defaultdict(list)
    for run in found.runs:
        runs[run.generation].append(run)
    wishes = _wishes_by_id(found)
    for generation in found.generations:
        mine = runs[generation.id]
        if generation.id in wishes and list(generation.planned) != stages_of(wishes[generation.id].body):
            yield f"{generation.id} is planned as {generation.planned}"
        done = [run.stage for run in mine if run.state == "succeeded"]
        if generation.state == "succeeded" and done != list(generation.planned):
            yield f"{generation.id} succeeded by {done} instead of {list(generation.planned)}"
        yield from _jobs_disagree(generation, mine)
    for run in found.runs:
        # a worker that is retired after its manifest was adopted has no line that says so
        if run.state == "succeeded" and run.stage_key not in found.rendered and not run.executed:
            yield f"{run.generation}: {run.stage} succeeded, and nobody rendered it"
    yield from (f"{key} was rendered {times} times" for key, times in found.rendered.items() if times > 1)


def _jobs_disagree(generation: Generation, runs: list[Run]) -> Iterator[str]:
    for run in runs:
        if run.state in {"pending", "submitted", "running"} and generation.state in FINAL:
            yield f"{generation.id} has ended, and its {run.stage} run is {run.state}"
        if run.job is not None and run.job_state not in ENDED_JOBS:
            yield f"{generation.id}: the job of its {run.stage} is {run.job_state}"
        if run.state == "succeeded" and not run.executed and run.job_state != "COMPLETED":
            yield f"{generation.id}: {run.stage} succeeded, and its job is {run.job_state}"


def _webhooks_arrive(found: Evidence) -> Iterator[str]:
    for generation in found.generations:
        if generation.state in FINAL and found.announced.get(generation.id) != {generation.state}:
            yield f"{generation.id} {generation.state}: its webhooks say {found.announced.get(generation.id)}"


def _nothing_is_left(found: Evidence) -> Iterator[str]:
    if found.live_jobs:
        yield f"{found.live_jobs} jobs are left at the gateway"


def _wishes_by_id(found: Evidence) -> dict[str, Wish]:
    by_number = {wish.number: wish for wish in found.wishes}
    return {told["id"]: by_number[told["number"]] for told in found.told if told["id"]}


PROMISES: dict[str, Check] = {
    "nothing is lost and nothing made twice": _nothing_is_lost,
    "every generation ends, once, as its user sees it": _everything_ends_once,
    "nothing fails by itself": _only_what_was_asked_ends_otherwise,
    "credits and refunds agree": _credits_agree,
    "what was asked is what was made": _made_is_what_was_asked,
    "stage runs agree with plan, jobs and renders": _stage_runs_agree,
    "every webhook arrives, signed": _webhooks_arrive,
    "no job is left": _nothing_is_left,
}
