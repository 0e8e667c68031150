"""`agent pause` and `agent resume`: let a served robot wait, and go on, from a terminal."""

from contextlib import closing
from typing import Annotated

import typer

from agent.commands.common import told
from agent.commands.goals import DEFAULT_URL, TokenOption, UrlOption


@told
def pause(
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = "",
    *,
    keep_thinking: Annotated[
        bool,
        typer.Option("--keep-thinking", help="Let the planner go on thinking, and hear remarks."),
    ] = False,
) -> None:
    """Let a served robot come to rest and wait, until somebody lets it go on.

    It slows down within its limits and holds. Goal and subtask stay, and no time limit runs on.
    This is no emergency stop: for that there is `agent stop`.
    Exit code 0: the robot has been told. 2: nobody serves there.
    """
    from agent.client import AgentClient

    with closing(AgentClient(url, token=token)) as client:
        client.pause(may_think=keep_thinking)
    typer.echo(f"It waits. Let it go on with: agent resume --url {url}")


@told
def resume(url: UrlOption = DEFAULT_URL, token: TokenOption = "") -> None:
    """Let a served robot that waits go on, with the same goal and subtask.

    It does not release a stop: for that there is `agent release`.
    Exit code 0: it goes on. 2: it was not made to wait, or nobody serves there.
    """
    from agent.client import AgentClient

    with closing(AgentClient(url, token=token)) as client:
        client.resume()
    typer.echo("It goes on.")
