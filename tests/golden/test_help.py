"""The help of each command, word for word: changes are seen in review.

After a wanted change: `TANDEM_GOLDEN=write pytest tests/golden`.
"""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.cli import app

FOLDER = Path(__file__).parent / "help"
COMMANDS = (
    (),
    ("demo",),
    ("serve",),
    ("run",),
    ("say",),
    ("pause",),
    ("resume",),
    ("stop",),
    ("release",),
    ("eval",),
    ("cadence",),
    ("doctor",),
    ("list",),
    ("new",),
    ("check",),
    ("graph",),
    ("demos",),
    ("demos", "record"),
    ("trace",),
    ("trace", "ls"),
    ("trace", "show"),
    ("trace", "why"),
    ("trace", "diff"),
    ("trace", "export"),
    ("trace", "replay"),
    ("trace", "fork"),
    ("trace", "follow"),
    ("trace", "prune"),
    ("train",),
    ("train", "planner"),
    ("train", "policy"),
    ("train", "residual"),
)
GROUPS = (("demos",), ("trace",), ("train",))


def help_of(*command: str) -> str:
    """What the terminal shows, 100 characters wide."""
    runner = CliRunner(env={"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"})
    shown = runner.invoke(app, [*command, "--help"], prog_name="agent", terminal_width=100)
    assert shown.exit_code == 0
    return shown.output


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command) or "agent")
def test_help_reads_as_agreed(command: tuple[str, ...]) -> None:
    """What a person reads about a command changes only on purpose."""
    file = FOLDER / f"{'_'.join(('agent', *command))}.txt"
    shown = help_of(*command)
    if os.environ.get("TANDEM_GOLDEN") == "write":
        file.parent.mkdir(exist_ok=True)
        file.write_text(shown, encoding="utf-8")
    assert shown == file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "command",
    [
        command
        for command in COMMANDS
        if command and command not in (("demos",), ("trace",), ("train",))
    ],
    ids=" ".join,
)
def test_help_teaches_with_an_example(command: tuple[str, ...]) -> None:
    """Every command shows one call that works."""
    assert f"Example: agent {' '.join(command)}" in help_of(*command)


def test_every_command_has_its_help_here() -> None:
    """A command that is added is added to the golden files."""
    listed = help_of().split("Commands:")[1].split("\n\n")[0]
    names = {line.split()[0] for line in listed.strip().splitlines()}
    assert names == {command[0] for command in COMMANDS if command}
