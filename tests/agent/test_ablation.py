"""Ablations: the same episodes under each condition, paired, judged and written down."""

import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from eval_examples import example_record
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from agent.cli import app
from agent.config import load_config
from agent.evaluation.ablation import ablation_grid, parse_suites, run_ablation
from agent.evaluation.ablation_goals import judge_goals
from agent.evaluation.ablation_page import fill_page, render_ablation
from agent.evaluation.ablation_plot import draw_ablation
from agent.evaluation.conditions import (
    CONDITIONS,
    REFERENCE,
    WAITING,
    parse_conditions,
    parse_planner_delays_s,
)
from agent.evaluation.grid import Cell, Grid
from agent.evaluation.records import EpisodeRecord
from agent.graph import ORACLE, build_graph
from bridge.errors import ConfigError, UnknownNameError

REACHING = (
    "fast_brain.policy=straight_line",
    "slow_brain.rate_hz=5",
    "runtime.planner_latency_s=0.1",
)


def grids(episodes: int = 1) -> list[Grid]:
    """The point arm with and without its planner, and with one kind of memory."""
    grid = ablation_grid(
        suite="point-reach",
        episodes=episodes,
        seed=3,
        preset="point_arm",
        overrides=REACHING,
        conditions=[REFERENCE, "flat", "window"],
        delays_s=[0.1],
    )
    return [grid]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where one small ablation was run."""
    return tmp_path_factory.mktemp("ablation")


@pytest.fixture(scope="module")
def report(folder: Path) -> dict[str, Any]:
    """What it found."""
    return run_ablation(grids(), folder / "ablation.json")


def test_each_condition_runs_the_same_episodes(report: dict[str, Any]) -> None:
    """Every row has its interval, and how its episodes went beside the reference's."""
    names = [(cell["condition"], cell["coupling"]) for cell in report["cells"]]
    assert names == [
        (REFERENCE, "asynchronous"),
        ("flat", "asynchronous"),
        ("window", "asynchronous"),
        (REFERENCE, "synchronous"),
    ]
    for cell in report["cells"]:
        assert cell["n"] == cell["against_reference"]["pairs"] == 1
        assert cell["interval_95"][0] <= cell["success_rate"] <= cell["interval_95"][1]
        assert 0 < cell["against_reference"]["mcnemar_p"] <= 1
    json.dumps(report, allow_nan=False)


def test_who_waits_for_the_planner_then_acts_for_its_period() -> None:
    """However slow the planner, the waiting agent has its period to act in; others ask as often."""
    grid = ablation_grid(
        suite="memory-order",
        episodes=1,
        seed=3,
        preset="",
        overrides=["slow_brain.rate_hz=2"],
        conditions=[REFERENCE],
        delays_s=[1.0, 3.0],
    )
    asked = [(cell.config.runtime, cell.config.slow_brain.rate_hz) for cell in grid.cells]
    assert len(asked) == 6
    for runtime, rate_hz in asked:
        waits_s = runtime.planner_latency_s if runtime.coupling == WAITING else 0.0
        assert 1 / rate_hz == pytest.approx(waits_s + 0.5)


def test_what_was_run_is_not_run_again(folder: Path, report: dict[str, Any]) -> None:
    """Resuming a whole ablation runs nothing and finds the same; without it, it is refused."""
    seen: list[int] = []

    def note(suite: str, cell: Cell, episode: EpisodeRecord, done: int, of: int) -> None:
        del suite, cell, episode, of
        seen.append(done)

    again = run_ablation(grids(), folder / "ablation.json", resume=True, on_progress=note)
    assert not seen
    assert again["cells"] == report["cells"]
    with pytest.raises(ConfigError, match="holds episodes already"):
        run_ablation(grids(), folder / "ablation.json")


def test_the_tables_go_into_the_page(folder: Path, report: dict[str, Any]) -> None:
    """What stands between the marks is replaced, what stands around them stays."""
    page = folder / "evidence.md"
    page.write_text("# Evidence\n\n<!-- figures: ablation -->\nold\n<!-- end -->\n\nafter\n")
    for _ in range(2):
        fill_page(page, report, command="agent eval", picture="a.png", section="ablation")
    text = page.read_text()
    assert text.startswith("# Evidence\n\n<!-- figures: ablation -->\n")
    assert text.endswith("<!-- end -->\n\nafter\n")
    assert text.count("| flat | asynchronous |") == 1
    assert "old" not in text
    assert "point-reach: hierarchy less flat" in text


