"""What a node's process takes of the machine, measured; and a word about it where that is much."""

from collections.abc import Callable

# A fast loop on a small machine is somebody's core.
_FAST_HZ = 500.0
_SMALL_CORES = 2
_SETTLED_NS = 5_000_000_000


class ProcessCost:
    """Measures the share of one core that this process takes.

    Args:
        node: Whose process it is.
        rate_hz: Its beats per second [Hz].
        cores: How many cores the machine has for us.
        cpu_time_ns: The processor time of this process so far [ns].
    """

    def __init__(
        self, node: str, rate_hz: float, cores: int, cpu_time_ns: Callable[[], int]
    ) -> None:
        self._what = f"{node} at {rate_hz:g} Hz"
        self._is_worth_a_word = rate_hz >= _FAST_HZ and cores <= _SMALL_CORES
        self._cores = cores
        self._cpu_time_ns = cpu_time_ns
        self._last: tuple[int, int] | None = None
        self._first: tuple[int, int] | None = None
        self.notice = ""

    def begin(self, now_ns: int) -> None:
        """Loading is over: what comes now is the beat."""
        self._first = self._last = (now_ns, self._cpu_time_ns())

    def share(self, now_ns: int) -> float:
        """The share of one core [1] since it was asked last; 0 before the beat has begun."""
        if self._last is None or self._first is None or now_ns <= self._last[0]:
            return 0.0
        last, self._last = self._last, (now_ns, self._cpu_time_ns())
        if self._is_worth_a_word and now_ns - self._first[0] >= _SETTLED_NS and not self.notice:
            self.notice = (
                f"{self._what} takes {_share(self._first, self._last):.0%} of one of this "
                f"machine's {self._cores} cores; a lower fast_brain.control_rate_hz takes less"
            )
        return _share(last, self._last)


def _share(begin: tuple[int, int], end: tuple[int, int]) -> float:
    return (end[1] - begin[1]) / (end[0] - begin[0])
