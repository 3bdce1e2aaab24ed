"""Evidence -> what was promised and not kept. Pure; an empty list is what everybody hopes for."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta

from shared.errors import TransientError
from shared.media.probe import MediaInfo
from tests.chaos.evidence import Evidence
from tests.chaos.plan import Wanted
from tests.chaos.receiver import Arrival
from tests.chaos.users import Told
from tests.fixtures_cloud import FINAL

COMMIT_SLACK = timedelta(seconds=1.2)
"""S3 tells the second below; a manifest that was written in that second may have been missed rightly."""
CREDITS = {"fast": 30, "pro": 45}
"""Of 720p, 10 s; a draft costs nothing (design section 4)."""
SIZES = {"720p": (1280, 720), "draft": (256, 144)}
SECONDS_OFF = 0.05

Check = Callable[[Evidence], Iterator[str]]


def violations(found: Evidence) -> dict[str, list[str]]:
    """Promise -> how it was broken; every promise is named, so that a report can say that it held."""
    return {promise: list(check(found)) for promise, check in PROMISES.items()}


def _nothing_is_lost(found: Evidence) -> Iterator[str]:
    for told in found.told:
        if not told.id:
            yield f"wish {told.wanted.number} was never taken: {told.problem}"
    known = Counter(told.id for told in found.told if told.id)
    yield from (f"{identity} answers {times} wishes" for identity, times in known.items() if times > 1)
    yield from (f"{identity} is not listed" for identity in known.keys() - set(found.listed))
    yield from (f"{identity} was made and nobody knows it" for identity in set(found.listed) - known.keys())


def _everything_ends_once(found: Evidence) -> Iterator[str]:
    for told in found.told:
        if told.id and told.shown.get("state") not in FINAL:
            yield f"{_name(told)} is stuck in {told.shown.get('state')}: {told.problem}"
        elif told.id and found.endings.get(told.id) != 1:
            yield f"{_name(told)} has {found.endings.get(told.id, 0)} events of its end"
        if told.shown.get("state") == "canceled" and told.wanted.cancel is None:
            yield f"{_name(told)} was canceled, and nobody asked for it"


def _videos_are_right(found: Evidence) -> Iterator[str]:
    for told in found.told:
        if told.shown.get("state") == "succeeded":
            info = found.videos.get(told.id, "nobody looked")
            if flaw := info if isinstance(info, str) else _flaw(told.wanted, info):
                yield f"{_name(told)}: {flaw}"


def _flaw(wanted: Wanted, info: MediaInfo) -> str | None:
    fps, seconds = 48 if wanted.body["temporal_upscale"] else 24, wanted.body["duration"]
    asked = (SIZES[wanted.body["resolution"]], fps * seconds, float(fps))
    made = ((info.width, info.height), info.frames, float(info.fps))
    if made != asked:
        return f"size, frames and rate are {made} instead of {asked}"
    if abs(info.seconds - seconds) > SECONDS_OFF:
        return f"it lasts {info.seconds} s instead of {seconds}"
    if info.audio_seconds is None or abs(info.audio_seconds - seconds) > SECONDS_OFF:
        return f"its sound lasts {info.audio_seconds} s instead of {seconds}"
    return None


def _failures_are_typed_and_refunded(found: Evidence) -> Iterator[str]:
    for told in found.told:
        shown, body = told.shown, told.wanted.body
        if shown.get("state") not in FINAL:
            continue
        price = CREDITS[body["quality"]] if body["resolution"] == "720p" else 0
        refund = 0 if shown["state"] == "succeeded" else price
        if (shown["credits"], shown["credits_refund"]) != (price, refund):
            yield (
                f"{_name(told)} {shown['state']}: {shown['credits']} credits, {shown['credits_refund']} back,"
                f" instead of {price} and {refund}"
            )
        code = shown.get("error", {}).get("code")
        if shown["state"] == "failed" and code not in TransientError.codes:
            yield f"{_name(told)} failed with {code}, which no kill and no fault explains"


def _nothing_is_rendered_twice(found: Evidence) -> Iterator[str]:
    for render in found.renders:
        commit = found.commits.get(render.stage_key)
        if commit is not None and render.job_began > commit + COMMIT_SLACK:
            late = (render.job_began - commit).total_seconds()
            yield f"{render.worker} rendered {render.stage} {render.stage_key[:12]} {late:.1f} s after it was done"


def _no_orphans(found: Evidence) -> Iterator[str]:
    yield from (f"{count} jobs are left on {endpoint}" for endpoint, count in found.live_jobs.items() if count)
    yield from (f"a process belongs to nobody: {command}" for command in found.strays)
    yield from (f"a process is left after the stop: {command}" for command in found.left)
    yield from (
        f"{render.worker} never ended {render.stage_key[:12]}" for render in found.renders if render.outcome == "going"
    )
    if found.uploads and not found.uploads_expire:
        yield "the bucket has no rule that ends unfinished uploads"
    # who is killed, or has lost S3, cannot end an upload: the lifecycle rule does, after a day
    broken_off = {render.attempt_id for render in found.renders if render.outcome != "rendered"}
    for upload in found.uploads:
        if not any(attempt_id in upload.key for attempt_id in broken_off):
            yield f"a render that succeeded left an unfinished upload: {upload.key}"


def _webhooks_arrive(found: Evidence) -> Iterator[str]:
    arrived: dict[str, list[Arrival]] = defaultdict(list)
    for arrival in found.arrivals:
        arrived[str(arrival.data.get("id"))].append(arrival)
        if not arrival.valid:
            yield f"a webhook about {arrival.data.get('id')} is not signed as it should be"
    yield from (
        f"a webhook is about {identity}, which nobody asked for" for identity in arrived.keys() - set(found.listed)
    )
    for told in found.told:
        if told.shown.get("state") not in FINAL:
            continue
        mine = arrived[told.id]
        if not any(arrival.taken for arrival in mine):
            yield f"{_name(told)}: no webhook arrived in {len(mine)} tries"
        if len({arrival.webhook_id for arrival in mine}) > 1:
            yield f"{_name(told)}: its webhook came under several ids"
        for arrival in mine:
            said = (arrival.kind, arrival.data["state"], arrival.data["credits_refund"])
            if said != (f"generation.{told.shown['state']}", told.shown["state"], told.shown["credits_refund"]):
                yield f"{_name(told)}: its webhook says {said}"


def _secrets_stay_secret(found: Evidence) -> Iterator[str]:
    yield from found.leaks


def _answers_are_typed(found: Evidence) -> Iterator[str]:
    """A part that is away is 503; 500 is ours."""
    yield from found.unexpected


def _name(told: Told) -> str:
    return f"wish {told.wanted.number} ({told.id[:8]})"


PROMISES: dict[str, Check] = {
    "nothing is lost and nothing made twice": _nothing_is_lost,
    "every generation ends, once": _everything_ends_once,
    "every video is what was asked for": _videos_are_right,
    "failures carry a reason, and credits come back": _failures_are_typed_and_refunded,
    "no stage is rendered again after its success": _nothing_is_rendered_twice,
    "no job, process or upload is left behind": _no_orphans,
    "every webhook arrives, signed": _webhooks_arrive,
    "no log holds a secret or a prompt": _secrets_stay_secret,
    "no answer is a 500": _answers_are_typed,
}
