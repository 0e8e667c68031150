"""What every mailbox keeps."""

from bridge.messages import Goal
from bridge.protocols import LatestValue


class LatestValueContract:
    """For a `LatestValue` of goals. Override `make`."""

    def make(self) -> LatestValue[Goal]:
        """A new mailbox."""
        raise NotImplementedError

    def test_meets_the_protocol(self) -> None:
        """It has every verb of `LatestValue`."""
        assert isinstance(self.make(), LatestValue)

    def test_is_none_at_first(self) -> None:
        """Before the first message it reads None at version 0."""
        mailbox = self.make()
        assert mailbox.read() is None
        assert mailbox.version == 0

    def test_newest_wins(self) -> None:
        """After each publish the newest message is read, as often as one likes."""
        mailbox = self.make()
        for number in range(1, 10):
            goal = Goal(text=f"goal {number}", id=str(number), source="test", stamp_ns=number)
            mailbox.publish(goal)
            assert mailbox.read() == goal
            assert mailbox.read() == goal
            assert mailbox.version == number
