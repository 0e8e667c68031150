"""What the commands share: options, how errors and Ctrl-C are told, presets and overrides."""

import functools
import os
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, ParamSpec, TypeVar

import typer

from bridge.errors import ConfigError, TandemError

if TYPE_CHECKING:
    from agent.config import AgentConfig

P = ParamSpec("P")
R = TypeVar("R")

FAILED, MISCONFIGURED, INTERRUPTED = 1, 2, 130
_DEBUG = "TANDEM_DEBUG"
# Libraries that would write between our lines; read when they are imported, here and in processes.
_QUIET = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "TRANSFORMERS_VERBOSITY": "error"}

PresetOption = Annotated[
    str,
    typer.Option(help="A preset by name (see `agent list`), or the path of your own YAML file."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change one setting, as slow_brain.rate_hz=2; repeatable.",
    ),
]
SeedOption = Annotated[int, typer.Option(min=0, help="Fixes everything that is drawn at random.")]
WorkersOption = Annotated[int, typer.Option(min=1, help="How many processes do the work.")]
JsonOption = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write the result to this file.")
]


def set_debug(*, is_on: bool) -> None:
    """Let errors show where they come from, here and in the processes that are started."""
    if is_on:
        os.environ[_DEBUG] = "1"


def fail(text: str) -> None:
    """Say one sentence on standard error."""
    typer.secho(text, err=True, fg=typer.colors.RED)


def told(command: Callable[P, R]) -> Callable[P, R]:
    """Make a command end in a sentence and an exit code, never in a traceback.

    2 is for what the operator has to change, 1 for a job that failed, 130 for Ctrl-C.
    """

    @functools.wraps(command)
    def telling(*args: P.args, **kwargs: P.kwargs) -> R:
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        try:
            with _ended_by_signals():
                return command(*args, **kwargs)
        except TandemError as error:
            if os.environ.get(_DEBUG):
                raise
            fail(str(error))
            raise typer.Exit(MISCONFIGURED if isinstance(error, ConfigError) else FAILED) from None
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None

    return telling


@contextmanager
def _ended_by_signals() -> Generator[None]:
    """Let SIGTERM end a command the way Ctrl-C does: through every `finally`."""

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def serve_until_stopped(config: "AgentConfig", about: Callable[[str], str]) -> None:
    """Serve an agent until Ctrl-C.

    Args:
        config: The agent and the server.
        about: Makes of the address what is said first.

    Raises:
        TandemError: As for `agent.serve.serving`.
    """
    from agent.logs import configure_logs
    from agent.serve import serving

    configure_logs(level="WARNING")
    try:
        with serving(config, tell=typer.echo) as served:
            typer.echo(about(served.address))
            typer.echo(f'In another terminal: agent run "GOAL" --url {served.address}')
            typer.echo("Ctrl-C stops the robot and ends everything.")
            served.wait()
    except KeyboardInterrupt:
        typer.echo("Stopped.")