def test_a_terminal_of_80_columns_shows_every_figure(report: dict[str, Any]) -> None:
    """The longest condition's last figure, its p, is not cut off; each suite is named once."""
    slow = {**report["cells"][0], "coupling": "synchronous", "planner_delay_s": 3.25}
    slow["against_reference"] = {**slow["against_reference"], "mcnemar_p": 1.234e-21}
    console = Console(width=80, file=StringIO(), record=True)
    table = render_ablation({**report, "cells": [*report["cells"], slow]})
    console.print(table)
    text = console.export_text()
    assert re.search(r"hierarchical, waits, 3\.25 s .* 1\.2e-21 *\n", text)
    assert text.count("point-reach") == 1
    assert table.row_count == len(report["cells"]) + 2
    assert "…" not in text


def test_a_page_holds_several_ablations(tmp_path: Path, report: dict[str, Any]) -> None:
    """Each fills in the marks that are named after it, and leaves the others alone."""
    page = tmp_path / "evidence.md"
    kept = "<!-- figures: chain -->\nkept\n<!-- end -->\n"
    page.write_text(f"<!-- figures: memory -->\n<!-- end -->\n{kept}")
    fill_page(page, report, command="agent eval", picture="a.png", section="memory")
    assert page.read_text().endswith(kept)
    assert page.read_text().count("| flat | asynchronous |") == 1


@pytest.mark.parametrize("text", [None, "# Evidence\n", "<!-- figures: ablation -->\n"])
def test_a_page_without_marks_is_left_alone(
    tmp_path: Path, report: dict[str, Any], text: str | None
) -> None:
    """A page that cannot take tables is refused in words that say what it lacks."""
    page = tmp_path / "page.md"
    if text is not None:
        page.write_text(text)
    with pytest.raises(ConfigError, match="needs a line <!-- figures: ablation -->"):
        fill_page(page, report, command="", picture="", section="ablation")
    assert not page.exists() or page.read_text() == text


def test_the_picture_is_drawn(tmp_path: Path, report: dict[str, Any]) -> None:
    """A panel a suite, and one over the planner's delay where that was swept."""
    pytest.importorskip("matplotlib")
    late = {**report["cells"][0], "planner_delay_s": 3.0}
    swept = {**report, "cells": [*report["cells"], late]}
    with (
        Image.open(draw_ablation(report, tmp_path / "a" / "b.png")) as one,
        Image.open(draw_ablation(swept, tmp_path / "swept.png")) as two,
    ):
        assert two.width == 2 * one.width


