import time

import pytest

from bridge.clock import ManualClock, SystemClock, seconds_between
from bridge.errors import ContractError
from bridge.protocols import Clock


def test_both_clocks_meet_the_protocol() -> None:
    """System and manual clock can stand in for each other."""
    assert isinstance(SystemClock(), Clock)
    assert isinstance(ManualClock(), Clock)


def test_system_clock_is_the_monotonic_clock() -> None:
    """Its stamps lie on the timeline that all processes of a machine share."""
    before, now_ns, after = time.perf_counter_ns(), SystemClock().now_ns(), time.perf_counter_ns()
    assert before <= now_ns <= after


def test_system_clock_returns_at_or_after_the_deadline() -> None:
    """Sleeping never ends early, and a deadline in the past costs no wait."""
    clock = SystemClock()
    deadline_ns = clock.now_ns() + 1_000_000
    clock.sleep_until_ns(deadline_ns)
    assert clock.now_ns() >= deadline_ns
    clock.sleep_until_ns(0)


def test_a_final_spin_never_ends_early_either() -> None:
    """Watching the clock at the end changes how exactly it wakes, not the promise."""
    clock = SystemClock(final_spin_ns=300_000)
    deadline_ns = clock.now_ns() + 500_000
    clock.sleep_until_ns(deadline_ns)
    assert clock.now_ns() >= deadline_ns
    clock.sleep_until_ns(0)


def test_manual_clock_jumps_to_the_deadline() -> None:
    """Virtual sleep takes no time and lands on the deadline, never before now."""
    clock = ManualClock(5)
    clock.sleep_until_ns(9)
    assert clock.now_ns() == 9
    clock.sleep_until_ns(3)
    assert clock.now_ns() == 9


def test_manual_clock_does_not_run_backwards() -> None:
    """A negative step is refused and time stands where it stood."""
    clock = ManualClock(5)
    clock.advance_ns(2)
    with pytest.raises(ContractError, match="-1 ns"):
        clock.advance_ns(-1)
    assert clock.now_ns() == 7


def test_seconds_between_keeps_the_sign() -> None:
    """Stamps the wrong way round give a negative time, not an error."""
    assert seconds_between(1_000_000_000, 3_500_000_000) == 2.5
    assert seconds_between(3_500_000_000, 1_000_000_000) == -2.5
