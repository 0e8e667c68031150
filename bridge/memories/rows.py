"""Where a stream's tokens lie: fixed rows that are never written again while anybody may read them.

A change takes a free row and leaves the old one alone, and a row that is let go waits at the end of
the queue of free rows. So whoever was told the order of the rows may go on reading them in place
for `GRACE_WRITES` further writes, and an entry's `id` changes exactly when its tokens or time do.
"""

from collections import deque
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from bridge.arrays import AnyArray, FloatArray, frozen_array

SPARE_ROWS = 12
# A write takes at most three rows: for the new latent, for what fusion made of the one before, and
# for what a merge makes.
_ROWS_A_WRITE = 3
GRACE_WRITES = SPARE_ROWS // _ROWS_A_WRITE - 1


class StreamEntries(NamedTuple):
    """A stream's entries in order of time, in place.

    `rows` [R, N, D] is all there are, read-only; entry i lies in row `row_of[i]`, was observed at
    `time_s[i]` [s of the episode], and is told from every other by `ids[i]`.
    """

    rows: FloatArray
    row_of: npt.NDArray[np.int32]
    ids: npt.NDArray[np.int64]
    time_s: npt.NDArray[np.float64]

    def copy(self) -> FloatArray:
        """The entries' tokens [L, N, D] in order, read-only and safe from later writes."""
        tokens = self.rows[self.row_of]
        tokens.flags.writeable = False
        return tokens


class StreamState(msgspec.Struct, frozen=True, kw_only=True, tag=True, eq=False):
    """A stream as it is stored: times [L], the marks of its kind [L], tokens [L, N, D]."""

    time_s: AnyArray
    marks: AnyArray
    tokens: FloatArray


class StreamRows:
    """The entries of one stream, in order of time.

    Args:
        rows: Memory for at least one more entry than are kept, and `SPARE_ROWS`; [R, N, D].
    """

    def __init__(self, rows: FloatArray) -> None:
        self._rows = rows
        self._read_only = rows.view()
        self._read_only.flags.writeable = False
        self._free = deque(range(len(rows)))
        self._order: list[int] = []
        self.ids: list[int] = []
        self._next_id = 1
        self.time_s: list[float] = []
        # What a kind of memory wants to know about an entry; see the kinds.
        self.marks: list[float] = []

    @staticmethod
    def count_for(capacity: int) -> int:
        """How many rows a memory of this many entries takes."""
        return capacity + 1 + SPARE_ROWS

    def __len__(self) -> int:
        return len(self._order)

    def tokens(self, place: int) -> FloatArray:
        """The tokens [N, D] of one entry, in place and read-only."""
        return self._read_only[self._order[place]]

    def append(self, tokens: FloatArray, time_s: float, mark: float = 0.0) -> None:
        """Add the newest entry."""
        self._order.append(self._filled(tokens))
        self.ids.append(self._new_id())
        self.time_s.append(time_s)
        self.marks.append(mark)

    def replace(self, place: int, tokens: FloatArray, time_s: float) -> None:
        """Let another entry stand in the place of one."""
        self._free.append(self._order[place])
        self._order[place], self.ids[place] = self._filled(tokens), self._new_id()
        self.time_s[place] = time_s

    def drop(self, place: int) -> None:
        """Forget one entry."""
        self._free.append(self._order[place])
        for column in (self._order, self.ids, self.time_s, self.marks):
            del column[place]

    def clear(self) -> None:
        """Forget everything; touches no row, so it costs the same however wide they are."""
        self._free.extend(self._order)
        for column in (self._order, self.ids, self.time_s, self.marks):
            column.clear()

    def entries(self) -> StreamEntries:
        """What there is now, in place."""
        return StreamEntries(
            rows=self._read_only,
            row_of=np.array(self._order, np.int32),
            ids=np.array(self.ids, np.int64),
            time_s=np.array(self.time_s, np.float64),
        )

    def save(self) -> StreamState:
        """All of it, to be restored."""
        return StreamState(
            time_s=frozen_array(np.array(self.time_s, np.float64)),
            marks=frozen_array(np.array(self.marks, np.float64)),
            tokens=self.entries().copy(),
        )

    def load(self, state: StreamState) -> None:
        """Hold what was saved; the caller has checked it."""
        self.clear()
        for tokens, time_s, mark in zip(state.tokens, state.time_s, state.marks, strict=True):
            self.append(tokens, float(time_s), float(mark))

    def _filled(self, tokens: FloatArray) -> int:
        row = self._free.popleft()
        self._rows[row] = tokens
        return row

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id
