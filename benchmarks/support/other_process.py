"""A function in a fresh process that sends its result back; nobody waits for it without a limit."""

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

# Long enough for a start on a busy machine; nobody waits longer than this on another process [s].
PATIENCE_S = 120.0
_CONTEXT = multiprocessing.get_context("spawn")


class OtherProcess:
    """What is known of it from here: whether it is ready, and its result."""

    def __init__(self, name: str, connection: Connection) -> None:
        self._name = name
        self._connection = connection

    def receive(self, patience_s: float) -> Any:  # noqa: ANN401  # Whatever the function sends.
        """The next thing it sends.

        Raises:
            TimeoutError: It sent nothing within `patience_s` [s].
        """
        if not self._connection.poll(patience_s):
            raise TimeoutError(f"{self._name} sent nothing for {patience_s:g} s.")
        return self._connection.recv()


@contextmanager
def other_process(function: Callable[..., None], *arguments: object) -> Iterator[OtherProcess]:
    """Run `function(connection, *arguments)` elsewhere; at the end it is ended.

    `connection` is a pipe's end, to send readiness and results through.
    """
    here, there = _CONTEXT.Pipe()
    process = _CONTEXT.Process(target=function, args=(there, *arguments), daemon=True)
    process.start()
    there.close()
    try:
        yield OtherProcess(function.__name__, here)
    finally:
        here.close()
        process.join(1.0)
        if process.is_alive():
            process.kill()
            process.join()
