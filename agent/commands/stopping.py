"""`agent stop` and `agent release`: the emergency stop of a served robot, from a terminal."""

from contextlib import closing
from typing import Annotated

import typer

from agent.commands.common import told
from agent.commands.goals import DEFAULT_URL, TokenOption, UrlOption


@told
def stop(
    reason: Annotated[
        str, typer.Argument(help="Why, for those who see it standing.")
    ] = "a person asked for it",
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = "",
) -> None:
    """Stop a served robot, until somebody releases it.

    Exit code 0: the robot has been told. 2: nobody serves there.
    """
    from agent.client import AgentClient

    with closing(AgentClient(url, token=token)) as client:
        client.stop(reason)
    typer.echo(f"Stopped: {reason}. It stays so until: agent release --url {url}")


@told
def release(url: UrlOption = DEFAULT_URL, token: TokenOption = "") -> None:
    """Release a stop: look first, the robot may move at the next goal.

    Some robots want more, such as a new episode, before they move again. What was under way is
    dropped. Exit code 0: released. 2: nobody serves there.
    """
    from agent.client import AgentClient

    with closing(AgentClient(url, token=token)) as client:
        client.release()
    typer.echo("Released. The robot obeys what is planned from now on.")
