"""`agent cadence`: how well the control loop keeps time, live or from a trace."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands.common import told
from agent.commands.goals import DEFAULT_URL, TokenOption, UrlOption

if TYPE_CHECKING:
    from agent.cadence import Cadence


@told
def cadence(
    *,
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = "",
    trace: Annotated[
        Path | None,
        typer.Option(help="Read a recorded run instead: its folder, or one of its MCAP files."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="PNG", help="Draw the recorded run: histogram and percentiles."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
) -> None:
    """Show how well the control loop keeps time.

    Without --trace it asks a running `agent serve`: on a terminal the table follows the loop until
    Ctrl-C, elsewhere it is printed once. Lateness is how long after its deadline the loop woke up;
    a tick is missed when the next deadline has passed by then, and starved when there was no action
    to carry out. The other lines say where the time of a tick goes.

    A healthy loop misses less than 1 tick in 1000, and its p99 is far below its period. If it is
    late, `agent doctor` says which priority this machine permits.
    """
    from bridge.errors import ConfigError

    if trace is not None:
        _of_trace(trace, plot, as_json=as_json)
    elif plot is not None:
        raise ConfigError("--plot draws a recorded run: name it with --trace runs/<time>.")
    else:
        _of_server(url, token, as_json=as_json)


def _of_trace(path: Path, plot: Path | None, *, as_json: bool) -> None:
    from agent.cadence import cadence_of_trace
    from agent.recording.reading import Trace

    recorded = cadence_of_trace(Trace(path))
    _print(recorded.cadence, as_json=as_json)
    if plot is not None:
        from agent.cadence_plot import plot_cadence

        plot_cadence(recorded, plot)
        typer.echo(f"Drawn: {plot}", err=as_json)


def _of_server(url: str, token: str, *, as_json: bool) -> None:
    from contextlib import closing

    from rich.console import Console
    from rich.live import Live

    from agent.cadence import cadence_of_status, render_cadence
    from agent.client import AgentClient

    console = Console()
    with closing(AgentClient(url, token=token)) as client:
        now = cadence_of_status(client.status())
        if as_json or not console.is_terminal:
            _print(now, as_json=as_json)
            return
        with Live(render_cadence(now), console=console) as live, client.events() as statuses:
            for status in statuses:
                live.update(render_cadence(cadence_of_status(status)))


def _print(cadence: "Cadence", *, as_json: bool) -> None:
    import json

    from rich.console import Console

    from agent.cadence import render_cadence

    if as_json:
        typer.echo(json.dumps(cadence.as_json(), indent=2))
    else:
        Console().print(render_cadence(cadence))
