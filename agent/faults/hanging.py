"""Ways not to come back, for plug-ins in a process of their own; the supervisor has to end them."""

import ctypes

from bridge.clock import SystemClock

# Longer than anybody waits [s], and yet an end if nobody ends it.
_LONG_S = 600
_NS_PER_S = 1_000_000_000


def hang_in_native_code() -> None:
    """Sleep in C with Python's lock held: no other thread of the process runs either."""
    ctypes.PyDLL(None).sleep(_LONG_S)


def hang_in_python() -> None:
    """Compute without end."""
    clock = SystemClock()
    end_ns = clock.now_ns() + _LONG_S * _NS_PER_S
    while clock.now_ns() < end_ns:
        pass


def sleep_for(extra_s: float) -> None:
    """Take `extra_s` [s] longer; 0 in virtual time, where the runtime does it."""
    clock = SystemClock()
    clock.sleep_until_ns(clock.now_ns() + round(extra_s * _NS_PER_S))
