"""An event loop in a thread of its own, for a library that speaks asyncio only."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from bridge.errors import TransportError

T = TypeVar("T")
_STOP_LIMIT_S = 10.0


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

    def close(self) -> None:
        """Stop the loop and its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STOP_LIMIT_S)
        # One that something blocks ends with the process, whose thread it is.
        if not self._thread.is_alive():
            self._loop.close()
