"""When to try again: a few times, after pauses that grow and vary, and never past a deadline."""

import numpy as np

from bridge.protocols import Clock

_NS_PER_S = 1_000_000_000
_LONGEST_PAUSE_S = 5.0


class Backoff:
    """Counts the tries of one request.

    Args:
        retries: How many tries there are after the first.
        first_s: Longest pause before the first of them [s]; it doubles with each.
        clock: Pauses by it.
    """

    def __init__(self, retries: int, first_s: float, clock: Clock) -> None:
        self._left, self._pause_s, self._clock = retries, first_s, clock
        # So that many robots do not come back to one server in step.
        self._random = np.random.default_rng()

    def wait(self, deadline_ns: int) -> bool:
        """Pause, and say whether there is another try.

        The pause is between half and all of its length. There is no other try if it would end
        after the deadline.
        """
        if not self._left:
            return False
        pause_s = min(self._pause_s, _LONGEST_PAUSE_S) * self._random.uniform(0.5, 1.0)
        end_ns = self._clock.now_ns() + round(pause_s * _NS_PER_S)
        if end_ns >= deadline_ns:
            return False
        self._left, self._pause_s = self._left - 1, self._pause_s * 2
        self._clock.sleep_until_ns(end_ns)
        return True
