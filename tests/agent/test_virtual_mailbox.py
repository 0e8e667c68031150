from hypothesis import given
from hypothesis import strategies as st

from agent.virtual_mailbox import DelayedLatestValue
from bridge.clock import ManualClock
from bridge.protocols import LatestValue


def test_a_message_is_seen_when_its_latency_has_passed() -> None:
    """A message published now is read when its latency is over, and not one ns earlier."""
    clock = ManualClock()
    mailbox = DelayedLatestValue[str](clock, lambda: 10)
    mailbox.publish("a")
    clock.advance_ns(9)
    assert (mailbox.read(), mailbox.version) == (None, 0)
    clock.advance_ns(1)
    assert (mailbox.read(), mailbox.version) == ("a", 1)


def test_it_is_a_latest_value_mailbox() -> None:
    """A node cannot tell it from any other mailbox."""
    assert isinstance(DelayedLatestValue[str](ManualClock(), lambda: 0), LatestValue)


def test_what_a_dead_writer_had_not_finished_is_never_seen() -> None:
    """Forgetting drops the messages under way and keeps the one that was seen."""
    clock = ManualClock()
    mailbox = DelayedLatestValue[str](clock, lambda: 10)
    mailbox.publish("a")
    clock.advance_ns(10)
    assert mailbox.read() == "a"
    mailbox.publish("b")
    mailbox.forget_waiting()
    clock.advance_ns(100)
    assert mailbox.read() == "a"


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 50)), max_size=30))
def test_messages_are_never_seen_out_of_order(steps: list[tuple[int, int]]) -> None:
    """Whatever the latencies, the value read only moves forward, and the last one arrives."""
    clock = ManualClock()
    latency_ns = 0
    mailbox = DelayedLatestValue[int](clock, lambda: latency_ns)
    seen = [-1]
    for number, (pause_ns, delay_ns) in enumerate(steps):
        clock.advance_ns(pause_ns)
        latency_ns = delay_ns
        mailbox.publish(number)
        value = mailbox.read()
        seen.append(-1 if value is None else value)
    assert seen == sorted(seen)
    clock.advance_ns(100)
    assert mailbox.read() == (len(steps) - 1 if steps else None)
    assert mailbox.version == len(steps)
