"""The pages that people read: their links lead somewhere, and their commands exist."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.cli import app

_ROOT = Path(__file__).parents[2]
_NAMES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/http.md",
    "docs/page.md",
    "docs/plugins.md",
    "docs/evaluation.md",
    "docs/traces.md",
    "docs/exports.md",
    "docs/replay.md",
)
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
_FENCE = re.compile(r"^```\n(.*?)^```", re.DOTALL | re.MULTILINE)
_IN_TEXT = re.compile(r"`(agent [a-z][^`]*)`")
_GROUPS = ("demos", "trace", "train")


def commands(page: str) -> list[list[str]]:
    """Every call of `agent` that a page shows, in words, without comments."""
    blocks = "\n".join(_FENCE.findall(page)).splitlines()
    lines = [line for line in blocks if line.startswith("agent ")]
    return [shlex.split(line, comments=True)[1:] for line in (*lines, *_IN_TEXT.findall(page))]


@pytest.mark.parametrize("name", _NAMES)
def test_links_lead_to_files_that_are_there(name: str) -> None:
    """No link of a page is dead."""
    page = (_ROOT / name).read_text("utf-8")
    dead = [link for link in _LINK.findall(page) if not ((_ROOT / name).parent / link).exists()]
    assert dead == []


@pytest.mark.parametrize("name", _NAMES)
def test_commands_that_are_shown_exist(name: str) -> None:
    """What a page tells to type is a command with these options."""
    for words in commands((_ROOT / name).read_text("utf-8")):
        command = words[:2] if words[0] in _GROUPS else words[:1]
        shown = CliRunner().invoke(app, [*command, "--help"])
        assert shown.exit_code == 0, words
        for option in [word for word in words if word.startswith("--")]:
            assert option in shown.output, words


def test_the_readme_shows_commands() -> None:
    """The check above has something to look at."""
    assert len(commands((_ROOT / "README.md").read_text("utf-8"))) > 5
