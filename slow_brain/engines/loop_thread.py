"""An event loop in a thread of its own, for a library that speaks asyncio only."""

import asyncio
import queue
import threading
from collections.abc import AsyncGenerator, Coroutine, Generator
from typing import Any, NamedTuple, TypeVar

from bridge.errors import TransportError

T = TypeVar("T")
_STOP_LIMIT_S = 10.0


class _End(NamedTuple):
    """A stream is over, by itself or by an error."""

    error: Exception | None


class LoopThread:
    """Runs coroutines for threads that know nothing of asyncio; every wait has a limit.

    Args:
        name: Of the thread.
    """

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], limit_s: float, what: str) -> T:
        """Return what the coroutine returns.

        Args:
            work: The coroutine; it is cancelled when time is up.
            limit_s: Longest wait [s].
            what: What is waited for, for the error.

        Raises:
            TransportError: Time is up.
        """
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(limit_s)
        except TimeoutError as error:
            future.cancel()
            raise TransportError(f"{what} took longer than {limit_s:g} s.") from error

    def iterate(self, source: AsyncGenerator[T], silence_s: float, what: str) -> Generator[T]:
        """Yield what the source yields; closing closes the source, and waits until it is.

        The source runs ahead of whoever reads: an item costs no trip to the loop and back.

        Args:
            source: Runs in the loop.
            silence_s: Longest wait for the next item, and for the source to close [s].
            what: What is waited for, for the error.

        Raises:
            TransportError: The source was silent for too long.
        """
        items: queue.SimpleQueue[T | _End] = queue.SimpleQueue()
        pump = asyncio.run_coroutine_threadsafe(_pump(source, items), self._loop)
        is_over = False
        try:
            while not isinstance(item := _get(items, silence_s, what), _End):
                yield item
            is_over = True
            if item.error is not None:
                raise item.error
        finally:
            pump.cancel()
            while not is_over:
                is_over = isinstance(_get(items, silence_s, f"Closing {what}"), _End)

    def close(self) -> None:
        """End what still runs, then the loop and its thread."""
        ending = asyncio.run_coroutine_threadsafe(_end_tasks(), self._loop)
        ending.add_done_callback(lambda _: self._loop.call_soon_threadsafe(self._loop.stop))
        self._thread.join(_STOP_LIMIT_S)
        # One that something blocks ends with the process, whose thread it is.
        if not self._thread.is_alive():
            self._loop.close()


async def _pump(source: AsyncGenerator[T], items: "queue.SimpleQueue[T | _End]") -> None:
    """Hand every item over; the end comes last, also when this is cancelled."""
    error: Exception | None = None
    try:
        async for item in source:
            items.put(item)
    except Exception as failure:  # noqa: BLE001  # Raised again in the thread that reads.
        error = failure
    finally:
        try:
            await source.aclose()
        finally:
            items.put(_End(error))


def _get(items: "queue.SimpleQueue[T]", limit_s: float, what: str) -> T:
    try:
        return items.get(timeout=limit_s)
    except queue.Empty as error:
        raise TransportError(f"{what} took longer than {limit_s:g} s.") from error


async def _end_tasks() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=_STOP_LIMIT_S)
