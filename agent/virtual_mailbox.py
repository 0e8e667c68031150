"""A mailbox in virtual time: what is published is seen only when its writer would be ready."""

from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from bridge.protocols import Clock

T = TypeVar("T")


class DelayedLatestValue(Generic[T]):
    """Holds the newest message whose time has come. For one thread.

    When a message is published its time is not known yet: whoever steps the writer is handed it,
    and delivers it when the step is over.
    """

    def __init__(
        self, clock: Clock, hand_over: Callable[["DelayedLatestValue[Any]", Any], None]
    ) -> None:
        """Make an empty mailbox.

        Args:
            clock: Whose time it is.
            hand_over: Called with this mailbox and the message at each publication.
        """
        self._clock = clock
        self._hand_over = hand_over
        self._waiting: deque[tuple[int, T]] = deque()
        self._seen: T | None = None
        self._version = 0
        self._last_due_ns = 0

    def publish(self, message: T) -> None:
        """Hand the message to whoever knows how long it takes."""
        self._hand_over(self, message)

    def deliver(self, message: T, due_ns: int) -> None:
        """Let the message be seen from `due_ns` on; never before one that was delivered earlier."""
        self._last_due_ns = max(due_ns, self._last_due_ns)
        self._waiting.append((self._last_due_ns, message))

    def read(self) -> T | None:
        """The newest message that is visible now, or None before the first."""
        self._catch_up()
        return self._seen

    @property
    def version(self) -> int:
        """How many messages have become visible so far."""
        self._catch_up()
        return self._version

    def forget_waiting(self) -> None:
        """Drop what is not visible yet: its writer died before it was ready."""
        self._catch_up()
        self._waiting.clear()
        self._last_due_ns = 0

    def _catch_up(self) -> None:
        now_ns = self._clock.now_ns()
        while self._waiting and self._waiting[0][0] <= now_ns:
            self._seen = self._waiting.popleft()[1]
            self._version += 1
