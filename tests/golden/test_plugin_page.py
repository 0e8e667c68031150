"""docs/plugins.md: its recipes keep their contracts, and its commands do what it says, in order."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from test_pages import commands
from test_recipes import promises, recipes
from typer.testing import CliRunner

from agent.cli import app

PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"
# What runs until somebody ends it, or needs somebody who does; test_pages checks how it is called.
_ENDLESS = ("serve", "run", "say")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("title", ["A planner that looks", "A monitor"])
def test_a_recipe_of_the_page_keeps_its_contract(title: str) -> None:
    """What is copied from the page works."""
    tests = promises(recipes(PAGE)[title])
    assert len(tests) >= 3
    for test in tests:
        test()


def test_every_recipe_of_the_page_is_run() -> None:
    """A recipe that is added to the page is added here."""
    assert set(recipes(PAGE)) == {"A planner that looks", "A monitor"}


def test_the_commands_of_the_page_work_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the empty folder on, each line that ends by itself is run where the page has led to."""
    blocks = [text for language, text in _FENCE.findall(PAGE.read_text("utf-8")) if not language]
    lines = [line for block in blocks for line in block.splitlines()]
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("my_planner", "my_monitor"):
        # What is imported from there is forgotten afterwards, too.
        monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.chdir(tmp_path)
    ran = [run(shlex.split(line, comments=True), monkeypatch) for line in lines]
    assert {"agent new", "agent check", "cd", "pytest"} <= set(ran)
    assert (tmp_path / "my-planner" / "my-monitor" / "my_monitor.py").is_file()


def run(words: list[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Do what one line says; what it was."""
    program, *arguments = words
    if program == "cd":
        monkeypatch.chdir(arguments[0])
        sys.path.append(str(Path.cwd()))
        return program
    if program == "pytest":
        quietly = [sys.executable, "-m", "pytest", "-q", "-p", "no:asyncio", *arguments]
        done = subprocess.run(quietly, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return program
    assert program == "agent", words
    if arguments[0] not in _ENDLESS:
        result = CliRunner().invoke(app, arguments, prog_name="agent")
        assert result.exit_code == 0, result.output
    return f"agent {arguments[0]}"


def test_the_page_shows_commands_in_its_text_too() -> None:
    """The check of how commands are called has all of them to look at."""
    shown = [" ".join(words) for words in commands(PAGE.read_text("utf-8"))]
    assert any(words.startswith("serve --set slow_brain.planner=my_planner") for words in shown)
    assert any("examples.rule_based_planner" in words for words in shown)
