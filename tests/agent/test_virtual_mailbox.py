from hypothesis import given
from hypothesis import strategies as st

from agent.virtual_mailbox import DelayedLatestValue
from bridge.clock import ManualClock
from bridge.protocols import LatestValue


def delayed_by(clock: ManualClock, latency_ns: int) -> DelayedLatestValue[str]:
    """A mailbox whose writer always takes as long."""
    return DelayedLatestValue[str](
        clock, lambda mailbox, message: mailbox.deliver(message, clock.now_ns() + latency_ns)
    )


def test_a_message_is_seen_when_its_time_has_come() -> None:
    """A message is read when its latency is over, and not one ns earlier."""
    clock = ManualClock()
    mailbox = delayed_by(clock, 10)
    mailbox.publish("a")
    clock.advance_ns(9)
    assert (mailbox.read(), mailbox.version) == (None, 0)
    clock.advance_ns(1)
    assert (mailbox.read(), mailbox.version) == ("a", 1)


def test_it_is_a_latest_value_mailbox() -> None:
    """A node cannot tell it from any other mailbox."""
    assert isinstance(delayed_by(ManualClock(), 0), LatestValue)


def test_what_a_dead_writer_had_not_finished_is_never_seen() -> None:
    """Forgetting drops the messages under way, not the ones whose time has come."""
    clock = ManualClock()
    mailbox = delayed_by(clock, 10)
    mailbox.publish("a")
    clock.advance_ns(10)
    mailbox.publish("b")
    mailbox.forget_waiting()
    clock.advance_ns(100)
    assert mailbox.read() == "a"


def test_a_new_writer_is_not_held_up_by_what_was_forgotten() -> None:
    """After forgetting a message of the far future the next one is seen in time."""
    clock = ManualClock()
    mailbox = delayed_by(clock, 0)
    mailbox.deliver("never", 10**12)
    mailbox.forget_waiting()
    mailbox.publish("now")
    assert mailbox.read() == "now"


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 50)), max_size=30))
def test_messages_are_never_seen_out_of_order(steps: list[tuple[int, int]]) -> None:
    """Whatever the latencies, the value read only moves forward, and the last one arrives."""
    clock = ManualClock()
    mailbox = delayed_by(clock, 0)
    seen = [""]
    for number, (pause_ns, latency_ns) in enumerate(steps):
        clock.advance_ns(pause_ns)
        mailbox.deliver(f"{number:02}", clock.now_ns() + latency_ns)
        seen.append(mailbox.read() or "")
    assert seen == sorted(seen)
    clock.advance_ns(100)
    assert mailbox.read() == (f"{len(steps) - 1:02}" if steps else None)
    assert mailbox.version == len(steps)
