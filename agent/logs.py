"""Logs: structlog to the terminal or as JSON lines, with ids bound to a run.

The control loop never logs: what it has to say goes into its status. Ray's own lines go to Ray's
files, so that the terminal shows only what concerns the robot.
"""

import contextlib
import logging
import sys
from typing import TextIO, cast

import structlog
from structlog.stdlib import BoundLogger

_NOISY = ("ray", "asyncio", "urllib3", "httpx", "httpcore", "uvicorn.access", "filelock")


def configure_logs(
    *, json: bool = False, level: str = "INFO", stream: TextIO | None = None, **bound: str
) -> None:
    """Set up logs of this process; callable again to change them.

    Args:
        json: One JSON object a line, for machines; else coloured lines for people.
        level: The least that is shown: "DEBUG", "INFO", "WARNING" or "ERROR".
        stream: Where they go; standard error if None, since standard output is for results.
        **bound: Ids that every line carries, such as `run_id`.
    """
    target = stream or sys.stderr
    shown = cast("int", getattr(logging, level.upper()))
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *_rendering(json=json, colors=target.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(shown),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Unfailing(target))),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**bound)
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(shown, logging.WARNING))


class _Unfailing:
    """A stream that loses what it cannot write.

    On a full disk, or when the terminal is gone, what wants to tell of it must not fall over it.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write if it can be written."""
        with contextlib.suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        """Flush if it can be flushed."""
        with contextlib.suppress(OSError):
            self._stream.flush()


def get_logger(name: str) -> BoundLogger:
    """A logger whose lines say which part of the agent they come from."""
    return cast("BoundLogger", structlog.get_logger(part=name))


def _rendering(*, json: bool, colors: bool) -> list[structlog.typing.Processor]:
    if json:
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    return [structlog.dev.ConsoleRenderer(colors=colors)]
