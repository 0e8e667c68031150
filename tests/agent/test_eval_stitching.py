import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.cli import app
from agent.evaluation.grid import Cell, Grid, run_grid
from agent.evaluation.records import EpisodeRecord
from agent.evaluation.stitching import (
    compare_stitchers,
    parse_delays_ms,
    parse_stitchers,
    render_comparison,
    stitch_grid,
)
from agent.evaluation.stitching_plot import draw_comparison
from bridge.errors import ConfigError, UnknownKeyError, UnknownNameError
from bridge.plugins import list_plugins

REACHING = (
    "fast_brain.policy=straight_line",
    "slow_brain.rate_hz=5",
    "runtime.planner_latency_s=0.1",
)


def grid(episodes: int = 1, delays_ms: tuple[float, ...] = (0.0, 300.0)) -> Grid:
    """A small comparison: the newest chunk on the point arm, at two delays."""
    return stitch_grid(
        suite="point-reach",
        episodes=episodes,
        seed=3,
        preset="point_arm",
        overrides=REACHING,
        stitchers=["latest"],
        delays_ms=delays_ms,
    )


def test_each_cell_is_an_evaluation_of_its_own(tmp_path: Path) -> None:
    """Figures, intervals and numbers stand in a row for each stitcher and delay."""
    report = compare_stitchers(grid(episodes=2), tmp_path / "cells.json")
    assert [cell["policy_delay_ms"] for cell in report["cells"]] == [0.0, 300.0]
    for cell in report["cells"]:
        assert cell["n"] == 2
        assert cell["interval_95"][0] <= cell["success_rate"] <= cell["interval_95"][1]
        assert cell["motion"]["jerk_mean_m_per_s3"]["n"] == 2
    assert len({cell["settings_id"] for cell in report["cells"]}) == 2
    json.dumps(report, allow_nan=False)


def test_a_delay_shows(tmp_path: Path) -> None:
    """A policy that answers 300 ms late gets there later than one that answers at once."""
    prompt, late = compare_stitchers(grid(), tmp_path / "cells.json")["cells"]
    assert late["time_to_finish_s"]["p50"] > prompt["time_to_finish_s"]["p50"]


def test_a_stopped_comparison_goes_on_where_it_was(tmp_path: Path) -> None:
    """Ctrl-C in the second cell keeps the first; resuming runs only what is missing."""
    seen: list[tuple[str, int, int]] = []

    def interrupt(cell: Cell, episode: EpisodeRecord, done: int, total: int) -> None:
        seen.append((cell.name, done, total))
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_grid(grid(2), tmp_path, on_progress=interrupt)
    with pytest.raises(ConfigError, match="holds episodes already, of 1 settings"):
        run_grid(grid(2), tmp_path)
    seen.clear()
    results = run_grid(
        grid(2),
        tmp_path,
        resume=True,
        on_progress=lambda cell, _, done, of: seen.append((cell.name, done, of)),
    )
    late = "latest--policy_delay_ms-300"
    assert seen == [(late, 3, 4), (late, 4, 4)]
    assert [len(records) for _, records in results] == [2, 2]


def test_naming_a_setting_twice_is_refused(tmp_path: Path) -> None:
    """Two cells of one name would write one book."""
    with pytest.raises(ConfigError, match="name each only once"):
        run_grid(grid(delays_ms=(0.0, 0.0)), tmp_path)


def test_all_names_every_stitcher_that_is_installed() -> None:
    """Another distribution's stitcher is compared with ours."""
    assert parse_stitchers("all") == [plugin.name for plugin in list_plugins("stitcher")]
    assert parse_stitchers(" latest , latest+a=1") == ["latest", "latest+a=1"]


def test_an_unknown_stitcher_answers_with_the_near_match() -> None:
    """A typing error is found before the first episode."""
    with pytest.raises(UnknownNameError, match="Did you mean 'latest'"):
        parse_stitchers("lates")
    with pytest.raises(ConfigError, match="names no stitcher"):
        parse_stitchers(",")


@pytest.mark.parametrize("text", ["a lot", "-1", "0,nan", "20000", ""])
def test_a_delay_that_is_none_is_refused(text: str) -> None:
    """The message says the range and shows the form."""
    with pytest.raises(ConfigError, match="from 0 to 10000 ms, as 0,100,200"):
        parse_delays_ms(text)


def test_options_of_a_stitcher_reach_it(tmp_path: Path) -> None:
    """What stands after the plus is given to the plug-in, and refused by one that takes none."""
    with_option = stitch_grid(
        suite="point-reach",
        episodes=1,
        seed=3,
        preset="point_arm",
        overrides=REACHING,
        stitchers=["latest+wings=2"],
        delays_ms=[0.0],
    )
    assert with_option.cells[0].config.fast_brain.stitcher_options == {"wings": 2}
    with pytest.raises(UnknownKeyError, match="wings"):
        run_grid(with_option, tmp_path)


def test_all_leaves_out_what_does_not_start_and_says_why(tmp_path: Path) -> None:
    """A stitcher that cannot work here does not keep the others from being compared."""
    both = stitch_grid(
        suite="point-reach",
        episodes=1,
        seed=3,
        preset="point_arm",
        overrides=REACHING,
        stitchers=["latest", "latest+wings=2"],
        delays_ms=[0.0],
    )
    report = compare_stitchers(both, tmp_path / "cells.json", leave_out=True)
    assert [cell["stitcher"] for cell in report["cells"]] == ["latest"]
    assert "wings" in report["left_out"]["latest+wings=2"]
    assert render_comparison(report).caption is not None
    none_left = replace(both, cells=both.cells[1:])
    with pytest.raises(ConfigError, match="none of the stitchers"):
        compare_stitchers(none_left, tmp_path / "none.json", leave_out=True)


def test_a_comparison_is_shown_and_drawn(tmp_path: Path) -> None:
    """The table has a line for each cell, and the picture is a picture."""
    report = compare_stitchers(grid(), tmp_path / "cells.json")
    assert render_comparison(report).row_count == 2
    picture = draw_comparison(report, tmp_path / "figures" / "cells.png")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_command_compares_writes_and_draws(tmp_path: Path) -> None:
    """`agent eval --stitch` ends with a table, a JSON file and a picture beside it."""
    path = tmp_path / "cells.json"
    options = [argument for setting in REACHING for argument in ("--set", setting)]
    wanted = ["--suite", "point-reach", "--episodes", "1", "--policy-delay-ms", "0"]
    done = CliRunner().invoke(
        app, ["eval", "--stitch", "latest", *wanted, "--json", str(path), *options]
    )
    assert done.exit_code == 0, done.output
    assert "latest" in done.output
    assert json.loads(path.read_text())["cells"][0]["stitcher"] == "latest"
    assert path.with_suffix(".png").is_file()
