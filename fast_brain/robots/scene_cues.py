"""Lights that an episode shows: a button glows for a moment, and looks as before afterwards.

A cue changes nothing but a colour: locks stay as they are. What lit up, and in which order, is then
only in the memory of who watched.
"""

from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np

from bridge import ContractError
from fast_brain.robots.scene_physics import ScenePhysics

LIT_S = 0.6
LATEST_S = 600.0
CUE_BUTTONS = ("drawer", "window")
_GLOW = np.array([1.0, 0.85, 0.0, 1.0])


class Cue(NamedTuple):
    """When a button lights up [s since the start of the episode], and which."""

    at_s: float
    button: str


class CueLights:
    """Shows an episode's cues on the buttons of the scene."""

    def __init__(self, physics: ScenePhysics, cues: Sequence[Cue]) -> None:
        self._physics = physics
        self.cues = tuple(cues)
        self.lit = ""

    def show(self) -> None:
        """Light what is to be lit at the scene's time; called each beat."""
        time_s = self._physics.time_s
        now = [cue.button for cue in self.cues if cue.at_s <= time_s < cue.at_s + LIT_S]
        wanted = now[-1] if now else ""
        if wanted != self.lit:
            self.lit = wanted
            self._physics.colour_buttons()
            if wanted:
                self._physics.colour_button(CUE_BUTTONS.index(wanted), _GLOW)

    def resume(self, lit: str) -> None:
        """Go on where the button `lit` glowed; the others look like their locks."""
        self.lit = lit
        if lit in CUE_BUTTONS:
            self._physics.colour_button(CUE_BUTTONS.index(lit), _GLOW)


def checked_cues(value: object) -> tuple[Cue, ...]:
    """Read cues: a list of pairs, a time [s] and a button.

    Raises:
        ContractError: Not such a list, or a time or a button that is none.
    """
    expected = f"pairs of a time in [0, {LATEST_S:g}] s and one of {', '.join(CUE_BUTTONS)}"
    if not isinstance(value, list | tuple):
        raise ContractError(leaf="start.cues", expected=expected, got=value)
    return tuple(_cue(pair, expected) for pair in cast("Sequence[object]", value))


def _cue(pair: object, expected: str) -> Cue:
    if isinstance(pair, list | tuple):
        parts = cast("Sequence[object]", pair)
        if len(parts) == len(Cue._fields):
            at_s, button = parts
            is_time = isinstance(at_s, int | float) and not isinstance(at_s, bool)
            if is_time and 0 <= float(cast("float", at_s)) <= LATEST_S and button in CUE_BUTTONS:
                return Cue(float(cast("float", at_s)), str(button))
    raise ContractError(leaf="start.cues", expected=expected, got=pair)
