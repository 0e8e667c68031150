"""Sets the wall clock of this process wrong, as far as Python code can see; no other clock.

The machine's own clock stays right: setting it would hurt everybody else on the machine.
"""

import time

_true_time = time.time  # noqa: TID251  # What is to be set wrong.
_true_time_ns = time.time_ns


def shift_wall_clock(shift_s: float) -> None:
    """Let the wall clock be ahead by `shift_s` [s], behind if negative; 0 sets it right."""
    if not shift_s:
        time.time, time.time_ns = _true_time, _true_time_ns  # noqa: TID251  # As above.
        return
    time.time = lambda: _true_time() + shift_s  # noqa: TID251  # As above.
    time.time_ns = lambda: _true_time_ns() + round(shift_s * 1e9)
