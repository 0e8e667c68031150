"""Makes the next thing while this one is being used, on another core."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
# Making one takes far less; a disk that is gone must not look like slow training [s].
_PATIENCE_S = 600.0


def read_ahead(things: Iterator[T]) -> Generator[T]:
    """Yield the same things in the same order, the next one already being made.

    Whoever makes them must share no random numbers with whoever uses them, or the two would get
    other ones from run to run. What goes wrong in the making is raised here.
    """
    with ThreadPoolExecutor(1, "read-ahead") as maker:
        end = object()
        coming = maker.submit(next, things, end)
        while (thing := coming.result(_PATIENCE_S)) is not end:
            coming = maker.submit(next, things, end)
            yield thing  # pyright: ignore[reportReturnType]  # The end is never yielded.
