"""How often a node may tell its progress: as often as ComfyUI's own progress bar does."""

_SECONDS, _SHARE = 0.1, 0.005  # facts/comfyui.md section 5: first, last, else at least 100 ms and 0.5 % later


class Pace:
    """Of one node. A value that does not rise is a first one: samplers that run in tiles start again at 1."""

    def __init__(self) -> None:
        self._last: tuple[float, float] | None = None  # (value, seconds) of what was told last

    def due(self, value: float, most: float, now: float) -> bool:
        """Whether to tell `value` of `most` at `now` (seconds of a steady clock)."""
        if self._last is not None and self._last[0] < value < most:
            before, told = self._last
            if now - told < _SECONDS or value - before < _SHARE * most:
                return False
        self._last = (value, now)
        return True
