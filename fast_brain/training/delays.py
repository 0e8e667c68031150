"""How much later a moment of a demonstration may come at run time than it came there.

Demonstrations are short and prompt. A run may last minutes, its planner may be late, and an arm
that once began late must not find itself where nobody has shown it what to do. While the arm waits
after an act, or before it goes on, nothing changes but the time; so the same moment is told with
other times. Before its first act an arm may be waiting for something that is still to happen: that
must not seem to have gone by.
"""

from typing import NamedTuple

import numpy as np

from bridge.arrays import FloatArray
from fast_brain.training.beginnings import first_acts
from fast_brain.training.frames import Frames

_FPS = 20
# So many moments come after a wait that was longer than the demonstrator's.
_WAIT_SHARE, LONGEST_WAIT_S = 0.3, 3.0
# And so many after acts that began later than the demonstrator's, by up to so much; mostly by less.
_DELAY_SHARE, _LONGEST_DELAY_S = 0.4, 60.0


class Delay(NamedTuple):
    """From `since_s` of the episode on, all came `by_s` later; at the end `wait_s` went by."""

    since_s: float = 0.0
    by_s: float = 0.0
    wait_s: float = 0.0

    def later(self, now_s: float) -> float:
        """Return the present time of the episode [s]."""
        return now_s + self.by_s + self.wait_s

    def elapsed_s(self, now_s: float, time_s: FloatArray) -> FloatArray:
        """Return how long ago entries of ``time_s [L]`` were, in order, at ``now_s`` as it was.

        The last is the current one, which the planner gave after the delay.
        """
        is_moved = time_s >= self.since_s
        is_moved[-1] = True
        return self.later(now_s) - (time_s + np.where(is_moved, self.by_s, 0.0))


class Delays:
    """Draws delays that could have happened before the rows of demonstrations."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._acts: dict[int, list[int]] = {}
        for row in first_acts(frames):
            self._acts.setdefault(int(frames.episode[row]), []).append(int(row))

    def draw(self, row: int, random: np.random.Generator) -> Delay:
        """Return a delay for one row, mostly none; none ever before the arm has begun to act."""
        begun = [act for act in self._acts.get(int(self._frames.episode[row]), []) if act <= row]
        if not begun:
            return Delay()
        is_late = random.random() < _DELAY_SHARE
        by_s = _LONGEST_DELAY_S * random.random() ** 2 if is_late else 0.0
        since_s = int(self._frames.frame[random.choice(begun)]) / _FPS
        has_acted = self._frames.segment[begun[-1]] == self._frames.segment[row]
        return Delay(since_s, by_s, self._wait_s(row, random) if has_acted else 0.0)

    def _wait_s(self, row: int, random: np.random.Generator) -> float:
        is_longer = self._frames.is_hovering[row] and random.random() < _WAIT_SHARE
        return float(random.uniform(0, LONGEST_WAIT_S)) if is_longer else 0.0
