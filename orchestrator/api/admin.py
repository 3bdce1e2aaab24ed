"""/api/admin: how all of it fares, over every key, for the page at /admin. It only reads, and shows no prompt."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query

from orchestrator import overview as overviews
from orchestrator.api.auth import Operator
from orchestrator.api.document import WITH_KEY, answers
from orchestrator.api.errors import not_found
from orchestrator.api.services import Injected
from orchestrator.overview import Overview
from orchestrator.report import GenerationReport, report
from orchestrator.store import found, generations, lately, runs
from orchestrator.store.found import FailureFound, GenerationFound
from orchestrator.timeline import Told
from orchestrator.transitions import GenerationState
from shared.contracts.vocabulary import Stage
from shared.errors import ErrorCode

router = APIRouter(prefix="/api/admin", tags=["admin"])

FLOW_MINUTES = (5, 60)
EVENTS = 300
"""Of one generation, without progress: three stages, three attempts each, make about thirty."""

Limit = Annotated[int, Query(ge=1, le=100)]


class GenerationsFound(Told):
    generations: list[GenerationFound]
    next: int | None = None
    """For `before`; null where there are no more, or where the list is not by age."""


class FailuresFound(Told):
    failures: list[FailureFound]


@router.get("/overview", responses=answers(Overview, *WITH_KEY))
async def overview(services: Injected, _key: Operator) -> Overview:
    """Queues, workers, stage times, throughput and failures, and what of it needs somebody.

    What RunPod says of its workers is up to ten seconds old, and asked for once however many look; all else is read
    from the database, so every replica answers the same.
    """
    workers = await services.workforce.look()
    async with services.database.transaction() as connection:
        at = await lately.clock(connection)
        stages = overviews.stages_of(await runs.count_live(connection), await lately.ended_runs(connection), workers)
        flows = [await lately.flow(connection, minutes=minutes) for minutes in FLOW_MINUTES]
        failures = await lately.codes(connection)
        look_late = await runs.poll_late(connection)
        tasks_late = await services.queue.late(connection)
        dead = await lately.dead_webhooks(connection)
        live = await generations.count_live(connection)
        seconds = await lately.seconds_of_videos(connection)
    concerns = overviews.concerns_of(
        stages=stages,
        flows=flows,
        failures=failures,
        look_late=look_late,
        tasks_late=tasks_late,
        dead_webhooks=dead,
    )
    return Overview(
        at=at,
        concerns=concerns,
        live={state: live.get(state, 0) for state in GenerationState if not state.final},
        flows=flows,
        seconds=seconds,
        stages=stages,
        failures=failures,
        look_late_seconds=look_late,
        tasks_late_seconds=tasks_late,
        dead_webhooks=dead,
    )


@router.get("/generations", responses=answers(GenerationsFound, *WITH_KEY, HTTPStatus.UNPROCESSABLE_ENTITY))
async def list_newest(
    services: Injected,
    _key: Operator,
    state: Annotated[GenerationState | None, Query()] = None,
    limit: Limit = 50,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
) -> GenerationsFound:
    """Generations of every key, newest first, of one state or of any."""
    async with services.database.transaction() as connection:
        page = await found.newest(connection, state=state, before=before, limit=limit)
    return GenerationsFound(generations=page, next=page[-1].number if len(page) == limit else None)


@router.get("/quiet", responses=answers(GenerationsFound, *WITH_KEY, HTTPStatus.UNPROCESSABLE_ENTITY))
async def list_quiet(
    services: Injected,
    _key: Operator,
    minutes: Annotated[int, Query(ge=0, le=7 * 24 * 60)] = 10,
    limit: Limit = 50,
) -> GenerationsFound:
    """Generations under way of which nothing was heard for so many minutes, the longest first: what may be stuck.

    One that waits for a worker is quiet as well. With 0 minutes these are all that are under way.
    """
    async with services.database.transaction() as connection:
        page = await found.quiet(connection, seconds=minutes * 60, limit=limit)
    return GenerationsFound(generations=page)


@router.get("/failures", responses=answers(FailuresFound, *WITH_KEY, HTTPStatus.UNPROCESSABLE_ENTITY))
async def list_failures(
    services: Injected,
    _key: Operator,
    code: Annotated[ErrorCode | None, Query()] = None,
    stage: Annotated[Stage | None, Query()] = None,
    limit: Limit = 50,
) -> FailuresFound:
    """Stage runs that ended with an error, newest first, also those after which another attempt went well."""
    async with services.database.transaction() as connection:
        page = await found.failures(connection, code=code, stage=stage, limit=limit)
    return FailuresFound(failures=page)


@router.get("/generations/{generation_id}", responses=answers(GenerationReport, *WITH_KEY, HTTPStatus.NOT_FOUND))
async def one(generation_id: str, services: Injected, _key: Operator) -> GenerationReport:
    """Where the time of a generation went: every stage run, its spans, ids, hashes and errors, and its webhook.

    Never its prompt, the URLs or the metadata of its user.
    """
    async with services.database.transaction() as connection:
        generation = await generations.get(connection, generation_id)
        if generation is None:
            raise not_found("generation")
        return report(
            generation,
            await runs.of_generation(connection, generation_id),
            await found.happenings(connection, generation_id, limit=EVENTS),
            await found.delivery_of(connection, generation_id),
            await lately.clock(connection),
        )
