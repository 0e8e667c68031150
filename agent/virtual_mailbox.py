"""A mailbox in virtual time: what is published is seen only when its writer would be ready."""

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from bridge.protocols import Clock

T = TypeVar("T")


class DelayedLatestValue(Generic[T]):
    """Holds the newest message whose time has come. For one thread."""

    def __init__(self, clock: Clock, latency_ns: Callable[[], int]) -> None:
        """Make an empty mailbox.

        Args:
            clock: Whose time it is.
            latency_ns: Asked at each publication: how much later it is seen [ns], ≥ 0.
        """
        self._clock = clock
        self._latency_ns = latency_ns
        self._waiting: deque[tuple[int, T]] = deque()
        self._seen: T | None = None
        self._version = 0
        self._last_due_ns = 0

    def publish(self, message: T) -> None:
        """Queue the message; one published later is never seen earlier."""
        due_ns = max(self._clock.now_ns() + self._latency_ns(), self._last_due_ns)
        self._last_due_ns = due_ns
        self._waiting.append((due_ns, message))

    def read(self) -> T | None:
        """The newest message that is visible now, or None before the first."""
        self._deliver()
        return self._seen

    @property
    def version(self) -> int:
        """How many messages have become visible so far."""
        self._deliver()
        return self._version

    def forget_waiting(self) -> None:
        """Drop what is not visible yet: its writer died before it was ready."""
        self._waiting.clear()

    def _deliver(self) -> None:
        now_ns = self._clock.now_ns()
        while self._waiting and self._waiting[0][0] <= now_ns:
            self._seen = self._waiting.popleft()[1]
            self._version += 1
