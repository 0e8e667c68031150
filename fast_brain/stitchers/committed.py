"""What the policy's half of a stitcher knows of time: what is under way, and how late chunks come.

Sans I/O, and in the units of the wire; nothing here knows a network.
"""

import math
from collections import deque

import numpy as np

from bridge.arrays import FloatArray
from bridge.messages import ActionChunk

_NS_PER_S = 1_000_000_000
_CHUNKS_KEPT = 8
# Whole nanoseconds put the time of a row up to this far off [rows].
_ROUNDING_ROWS = 1e-4


class CommittedActions:
    """What the robot will do by the chunks published so far, each from the moment it was out.

    A chunk plays from its publication until the next one's, as the control loop lets it.
    """

    def __init__(self) -> None:
        self._chunks: deque[tuple[int, ActionChunk]] = deque(maxlen=_CHUNKS_KEPT)

    def published(self, chunk: ActionChunk, now_ns: int) -> None:
        """Take note of a chunk that went out now."""
        self._chunks.append((now_ns, chunk))

    def forget(self) -> None:
        """What was published is not carried out."""
        self._chunks.clear()

    def rows(self, start_ns: int, step_s: float, count: int) -> FloatArray:
        """Return the actions [K, A] at `start_ns` + i · `step_s` for as long as there are any.

        K is at most `count`, and 0 when nothing is under way at `start_ns`. Between the rows of a
        chunk the action is on the straight line, as the control loop has it.
        """
        found: list[FloatArray] = []
        for row in range(count):
            action = self._at(start_ns + round(row * step_s * _NS_PER_S))
            if action is None:
                break
            found.append(action)
        width = self._chunks[-1][1].actions.shape[1] if self._chunks else 0
        return np.array(found, np.float32) if found else np.zeros((0, width), np.float32)

    def _at(self, stamp_ns: int) -> FloatArray | None:
        """The action for a time: of the newest chunk that was out by then and reaches it."""
        out = [chunk for published_ns, chunk in self._chunks if published_ns <= stamp_ns]
        # Before the first one came out nothing was known: its own rows are the best guess.
        for chunk in reversed(out or [chunk for _, chunk in self._chunks]):
            action = action_at(chunk, stamp_ns)
            if action is not None:
                return action
        return None


class MeasuredDelay:
    """How many rows of the next chunk will have passed before it is out.

    The largest of the last `window` measurements, as RTC estimates it (arXiv 2506.07339,
    Algorithm 1: a buffer of 10): one slow chunk is forgotten after ten others.
    """

    def __init__(self, window: int = 10) -> None:
        self._measured: deque[int] = deque(maxlen=window)

    @property
    def rows(self) -> int:
        """The estimate; 0 before the first measurement."""
        return max(self._measured, default=0)

    @property
    def newest_rows(self) -> int:
        """What was measured last."""
        return self._measured[-1] if self._measured else 0

    def note(self, start_stamp_ns: int, step_s: float, published_ns: int) -> None:
        """Count the rows whose time came before the publication; row 0 is at `start_stamp_ns`."""
        late_rows = (published_ns - start_stamp_ns) / (step_s * _NS_PER_S)
        self._measured.append(max(0, math.ceil(late_rows - _ROUNDING_ROWS)))


def action_at(chunk: ActionChunk, stamp_ns: int) -> FloatArray | None:
    """The action [A] of a chunk at a time: on the line between two rows; None outside of it."""
    row = (stamp_ns - chunk.start_stamp_ns) / (chunk.step_s * _NS_PER_S)
    last = chunk.actions.shape[0] - 1
    if row < -_ROUNDING_ROWS or row > last + _ROUNDING_ROWS:
        return None
    row = min(max(row, 0.0), float(last))
    before = min(int(row + _ROUNDING_ROWS), last)
    after = min(before + 1, last)
    share = np.float32(min(max(row - before, 0.0), 1.0))
    first, second = chunk.actions[before], chunk.actions[after]
    between = first * (np.float32(1.0) - share) + second * share
    # Rounding must not carry it past its ends: two valid rows give a valid action.
    return np.clip(between, np.minimum(first, second), np.maximum(first, second))
