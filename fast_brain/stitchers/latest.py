"""The newest chunk wins; between its rows, and from the action before it, a straight line."""

import math
from typing import NamedTuple

import numpy as np

from bridge.arrays import FloatArray, frozen_array
from bridge.messages import ActionChunk, Hold, HoldReason, PickedAction

_NS_PER_S = 1_000_000_000


class _Point(NamedTuple):
    """An action [A] and when it was, or is to be, reached."""

    stamp_ns: int
    action: FloatArray


class LatestStitcher:
    """Plays the newest chunk on its own time line and forgets the older ones; the baseline.

    A new chunk takes over without a jump: from the action picked last, straight to the next of its
    rows. Rows whose time has passed are never played. After its last row a chunk is over; then,
    and when a pick was answered with a hold, the next chunk starts from its own rows.
    """

    def __init__(self) -> None:
        self._chunk: ActionChunk | None = None
        self._step_ns = 0.0
        self._picked: _Point | None = None
        self._joint: _Point | None = None

    def push(self, chunk: ActionChunk, now_ns: int) -> None:
        """Take a new chunk; its first row still to come is reached from the last action."""
        del now_ns
        self._chunk = chunk
        self._step_ns = chunk.step_s * _NS_PER_S
        self._joint = self._picked

    def pick(self, now_ns: int) -> PickedAction | Hold:
        """The action for now: on the line between the row before and the row after."""
        answer = self._pick(now_ns)
        is_action = isinstance(answer, PickedAction)
        self._picked = _Point(now_ns, answer.action) if is_action else None
        return answer

    def reset(self) -> None:
        """Forget the chunk and the last action."""
        self._chunk = self._picked = self._joint = None

    def _pick(self, now_ns: int) -> PickedAction | Hold:
        chunk = self._chunk
        if chunk is None:
            return Hold(reason=HoldReason.NO_CHUNK, stamp_ns=now_ns)
        row = (now_ns - chunk.start_stamp_ns) / self._step_ns
        last = chunk.actions.shape[0] - 1
        # Rounding to whole ns may put the time of the last row a hair after it.
        if row > last and now_ns > self._row_time_ns(chunk, last):
            return _hold(HoldReason.CHUNK_EXPIRED, now_ns, (row - last) * self._step_ns)
        if row < 0 and (self._joint is None or -row > last + 1):
            return _hold(HoldReason.NO_CHUNK, now_ns, row * self._step_ns)
        index = min(max(math.floor(row + 1e-6), 0), last)
        action = self._action_at(chunk, now_ns, min(max(math.ceil(row - 1e-6), 0), last))
        return PickedAction(action, chunk.sequence, index)

    def _action_at(self, chunk: ActionChunk, now_ns: int, after: int) -> FloatArray:
        """The point for now on the line that ends in row `after`."""
        before = self._point_before(chunk, after)
        end_ns = self._row_time_ns(chunk, after)
        goal = chunk.actions[after]
        # A clock that was set back may put the beginning of the line behind its end.
        if before is None or now_ns >= end_ns or before.stamp_ns >= end_ns:
            return goal
        share = (now_ns - before.stamp_ns) / (end_ns - before.stamp_ns)
        share = np.float32(min(max(share, 0.0), 1.0))
        between = before.action * (np.float32(1.0) - share) + goal * share
        # Rounding must not carry it past its ends: two valid rows give a valid action.
        low, high = np.minimum(before.action, goal), np.maximum(before.action, goal)
        return frozen_array(np.clip(between, low, high))

    def _point_before(self, chunk: ActionChunk, after: int) -> _Point | None:
        """Where the line to row `after` begins: the row before, or the last action if later."""
        joint = self._joint
        start_ns = self._row_time_ns(chunk, after - 1)
        if joint is not None and joint.stamp_ns >= start_ns:
            return joint
        if after == 0:
            return joint
        return _Point(start_ns, chunk.actions[after - 1])

    def _row_time_ns(self, chunk: ActionChunk, row: int) -> int:
        return chunk.start_stamp_ns + round(row * self._step_ns)


def _hold(reason: HoldReason, now_ns: int, age_ns: float) -> Hold:
    return Hold(reason=reason, age_s=age_ns / _NS_PER_S, stamp_ns=now_ns)
