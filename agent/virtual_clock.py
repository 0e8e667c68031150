"""A node's own clock in virtual time: once it has published, the work behind that is over."""

from collections.abc import Callable

from bridge.protocols import Clock


class WorkingClock:
    """The run's clock, ahead by how long the step under way has worked so far.

    Within a step virtual time stands still; a node that asks, after publishing, how late it is
    would be told that its work took no time.
    """

    def __init__(self, clock: Clock, worked_ns: Callable[[], int]) -> None:
        """Make a clock.

        Args:
            clock: The run's.
            worked_ns: How long the step under way has worked by now [ns].
        """
        self._clock = clock
        self._worked_ns = worked_ns

    def now_ns(self) -> int:
        """Virtual time [ns], with the work that is done."""
        return self._clock.now_ns() + self._worked_ns()

    def sleep_until_ns(self, deadline_ns: int) -> None:
        """As the run's clock."""
        self._clock.sleep_until_ns(deadline_ns)
