"""Where in memory an answer lies: in the looks that were taken while what is asked for was seen."""

import numpy as np

from bridge.arrays import AnyArray
from fast_brain.robots.scene_memory_skills import PRESS_LIGHTS, PRESS_OTHER
from fast_brain.training.frames import Frames

_FPS = 20
_HALF_ROW_S = 0.5 / _FPS


def asked_light(subtask: str) -> int:
    """Return the number of the light that a subtask asks for, from 1; 0 if for none.

    "The other button" is the other than that of the only light.
    """
    name = subtask.partition(",")[0]
    if name in PRESS_LIGHTS:
        return 1 + PRESS_LIGHTS.index(name)
    return int(name == PRESS_OTHER)


class Answers:
    """Knows of each row of demonstrations when what it asks for was to be seen."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        lit = np.flatnonzero(frames.light)
        self._lit_s: dict[tuple[int, int], tuple[float, float]] = {}
        for row in lit:
            key = int(frames.episode[row]), int(frames.light[row])
            now_s = int(frames.frame[row]) / _FPS
            self._lit_s[key] = (self._lit_s.get(key, (now_s,))[0], now_s)

    def seen_in(self, row: int, time_s: AnyArray) -> AnyArray:
        """Return which entries of times ``time_s [L]`` show what a row asks for ``[L]``."""
        light = asked_light(self._frames.subtask[row])
        from_s, to_s = self._lit_s.get((int(self._frames.episode[row]), light), (np.inf, -np.inf))
        is_after, is_before = time_s > from_s - _HALF_ROW_S, time_s < to_s + _HALF_ROW_S
        return np.logical_and(is_after, is_before)
