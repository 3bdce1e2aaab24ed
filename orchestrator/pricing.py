"""Credits. The table is the authority (design section 4); a test pins it to its formula. Pure."""

from pydantic import Field

from shared.contracts.request import GenerationRequest
from shared.contracts.vocabulary import Frozen, Quality, Resolution

CREDITS: dict[tuple[Quality, Resolution, int], int] = {
    (Quality.FAST, Resolution.HD, 10): 30,
    (Quality.FAST, Resolution.HD, 15): 45,
    (Quality.FAST, Resolution.HD, 20): 60,
    (Quality.FAST, Resolution.FULL_HD, 10): 45,
    (Quality.FAST, Resolution.FULL_HD, 15): 67,
    (Quality.FAST, Resolution.FULL_HD, 20): 90,
    (Quality.PRO, Resolution.HD, 10): 45,
    (Quality.PRO, Resolution.HD, 15): 67,
    (Quality.PRO, Resolution.HD, 20): 90,
    (Quality.PRO, Resolution.FULL_HD, 10): 60,
    (Quality.PRO, Resolution.FULL_HD, 15): 90,
    (Quality.PRO, Resolution.FULL_HD, 20): 120,
}


def credits_for(quality: Quality, resolution: Resolution, duration: int) -> int:
    """Credits of one generation. Drafts are for debugging and cost nothing. KeyError: not sold."""
    if resolution is Resolution.DRAFT:
        return 0
    return CREDITS[quality, resolution, duration]


class Surcharges(Frozen):
    """Credits that each enhancement adds to the table's, whatever the duration. None, unless settings say otherwise.

    The fields are those of a request, so that a page can show what each of its toggles adds.
    """

    spatial_upscale: int = Field(default=0, ge=0)
    temporal_upscale: int = Field(default=0, ge=0)
    detailer: int = Field(default=0, ge=0)
    control: int = Field(default=0, ge=0)

    def added(self, request: GenerationRequest) -> dict[str, int]:
        """Field -> credits, of the enhancements that a request asks for and that are not free; none of a draft."""
        if request.resolution is Resolution.DRAFT:
            return {}
        return {field: more for field, more in self.model_dump().items() if more and getattr(request, field)}

    def credits(self, request: GenerationRequest) -> int:
        """What a request costs, all in all."""
        asked = credits_for(request.quality, request.resolution, request.duration)
        return asked + sum(self.added(request).values())
