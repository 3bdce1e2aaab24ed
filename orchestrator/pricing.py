"""Credits. The table is the authority (design section 4); a test pins it to its formula. Pure."""

from shared.contracts.vocabulary import Quality, Resolution

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
