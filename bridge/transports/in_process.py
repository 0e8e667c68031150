"""The newest value inside one process; the ordered log is in `ring.py`."""

from typing import Generic, TypeVar

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
