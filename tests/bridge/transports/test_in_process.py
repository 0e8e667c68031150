import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ConfigError, TransportError
from bridge.transports.in_process import EventLog, InProcessLatestValue


@given(st.lists(st.integers(), min_size=1))
def test_newest_wins(numbers: list[int]) -> None:
    """Whatever was published before, the last one is read, and the version counts them all."""
    mailbox: InProcessLatestValue[int] = InProcessLatestValue()
    for number in numbers:
        mailbox.publish(number)
    assert mailbox.read() == numbers[-1]
    assert mailbox.version == len(numbers)


@given(st.lists(st.integers() | st.none(), max_size=60), st.integers(1, 5))
def test_log_keeps_order_and_counts(steps: list[int | None], capacity: int) -> None:
    """A log behaves as a bounded list: in order, nothing twice, and every loss is counted."""
    log: EventLog[int] = EventLog(capacity)
    waiting: list[int] = []
    lost = 0
    for step in steps:
        if step is None:
            assert log.take_all() == waiting
            waiting = []
        elif len(waiting) < capacity:
            assert log.offer(step)
            waiting.append(step)
        else:
            assert not log.offer(step)
            lost += 1
    statistics = log.statistics()
    assert (statistics.waiting, statistics.dropped) == (len(waiting), lost)
    assert statistics.appended == statistics.taken + statistics.waiting


def test_a_full_log_is_an_error() -> None:
    """What must not be lost is refused aloud when its reader has stopped."""
    log: EventLog[str] = EventLog(capacity=1)
    log.append("first")
    with pytest.raises(TransportError, match="1 messages wait"):
        log.append("second")
    assert log.take_all() == ["first"]


def test_high_water_mark_stays() -> None:
    """Statistics say how full the log ever was, not only how full it is."""
    log: EventLog[int] = EventLog(capacity=3)
    for number in range(3):
        log.append(number)
    log.take_all()
    assert log.statistics().most_waiting == 3
    assert log.statistics().waiting == 0


def test_a_log_without_room_is_refused() -> None:
    """A capacity below one is the operator's mistake."""
    with pytest.raises(ConfigError, match="at least 1"):
        EventLog(capacity=0)
