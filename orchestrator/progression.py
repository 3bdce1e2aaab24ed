"""How far a generation is, over all its stages, and how long it still takes. Pure."""

from orchestrator.plan import Plan
from shared.contracts.stage import StageProgress
from shared.contracts.vocabulary import Stage

TELLING = 0.1
"""Of a stage: from here on its own pace says more than the table."""
QUICKEST, SLOWEST = 0.2, 10.0
"""Times the table's seconds: beyond that a clock or a fraction is wrong."""
BACK_SECONDS, BACK_SHARE = 2.0, 0.1
"""By so much, and not more, may an estimate grow from one telling to the next: people forgive a slow last minute more
easily than one that becomes three."""

TELLING_STEP = 0.1
"""Of the whole: so far apart are the progress webhooks within a stage."""
MOST_TOLD = 30
"""Progress webhooks of one generation. Three stages without trouble make 15; retries may not make many more."""


def worth_telling(told: int, before: float, now: float, *, turn: bool) -> bool:
    """Is a webhook due? `before` and `now`: how far the whole was and is, 0 to 1.

    `turn`: a stage begins or ends, which is news by itself. `told`: webhooks so far.
    """
    return told < MOST_TOLD and (turn or int(now / TELLING_STEP) > int(before / TELLING_STEP))


SLOWING, SLOWING_AT_END = 0.1, 0.01
"""A run is asked for again after this share of its age; near its end, after a tenth of that."""
HURRY = 0.25
"""Of `quickest`, for a run that is to end within that: nobody tells of a manifest that stands while its job makes the
early look, and the next stage waits for it."""


def next_look(age: float, fraction: float, *, quickest: float, slowest: float) -> float:
    """Seconds until a live run is asked for again.

    `age`: seconds since it was handed over, or since a worker took it, by whom it is done to `fraction`. The manifest
    may stand long before the job ends, and nobody tells of that: so a run that says it is nearly done is asked more
    often, halving what is left.
    """
    usual, least = SLOWING * age, quickest
    if fraction > 0:
        left = age * (1 - fraction) / fraction
        usual = min(usual, max(left / 2, SLOWING_AT_END * age))
        least = HURRY * quickest if left < quickest else quickest
    return min(max(usual, least), slowest)


def renders(before: float, told: StageProgress | None) -> bool:
    """Is a running job surely still at work, so that no manifest can stand? `before`: the fraction last told of it.

    One that tells nothing new may have ended, and one that is done to 1 is about to write its manifest, or has.
    """
    return told is not None and told.phase != "looking" and before < told.fraction < 1


def remaining(plan: Plan, stage: Stage, fraction: float, *, running: float = 0.0, due: float | None = None) -> float:
    """Seconds until the video, when nothing has to wait for a worker.

    `running`: seconds since a worker took the present stage, which is done to `fraction`. `due`: what the estimate
    that was told last has come down to by now; it may be negative.
    """
    index = plan.order.index(stage)
    here = plan.stages[index].estimated_seconds
    after = sum(step.estimated_seconds for step in plan.stages[index + 1 :])
    pace = running / (here * fraction) if running and fraction >= TELLING else 1.0
    found = min(max(pace, QUICKEST), SLOWEST) * (here * (1 - fraction) + after)
    if due is not None:
        found = min(found, max(due, 0.0) + max(BACK_SECONDS, BACK_SHARE * due))
    return round(found, 1)


def overall(plan: Plan, stage: Stage, fraction: float) -> float:
    """0 to 1, each stage weighted by its estimated seconds; `fraction` is that of the present stage."""
    index = plan.order.index(stage)
    before = sum(step.estimated_seconds for step in plan.stages[:index])
    here = plan.stages[index].estimated_seconds * min(max(fraction, 0.0), 1.0)
    return round((before + here) / sum(step.estimated_seconds for step in plan.stages), 4)
