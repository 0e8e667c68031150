"""A file for a library that goes on when a write fails: the first failure is kept and told."""

from io import FileIO
from pathlib import Path


class CheckedFile(FileIO):
    """Once a write has failed nothing more is written, and `check` raises what went wrong.

    HDF5 writes from destructors, where an error is printed and lost, and crashes on some of them.

    Args:
        path: Where nothing is yet.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "x+b")
        self._error: OSError | None = None

    def write(self, data: bytes | memoryview, /) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]  # Any buffer.
        """Write all of it, or remember why not."""
        left = memoryview(data)
        size = left.nbytes
        while left.nbytes and self._error is None:
            try:
                left = left[super().write(left) :]
            except OSError as error:
                self._error = error
        return size

    def check(self) -> None:
        """Say what could not be written.

        Raises:
            OSError: Something could not.
        """
        if self._error is not None:
            raise self._error
