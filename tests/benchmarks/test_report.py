import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import benchmark_names
from benchmarks.report import fill_page
from benchmarks.support.markdown import cell, figures_of, heading, table

ROOT = Path(__file__).parents[2]
PAGE = """# Title

<!-- figures: speed -->
old
<!-- end -->

text

<!-- figures: gone -->
<!-- end -->
"""


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A folder with a page of two sections."""
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "performance.md").write_text(PAGE)
    return folder


def measured(folder: Path, **report: Any) -> Path:
    """A folder with the figures of one benchmark."""
    folder.mkdir()
    (folder / "speed.json").write_text(json.dumps(report))
    return folder


def test_the_page_gets_what_was_measured_and_says_what_was_not(tmp_path: Path, docs: Path) -> None:
    """Figures stand between their marks, the text around them stays, and nothing old is left."""
    found = fill_page(measured(tmp_path / "bench", p99_us=12.5), docs)
    page = (docs / "performance.md").read_text()
    assert found == {"speed": True, "gone": False}
    assert "| p99 [µs] | 12.5 |" in page
    assert "old" not in page
    assert "\ntext\n" in page
    assert "Not measured yet: there was no `gone.json`" in page


def test_filling_in_twice_changes_nothing(tmp_path: Path, docs: Path) -> None:
    """The page can be filled in anew at any time."""
    folder = measured(tmp_path / "bench", p99_us=12.5)
    fill_page(folder, docs)
    once = (docs / "performance.md").read_text()
    fill_page(folder, docs)
    assert (docs / "performance.md").read_text() == once


def test_what_the_folder_lacks_stays_on_the_page(tmp_path: Path, docs: Path) -> None:
    """Figures of an earlier run, with the machine they name, outlive a run without them."""
    fill_page(measured(tmp_path / "bench", p99_us=12.5), docs)
    once = (docs / "performance.md").read_text()
    (tmp_path / "empty").mkdir()
    assert fill_page(tmp_path / "empty", docs) == {"speed": False, "gone": False}
    assert (docs / "performance.md").read_text() == once


def test_a_picture_comes_along(tmp_path: Path, docs: Path) -> None:
    """The picture beside the figures is copied into the docs and shown."""
    folder = measured(tmp_path / "bench", p99_us=12.5)
    (folder / "speed.png").write_bytes(b"picture")
    fill_page(folder, docs)
    assert (docs / "figures" / "speed.png").read_bytes() == b"picture"
    assert "![speed](figures/speed.png)" in (docs / "performance.md").read_text()


@pytest.mark.parametrize(
    ("goal", "value", "line"),
    [
        ({"at_most": 200}, 150.0, "| p99 [µs] ≤ 200 | 150 | yes |"),
        ({"at_most": 200}, 250.0, "| p99 [µs] ≤ 200 | 250 | no |"),
        ({"at_least": 2}, 2.5, "| p99 [µs] ≥ 2 | 2.5 | yes |"),
        ({"at_least": 2}, None, "| p99 [µs] ≥ 2 | – | – |"),
        (200, 150.0, "| p99 [µs] ≈ 200 | 150 | – |"),
    ],
)
def test_a_goal_is_held_against_its_figure(goal: Any, value: float | None, line: str) -> None:
    """Reached, missed, or not known: each is said."""
    assert line in figures_of({"p99_us": value, "goals": {"p99_us": goal}})


def test_rows_are_tables_and_what_is_nested_deeper_is_left_out() -> None:
    """A dict of rows and a list of rows are both tables; a column is for whoever has it."""
    text = figures_of({"ways": {"ours": {"p50_us": 1.0, "deep": {"a": {}}}}, "cells": [{"n": 3}]})
    assert "|  | p50 [µs] |" in text
    assert "| ours | 1 |" in text
    assert "| n |" in text
    assert "deep" not in text
    assert table([{"a": 1}, {"b": True}]).splitlines()[2:] == ["| 1 | – |", "| – | yes |"]


def test_words_and_digits() -> None:
    """Units stand in brackets, and no figure has more digits than it deserves."""
    assert heading("p999_us") == "p99.9 [µs]"
    assert heading("speedup_at_2_s") == "speedup at 2 s"
    assert cell(0.123456) == "0.1235"
    assert cell(123456.7) == "123,457"
    assert cell([0.1, 0.25]) == "0.1 – 0.25"


def test_every_benchmark_has_its_place_on_the_page() -> None:
    """What `make bench` measures is shown, and what is shown is measured."""
    page = (ROOT / "docs" / "performance.md").read_text()
    for name in benchmark_names():
        wanted = f"docs/performance.md lacks a section for benchmarks/{name}.py, as the others have"
        assert f"<!-- figures: {name} -->" in page, wanted
        assert f"python -m benchmarks.{name} --json" in page, wanted
