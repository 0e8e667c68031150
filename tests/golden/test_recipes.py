"""The recipes of CONTRIBUTING.md, run through the contract suites that they show."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_PAGE = Path(__file__).parents[2] / "CONTRIBUTING.md"
_BLOCK = re.compile(r"### (?P<title>[^\n]+)\n\n```python\n(?P<code>.*?)```", re.DOTALL)
_LONGEST_RECIPE = 38


def recipes(page: Path = _PAGE) -> dict[str, str]:
    """The code below each heading."""
    return {found["title"]: found["code"] for found in _BLOCK.finditer(page.read_text("utf-8"))}


def promises(code: str) -> list[Callable[[], None]]:
    """The tests of the suite that a recipe ends with."""
    made: dict[str, Any] = {"__name__": "recipe"}
    exec(compile(code, str(_PAGE), "exec"), made)  # noqa: S102  # Our own page.
    (suite,) = [kind for name, kind in made.items() if name.startswith("Test")]
    return [getattr(suite(), name) for name in dir(suite) if name.startswith("test_")]


@pytest.mark.parametrize("title", ["A planner", "A policy", "A robot", "A mailbox transport"])
def test_a_recipe_keeps_the_contract_that_it_shows(title: str) -> None:
    """What a newcomer copies from the page works, and is short."""
    code = recipes()[title]
    assert len(code.splitlines()) <= _LONGEST_RECIPE
    tests = promises(code)
    assert len(tests) >= 3
    for test in tests:
        test()


def test_every_recipe_is_run() -> None:
    """A recipe that is added to the page is added here."""
    assert set(recipes()) == {"A planner", "A policy", "A robot", "A mailbox transport"}
