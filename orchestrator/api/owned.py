"""Whose a generation is: another key's is the same as none."""

from orchestrator.api.errors import not_found
from orchestrator.api.services import Services
from orchestrator.store import Generation, generations


async def owned(services: Services, generation_id: str, owner: str) -> Generation:
    """The generation, if it is this key's; Problem 404 otherwise."""
    async with services.database.statements() as connection:
        generation = await generations.get(connection, generation_id, owner=owner)
    if generation is None:
        raise not_found("generation")
    return generation
