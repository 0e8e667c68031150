"""Keeping a rate: absolute deadlines, how late each beat came, and which were missed.

Deadlines lie on a fixed grid, so one late beat does not push back the next. Nothing here allocates
or grows while it runs: times are counted in buckets that are made once.
"""

import math
from array import array
from collections.abc import Sequence

import numpy as np

_NS_PER_S = 1_000_000_000
_NS_PER_MS = 1_000_000
# Buckets grow by 2^(1/16), so a percentile is at most 4.5 % too large, from 1 µs to 18 minutes.
_BUCKETS_PER_DOUBLING = 16
_DOUBLINGS = 30
_SMALLEST_NS = 1_000
_RATE_WINDOW = 256


class TimeHistogram:
    """Counts how long something took; preallocated, exact in its maximum, 4.5 % coarse elsewhere.

    Adding takes half a microsecond, asking for percentiles some ten.
    """

    def __init__(self) -> None:
        self._counts = array("q", bytes(8 * (_BUCKETS_PER_DOUBLING * _DOUBLINGS + 1)))
        self._count = 0
        self._max_ns = 0

    @property
    def count(self) -> int:
        """How many times were counted."""
        return self._count

    @property
    def max_ms(self) -> float:
        """The longest time [ms]."""
        return self._max_ns / _NS_PER_MS

    def add(self, took_ns: int) -> None:
        """Count one time; below zero counts as zero."""
        bucket = 0
        if took_ns > _SMALLEST_NS:
            doublings = math.log2(took_ns / _SMALLEST_NS)
            bucket = min(math.ceil(doublings * _BUCKETS_PER_DOUBLING), len(self._counts) - 1)
        self._counts[bucket] += 1
        self._count += 1
        self._max_ns = max(self._max_ns, took_ns)

    def percentile_ms(self, share: float) -> float:
        """The time [ms] that `share` in (0, 1] of all do not pass; 0 before the first."""
        return self.percentiles_ms((share,))[0]

    def percentiles_ms(self, shares: Sequence[float]) -> list[float]:
        """The same for several shares at once."""
        if not self._count:
            return [0.0] * len(shares)
        seen = np.cumsum(np.frombuffer(self._counts, np.int64))
        buckets = np.searchsorted(seen, np.asarray(shares) * self._count)
        return [self._edge_ms(int(bucket)) for bucket in buckets]

    def _edge_ms(self, bucket: int) -> float:
        if bucket == 0:
            return 0.0
        edge_ns = _SMALLEST_NS * 2.0 ** (bucket / _BUCKETS_PER_DOUBLING)
        return min(edge_ns, float(self._max_ns)) / _NS_PER_MS


class RateKeeper:
    """The deadlines of one beat, and the record of how well they were kept. No clock inside."""

    def __init__(self, rate_hz: float) -> None:
        """Make a keeper whose grid begins with the first `beat`; `rate_hz` [Hz] is above zero."""
        self.rate_hz = rate_hz
        self.lateness = TimeHistogram()
        # Of the newest beat [ns].
        self.late_ns = 0
        self.beats = 0
        self.missed = 0
        self._period_ns = _NS_PER_S / rate_hz
        self._origin_ns: int | None = None
        self._next = 0
        self._recent_ns = [0] * _RATE_WINDOW

    @property
    def next_deadline_ns(self) -> int:
        """When the next beat is due [ns]; 0, so at once, before the first."""
        return 0 if self._origin_ns is None else self._deadline_ns(self._next)

    @property
    def effective_rate_hz(self) -> float:
        """The rate over the last beats, up to 256 of them [Hz]; 0 before the second."""
        kept = min(self.beats, _RATE_WINDOW)
        newest_ns = self._recent_ns[(self.beats - 1) % _RATE_WINDOW]
        oldest_ns = self._recent_ns[(self.beats - kept) % _RATE_WINDOW]
        passed_ns = newest_ns - oldest_ns
        return (kept - 1) * _NS_PER_S / passed_ns if kept > 1 and passed_ns > 0 else 0.0

    def beat(self, now_ns: int) -> int:
        """Record that a beat begins now; deadlines that have passed meanwhile are skipped.

        A clock that was set back by more than a beat begins the grid anew.

        Returns:
            How many deadlines were skipped before this beat's own next one.
        """
        if self._origin_ns is None or now_ns < self.next_deadline_ns - self._period_ns:
            self._origin_ns, self._next = now_ns, 0
        self.late_ns = late_ns = max(0, now_ns - self.next_deadline_ns)
        skipped = int(late_ns // self._period_ns)
        self.lateness.add(late_ns)
        self._recent_ns[self.beats % _RATE_WINDOW] = now_ns
        self.beats += 1
        self.missed += skipped
        self._next += skipped + 1
        return skipped

    def _deadline_ns(self, number: int) -> int:
        # Multiplied, not summed up: a period that is no whole number of ns must not drift.
        return (self._origin_ns or 0) + round(number * self._period_ns)
