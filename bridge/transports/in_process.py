"""Transports inside one process: the newest value, and an ordered log."""

from collections import deque
from typing import Generic, NamedTuple, TypeVar

from bridge.errors import ConfigError, TransportError

T = TypeVar("T")


class InProcessLatestValue(Generic[T]):
    """Holds the newest message. One writer thread, any number of readers, no lock.

    Value and version are swapped in one assignment, so a reader never sees one without the other.
    """

    def __init__(self) -> None:
        self._held: tuple[int, T | None] = (0, None)

    def publish(self, message: T) -> None:
        """Replace the value."""
        self._held = (self._held[0] + 1, message)

    def read(self) -> T | None:
        """The newest message, or None before the first."""
        return self._held[1]

    @property
    def version(self) -> int:
        """How many messages were published so far."""
        return self._held[0]


class LogStatistics(NamedTuple):
    """What went through an `EventLog`; `most_waiting` is the high-water mark."""

    appended: int
    dropped: int
    taken: int
    waiting: int
    most_waiting: int
    capacity: int


class EventLog(Generic[T]):
    """Keeps every message in order until it is taken. One writer thread, one reader thread.

    Bounded, and never waits: a full log is an error for `append`, and a count for `offer`.
    """

    def __init__(self, capacity: int = 1024) -> None:
        if capacity < 1:
            raise ConfigError(f"An event log needs room for at least 1 message, not {capacity}.")
        self._capacity = capacity
        # deque.append and popleft are atomic, which is all that one writer and one reader need.
        self._waiting: deque[T] = deque()
        self._appended = self._dropped = self._taken = self._most_waiting = 0

    def append(self, message: T) -> None:
        """Add a message that must not be lost.

        Raises:
            TransportError: The log is full; the message was not added.
        """
        if not self.offer(message):
            raise TransportError(
                f"The event log is full: {self._capacity} messages wait to be taken. "
                "Its reader has stopped or is too slow."
            )

    def offer(self, message: T) -> bool:
        """Add a message that may be lost; say whether it was added."""
        if len(self._waiting) >= self._capacity:
            self._dropped += 1
            return False
        self._waiting.append(message)
        self._appended += 1
        self._most_waiting = max(self._most_waiting, len(self._waiting))
        return True

    def take_all(self) -> list[T]:
        """Remove and return what waits now, oldest first."""
        taken = [self._waiting.popleft() for _ in range(len(self._waiting))]
        self._taken += len(taken)
        return taken

    def statistics(self) -> LogStatistics:
        """Counts since the log was made."""
        return LogStatistics(
            appended=self._appended,
            dropped=self._dropped,
            taken=self._taken,
            waiting=len(self._waiting),
            most_waiting=self._most_waiting,
            capacity=self._capacity,
        )
