"""How far a generation is, over all its stages. Pure."""

from orchestrator.plan import Plan
from shared.contracts.vocabulary import Stage


def overall(plan: Plan, stage: Stage, fraction: float) -> float:
    """0 to 1, each stage weighted by its estimated seconds; `fraction` is that of the present stage."""
    index = plan.order.index(stage)
    before = sum(step.estimated_seconds for step in plan.stages[:index])
    here = plan.stages[index].estimated_seconds * min(max(fraction, 0.0), 1.0)
    return round((before + here) / sum(step.estimated_seconds for step in plan.stages), 4)
