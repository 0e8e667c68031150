"""`agent trace export`: a recorded run, or a part of it, as a file for others."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands.common import told
from agent.commands.tracing import JsonFlag, RunArgument, RunsOption, seconds_of
from agent.exporting.target import Target

if TYPE_CHECKING:
    from agent.exporting.stretch import OnProgress

_RUNS = Path("runs")


@told
def export(
    run: RunArgument = "last",
    *,
    to: Annotated[Target, typer.Option(help="As what.")] = Target.HTML,
    out: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Where to; beside the trace, named after the run."),
    ] = None,
    goal: Annotated[
        str, typer.Option(metavar="ID", help="Only this goal, as show --json names it.")
    ] = "",
    begin: Annotated[
        str | None,
        typer.Option("--from", metavar="T", help="Only from then on: 12.5 [s], or 1:02.5."),
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="T", help="Only until then.")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an export that is there already.")
    ] = False,
    runs: RunsOption = _RUNS,
    as_json: JsonFlag = False,
) -> None:
    """Turn a recorded run into a file for others.

    \b
    html         a page with timeline, story and pictures; opens offline
    video        a film of all cameras with what was being done (MP4)
    lerobot      a LeRobotDataset v3 with language columns, for LeRobot 0.6
    lerobot-0.4  the same without them, for LeRobot 0.4
    hdf5         robomimic's layout
    rrd          for Rerun
    thoughts     what the planner thought, for the planner `replay`

    Datasets have an episode for each goal. What is written is whole or not there, and nothing that
    is there already is replaced without --overwrite. Foxglove and Rerun open the trace as it is.
    """  # noqa: D301  # Keeps the lines of the table apart.
    from agent.exporting.stretch import stretch_of
    from agent.exporting.targets import default_path
    from agent.exporting.targets import export as write
    from agent.tracing.runs import find_run

    from_s = None if begin is None else seconds_of(begin)
    until_s = None if until is None else seconds_of(until)
    part = stretch_of(find_run(run, runs), goal=goal, from_s=from_s, until_s=until_s)
    path = out or default_path(part, to)
    with _progress(to) as on_progress:
        written = write(part, to, path, overwrite=overwrite, on_progress=on_progress)
    if as_json:
        typer.echo(json.dumps(written, indent=2))
    else:
        typer.echo(f"Written: {path} ({written['bytes'] / 1e6:.1f} MB)")


@contextmanager
def _progress(what: str) -> Generator["OnProgress"]:
    """A bar on a terminal, nothing elsewhere."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task(what, total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield show
