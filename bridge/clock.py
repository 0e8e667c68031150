"""Clocks: time is a parameter, so tests and replay run the same code in virtual time.

All stamps in Tandem are nanoseconds of `time.perf_counter_ns`, which on Linux is CLOCK_MONOTONIC:
one timeline for all processes of a machine, that never jumps and means nothing on another machine.
"""

import time

from bridge.errors import ContractError

_NS_PER_S = 1_000_000_000


def seconds_between(earlier_ns: int, later_ns: int) -> float:
    """Time from one stamp to another [s]; negative when they are the wrong way round."""
    return (later_ns - earlier_ns) / _NS_PER_S


class SystemClock:
    """The machine's monotonic clock.

    Args:
        final_spin_ns: How long before a deadline it stops sleeping and looks at the time until it
            has come [ns]: wakes more exactly, and takes that much of a core at each deadline.
    """

    def __init__(self, *, final_spin_ns: int = 0) -> None:
        self._final_spin_ns = final_spin_ns

    def now_ns(self) -> int:
        """Time since an arbitrary start, shared by all processes of this machine [ns]."""
        return time.perf_counter_ns()

    def sleep_until_ns(self, deadline_ns: int) -> None:
        """Block the calling thread until the deadline; return at once if it has passed."""
        remaining_ns = deadline_ns - self._final_spin_ns - time.perf_counter_ns()
        if remaining_ns > 0:
            time.sleep(remaining_ns / _NS_PER_S)
        if self._final_spin_ns:
            while time.perf_counter_ns() < deadline_ns:
                pass


class ManualClock:
    """Virtual time: stands still until it is told, and sleeping is a jump. For one thread."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        """Virtual time [ns]."""
        return self._now_ns

    def sleep_until_ns(self, deadline_ns: int) -> None:
        """Jump to the deadline; stay where we are if it has passed."""
        self._now_ns = max(self._now_ns, deadline_ns)

    def advance_ns(self, step_ns: int) -> None:
        """Let `step_ns` ≥ 0 pass.

        Raises:
            ContractError: The step is negative; time does not run backwards.
        """
        if step_ns < 0:
            raise ContractError(leaf="step_ns", expected="a step ≥ 0 ns", got=f"{step_ns} ns")
        self._now_ns += step_ns
