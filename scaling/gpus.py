"""Graphics cards: what a second costs, and how much slower than an H100 they are. Pure.

The ratios are those of facts/ltx2.md section 6.2: assumed sustained TFLOP/s for sampling, and the decode of 20 s of
1080p at 48 fps. Prices: USD of one second of a RunPod flex worker in 2026, assumed; look yours up.
"""

from shared.contracts.vocabulary import Frozen
from shared.durations import Parts


class Gpu(Frozen):
    price: float
    """USD a second."""
    sampling: float = 1.0
    """Seconds of sampling for one of an H100."""
    decoding: float = 1.0

    def seconds(self, parts: Parts) -> float:
        """Of one stage run; what is neither sampling nor decoding takes as long on any card."""
        return round(parts.sampling * self.sampling + parts.decoding * self.decoding + parts.rest, 1)


H100 = Gpu(price=0.00116)
"""About 4.2 an hour."""
RTX_4090 = Gpu(price=0.00031, sampling=350 / 160, decoding=121 / 70)
"""24 GB, for the temporal stage. About 1.1 an hour."""
