"""Which two neighbours of a memory are most alike, and how they become one."""

from itertools import pairwise

import numpy as np

from bridge.memories.likeness import likeness
from bridge.memories.rows import StreamRows


class Neighbours:
    """How alike each two neighbours are, worked out once for each pair.

    Args:
        streams: One, or several that hold the same entries: then it is the mean over all tokens.
    """

    def __init__(self, *streams: StreamRows) -> None:
        self._streams = streams
        self._known: dict[tuple[int, int], float] = {}

    def most_alike(self) -> int:
        """The place of the earlier of the two; the first of several equal pairs."""
        known, ids = self._known, self._streams[0].ids
        self._known = {
            pair: known[pair] if pair in known else self._alike(place)
            for place, pair in enumerate(pairwise(ids))
        }
        alike = list(self._known.values())
        return alike.index(max(alike))

    def _alike(self, place: int) -> float:
        tokens = [(s.tokens(place), s.tokens(place + 1)) for s in self._streams]
        counts = [len(first) for first, _ in tokens]
        sums = [likeness(*pair) * count for pair, count in zip(tokens, counts, strict=True)]
        return float(np.float32(sum(sums) / sum(counts)))


def merge(stream: StreamRows, pair: int, time_s: float) -> None:
    """Let the mean of two neighbours stand for both, observed at `time_s` [s].

    Source: MemoryVLA (arXiv 2508.19236): unweighted, however often either was merged before.
    """
    first, second = stream.tokens(pair), stream.tokens(pair + 1)
    # Halved before adding, so that two large finite values stay finite.
    stream.replace(pair, (first / 2 + second / 2).astype(np.float32, copy=False), time_s)
    stream.drop(pair + 1)
