"""`agent serve` and `agent run`: a robot that waits for goals, and a goal for it."""

from pathlib import Path
from typing import Annotated

import typer

from agent.commands.common import (
    FAILED,
    JsonOption,
    PresetOption,
    SetOption,
    serve_until_stopped,
    told,
)

DEFAULT_URL = "http://127.0.0.1:8642"
UrlOption = Annotated[str, typer.Option(help="Where `agent serve` answers.")]
TokenOption = Annotated[
    str, typer.Option(envvar="TANDEM_TOKEN", help="What the server asks for off loopback.")
]


@told
def serve(
    *,
    preset: PresetOption = "demo",
    overrides: SetOption = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Where to listen; 0 takes any free port.")
    ] = None,
) -> None:
    """Start a robot, and take goals over HTTP and a web page.

    Runs until Ctrl-C. The page shows cameras, subtasks, thoughts and the loop's cadence.
    """
    from agent.config import load_config

    changes = [*(overrides or []), *([] if port is None else [f"serve.port={port}"])]
    config = load_config(preset, changes)
    serve_until_stopped(config, "The page and the HTTP interface: {}".format)


@told
def run(
    goal: Annotated[str, typer.Argument(help="What the robot shall do, in words.")],
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = "",
    timeout_s: Annotated[
        float, typer.Option("--timeout-s", min=0.1, help="How long to watch [s].")
    ] = 180.0,
    json_file: JsonOption = None,
) -> None:
    """Give a served robot a goal, and watch it to the end.

    Exit code 0: met. 1: failed, or no end in time. 2: refused, or nobody serves.
    Ctrl-C stops watching; the robot goes on.
    """
    result = _watch(goal, url, token, timeout_s)
    _finish(result, json_file)


@told
def say(
    remark: Annotated[str, typer.Argument(help='What is to be different: "no, the other one".')],
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = "",
) -> None:
    """Say something about the goal under way; what is done stays done.

    The planner is asked again at once, with your words.
    """
    from contextlib import closing

    from agent.client import AgentClient

    with closing(AgentClient(url, token=token)) as client:
        client.remark(remark)
    typer.echo("Heard: the planner is asked again.")


def _watch(goal: str, url: str, token: str, timeout_s: float) -> dict[str, object]:
    from contextlib import closing

    from rich.console import Console

    from agent.client import AgentClient
    from agent.live_view import LiveView, render_result
    from agent.run_command import run_goal

    console = Console()
    view = LiveView(console)
    try:
        with closing(AgentClient(url, token=token)) as client, view.open():
            result, _ = run_goal(client, goal, timeout_s=timeout_s, show=view.show)
    except KeyboardInterrupt:
        typer.echo(f"No longer watching; the robot goes on. Stop it: agent stop --url {url}")
        raise
    console.print(render_result(result))
    return result


def _finish(result: dict[str, object], json_file: Path | None) -> None:
    from agent.results import write_result

    if json_file is not None:
        write_result(result, json_file)
        typer.echo(f"Written: {json_file}")
    if not result["success"]:
        raise typer.Exit(FAILED)
