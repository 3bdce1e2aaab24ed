"""Camera paths: what each camera LoRA does to the frame of the preview."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class View:
    """Where the camera looks: zoom 1 shows the picture once; x and y move it, in picture heights, right and down."""

    zoom: float = 1.0
    x: float = 0.0
    y: float = 0.0


@dataclass(frozen=True)
class Move:
    """How a camera moves: the whole way is speed x seconds, but never more than `reach`, however long the clip."""

    zoom: float = 0.0
    x: float = 0.0
    y: float = 0.0
    sway: float = 0.0

    def way(self, seconds: float) -> float:
        return min(SPEED * seconds, REACH)

    def at(self, fraction: float, seconds: float) -> View:
        """The view at `fraction` 0..1 of a clip that lasts `seconds`; the first view is the plain one."""
        way = self.way(seconds) * fraction
        sway = self.sway * math.sin(0.9 * seconds * fraction)
        return View(zoom=math.exp(self.zoom * way), x=self.x * way + sway, y=self.y * way)


SPEED = 0.05  # of the picture's height (or of ln zoom) per second: seen in a clip of one second, no ghosts in long ones
REACH = 0.5

# The words in the file names of the seven camera LoRAs (facts/ltx2.md section 5).
MOVES = {
    "static": Move(),
    "dolly-in": Move(zoom=1.0),
    "dolly-out": Move(zoom=-1.0),
    "dolly-left": Move(x=-1.0),
    "dolly-right": Move(x=1.0),
    "jib-up": Move(y=-1.0),
    "jib-down": Move(y=1.0),
}
FREE = Move(zoom=0.25, sway=0.012)  # no camera LoRA: a handheld drift


def move_of(loras: tuple[tuple[str, float], ...]) -> Move:
    """The move that the loaded LoRAs ask for, scaled by their strength: (file name, strength) pairs."""
    for name, strength in loras:
        for word, move in MOVES.items():
            if "camera" in name and word in name:
                return Move(zoom=move.zoom * strength, x=move.x * strength, y=move.y * strength)
    return FREE