def test_one_line_over_the_delay_stands_for_all_memory_suites(
    tmp_path: Path, report: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Suites that are told together as well have one line a coupling, not each its own."""
    figure = pytest.importorskip("matplotlib.figure").Figure
    drawn: list[Any] = []
    monkeypatch.setattr(figure, "savefig", lambda self, *_, **__: drawn.append(self))
    first = report["cells"][0]
    suites = ("memory-order", "memory-other", "2 memory suites", "scene-chain")
    cells = [
        {**first, "suite": suite, "planner_delay_s": delay_s}
        for suite in suites
        for delay_s in (first["planner_delay_s"], 3.0)
    ]
    draw_ablation({**report, "cells": cells}, tmp_path / "swept.png")
    delays = drawn[0].axes[len(suites)]
    labels = [text.get_text() for text in delays.get_legend().get_texts()]
    assert labels == ["2 memory suites, asynchronous", "scene-chain, asynchronous"]


def test_memory_suites_are_told_together_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows over all memory suites count each episode once, beside its own pair; others stay out."""
    worked = {
        ("memory-order", REFERENCE): (True, True),
        ("memory-order", "no_memory"): (True, False),
        ("memory-other", REFERENCE): (True, False),
        ("memory-other", "no_memory"): (False, True),
    }

    def results(grid: Grid, *_: object, **__: object) -> list[tuple[Cell, list[EpisodeRecord]]]:
        found: list[tuple[Cell, list[EpisodeRecord]]] = []
        for cell in grid.cells:
            ends = worked.get((grid.suite, str(cell.labels["condition"])), (True, True))
            found.append((cell, [example_record(index=n, success=ends[n]) for n in range(2)]))
        return found

    monkeypatch.setattr("agent.evaluation.ablation.run_grid", results)
    conditions = [REFERENCE, "no_memory"]
    chosen = [
        ablation_grid(
            suite=suite, episodes=2, seed=0, preset="", overrides=(), conditions=conditions
        )
        for suite in ("memory-order", "memory-other", "scene-chain")
    ]
    report = run_ablation(chosen, tmp_path / "ablation.json")
    together = [cell for cell in report["cells"] if cell["suite"] == "2 memory suites"]
    counted = [(cell["condition"], cell["successes"], cell["n"]) for cell in together[:2]]
    assert counted == [(REFERENCE, 3, 4), ("no_memory", 2, 4)]
    pairs = together[1]["against_reference"]
    assert (pairs["pairs"], pairs["only_reference"], pairs["only_this"]) == (4, 2, 1)
    assert [goal["reached"] for goal in report["goals"]] == [False, True, True]


def row(suite: str, condition: str, successes: int, **more: object) -> dict[str, Any]:
    """A row of a report, as far as goals care."""
    return {"suite": suite, "condition": condition, "successes": successes, "n": 100, **more}


def test_goals_are_judged_by_what_was_measured() -> None:
    """Reached, missed and not run at all are told apart; memory suites count together."""
    rows = [
        row("memory-order", REFERENCE, 80),
        row("memory-other", REFERENCE, 92),
        row("memory-order", REFERENCE, 0),  # Another delay of the same.
        row("memory-order", "no_memory", 51),
        row(
            "scene-chain",
            "flat",
            70,
            against_reference={"difference": -0.2, "difference_interval_95": [-0.3, -0.1]},
        ),
    ]
    goals = {goal["goal"]: goal for goal in judge_goals(rows)}
    assert goals["memory tasks with memory ≥ 85 %"]["reached"]
    assert goals["memory tasks with memory ≥ 85 %"]["measured"].startswith("86.0%")
    assert not goals["memory tasks without ≤ 50 %"]["reached"]
    assert not any(name.startswith("five-step chain") for name in goals)
    against_flat = next(goal for name, goal in goals.items() if "flat" in name)
    assert against_flat["reached"]
    assert against_flat["measured"] == "+20.0% (+10.0% – +30.0%, n = 100)"


def test_a_hierarchy_below_flat_is_told_as_it_is() -> None:
    """When the whole interval lies below zero the goal is missed."""
    worse = {"difference": 0.2, "difference_interval_95": [0.1, 0.3]}
    (goal,) = judge_goals([row("scene-single", "flat", 90, against_reference=worse)])
    assert not goal["reached"]
    # A hierarchy that is not worse by more than chance includes zero.
    close = {"difference": 0.02, "difference_interval_95": [-0.05, 0.1]}
    (goal,) = judge_goals([row("scene-single", "flat", 90, against_reference=close)])
    assert goal["reached"]


def test_unknown_conditions_answer_with_the_near_match() -> None:
    """A typing error is found before the first episode; the reference is always there, first."""
    with pytest.raises(UnknownNameError, match="Did you mean 'no_memory'"):
        parse_conditions("no_memry")
    with pytest.raises(ConfigError, match=r"names none.*hierarchical, flat, oracle"):
        parse_conditions(" , ")
    assert parse_conditions("flat,flat") == [REFERENCE, "flat"]
    assert parse_conditions("all") == list(CONDITIONS)


def test_suites_are_named_or_fitted() -> None:
    """A pattern stands for all suites it fits; one that fits none says which there are."""
    assert parse_suites("scene-chain,memory-o*") == ["scene-chain", "memory-order", "memory-other"]
    with pytest.raises(ConfigError, match="No suite fits 'memo-\\*': there are memory-count"):
        parse_suites("memo-*")
    with pytest.raises(UnknownNameError, match="Did you mean 'scene-chain'"):
        parse_suites("scene-chian")
    with pytest.raises(ConfigError, match="--suite names none"):
        parse_suites(",")


@pytest.mark.parametrize("text", ["soon", "-1", "nan", "61", "1,,2"])
def test_a_planner_delay_that_is_none_is_refused(text: str) -> None:
    """The message says the range and shows the form."""
    with pytest.raises(ConfigError, match=r"from 0 to 60 s, as 0\.3,1,3"):
        parse_planner_delays_s(text)


@pytest.mark.parametrize("name", CONDITIONS)
def test_each_condition_is_an_agent(name: str) -> None:
    """Every condition's graph holds together, and each differs from all others."""
    base = load_config("memory")
    config = CONDITIONS[name].change(base)
    others = [CONDITIONS[other].change(base) for other in CONDITIONS if other != name]
    assert config not in others
    nodes = build_graph(config).node_names()
    assert ("planner" in nodes) == (name != "flat")


def test_only_the_oracle_may_ask_the_simulator() -> None:
    """The world reaches the slow brain in the conditions that say so, and in no other."""
    base = load_config("memory")
    for name, condition in CONDITIONS.items():
        config = condition.change(base)
        asks = config.slow_brain.monitoring.may_ask_simulator
        assert asks == (config.slow_brain.planner == ORACLE) == (name in ("oracle", "scrambled"))


def test_the_command_says_which_conditions_there_are() -> None:
    """An unknown condition is a sentence and exit code 2, before anything is run."""
    shown = CliRunner().invoke(app, ["eval", "--ablate", "--conditions", "flatt"])
    assert shown.exit_code == 2
    assert "Did you mean 'flat'?" in shown.output
