"""What several chunks say about one instant."""

from typing import NamedTuple

import numpy as np

from bridge.arrays import AnyArray, FloatArray
from bridge.messages import ActionChunk, Hold, HoldReason

_NS_PER_S = 1_000_000_000
# Whole nanoseconds put the time of a row up to this far off [rows].
_ROUNDING_ROWS = 1e-4


class Opinions(NamedTuple):
    """The actions that K chunks have for one instant, the oldest first.

    `actions` is [K, A]; `motions` [K, A] is how far each chunk moves within one row just then.
    `sequence` and `row` are of the newest of these chunks.
    """

    actions: FloatArray
    motions: FloatArray
    sequence: int
    row: int


class Overlap:
    """The newest chunks, to be asked about an instant. Each is good from its first row to its last.

    Args:
        most: How many chunks are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._chunks: list[ActionChunk] = []
        self._start_ns = np.zeros(0, np.int64)
        self._rows = np.zeros((0, 1, 1), np.float32)

    def push(self, chunk: ActionChunk) -> None:
        """Take a chunk; the oldest goes. One of another shape or step begins anew."""
        if self._chunks and not is_alike(self._chunks[-1], chunk):
            self._chunks.clear()
        self._chunks = [*self._chunks, chunk][-self._most :]
        self._start_ns = np.array([chunk.start_stamp_ns for chunk in self._chunks])
        self._rows = np.stack([chunk.actions for chunk in self._chunks])

    def clear(self) -> None:
        """Forget all chunks."""
        self._chunks = []

    def at(self, now_ns: int) -> Opinions | Hold:
        """What the chunks that reach this instant say, or why none does."""
        if not self._chunks:
            return Hold(reason=HoldReason.NO_CHUNK, stamp_ns=now_ns)
        newest = self._chunks[-1]
        row = (now_ns - self._start_ns) / (newest.step_s * _NS_PER_S)
        last = self._rows.shape[1] - 1
        (speaking,) = np.nonzero((row >= -_ROUNDING_ROWS) & (row <= last + _ROUNDING_ROWS))
        if not len(speaking):
            return _hold(newest, now_ns)
        row = np.clip(row[speaking], 0.0, last)
        rows = self._rows[speaking]
        here = _between(rows, row)
        step_from = np.where(row < 1.0, row, row - 1.0)
        motions = _between(rows, np.minimum(step_from + 1.0, last)) - _between(rows, step_from)
        sequence = self._chunks[speaking[-1]].sequence
        return Opinions(here, motions, sequence, int(row[-1] + _ROUNDING_ROWS))


def _between(rows: FloatArray, row: AnyArray) -> FloatArray:
    """Points [K, A] on the straight lines between rows [K, H, A], at row numbers [K]."""
    before = (row + _ROUNDING_ROWS).astype(np.intp)
    after = np.minimum(before + 1, rows.shape[1] - 1)
    share = np.clip(row - before, 0.0, 1.0)[:, None].astype(np.float32)
    which = np.arange(len(rows))
    first, second = rows[which, before], rows[which, after]
    between = first * (np.float32(1.0) - share) + second * share
    between = np.clip(between, np.minimum(first, second), np.maximum(first, second))
    return between.astype(np.float32, copy=False)


def blend(actions: FloatArray, weights: AnyArray) -> FloatArray:
    """The weighted mean [A] of actions [K, A] by weights [K] > 0; never outside their hull."""
    share = weights / weights.sum()
    mean = (actions * share[:, None]).sum(axis=0).astype(np.float32)
    return np.clip(mean, actions.min(axis=0), actions.max(axis=0)).astype(np.float32)


def is_alike(chunk: ActionChunk, other: ActionChunk) -> bool:
    """Whether two chunks have the same shape and step."""
    return chunk.actions.shape == other.actions.shape and chunk.step_s == other.step_s


def _hold(newest: ActionChunk, now_ns: int) -> Hold:
    end_s = (newest.actions.shape[0] - 1) * newest.step_s
    late_s = (now_ns - newest.start_stamp_ns) / _NS_PER_S - end_s
    is_over = late_s > 0
    reason = HoldReason.CHUNK_EXPIRED if is_over else HoldReason.NO_CHUNK
    return Hold(reason=reason, age_s=late_s if is_over else late_s + end_s, stamp_ns=now_ns)
