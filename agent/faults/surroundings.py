"""What is around a process, set wrong for this process alone: its wall clock, and its disk.

The machine's own clock and disk stay as they are: spoiling them would hurt everybody else on it.
"""

import resource
import time

_true_time = time.time  # noqa: TID251  # What is to be set wrong.
_true_time_ns = time.time_ns


def shift_wall_clock(shift_s: float) -> None:
    """Let the wall clock be ahead by `shift_s` [s], behind if negative; 0 sets it right.

    As far as Python code can see; monotonic time is not touched.
    """
    if not shift_s:
        time.time, time.time_ns = _true_time, _true_time_ns  # noqa: TID251  # As above.
        return
    time.time = lambda: _true_time() + shift_s  # noqa: TID251  # As above.
    time.time_ns = lambda: _true_time_ns() + round(shift_s * 1e9)


def fill_disk(*, is_full: bool) -> None:
    """Let every write to a file fail from now on, or let it succeed again.

    The kernel refuses files of more than one byte, as it refuses them on a full disk.
    """
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 if is_full else most, most))
