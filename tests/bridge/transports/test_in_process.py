from hypothesis import given
from hypothesis import strategies as st

from bridge.transports.in_process import InProcessLatestValue


@given(st.lists(st.integers(), min_size=1))
def test_newest_wins(numbers: list[int]) -> None:
    """Whatever was published before, the last one is read, and the version counts them all."""
    mailbox: InProcessLatestValue[int] = InProcessLatestValue()
    for number in numbers:
        mailbox.publish(number)
    assert mailbox.read() == numbers[-1]
    assert mailbox.version == len(numbers)
