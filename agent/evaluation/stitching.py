"""Stitchers side by side under a policy that is late: which one still works, and how smoothly."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from agent.config import AgentConfig, load_config
from agent.evaluation.delays import parse_delays
from agent.evaluation.grid import Cell, Grid, Progress, grid_rows, run_grid
from agent.evaluation.play import episode_config
from agent.evaluation.report import commit, versions
from agent.evaluation.suites import find_suite
from agent.graph import build_graph
from agent.runtime_local import LocalRuntime
from bridge.errors import ConfigError, TandemError
from bridge.plugins import list_plugins, load_plugin

ALL = "all"
# A policy slower than this has no chunk left when it answers, whatever the stitcher [ms].
_LONGEST_DELAY_MS = 10_000
_MM = 1000.0
_COLUMNS = ("ms late", "works", "95 %", "n", "jerk", "p99", "gap", "p99")


def parse_stitchers(text: str) -> list[str]:
    """Names separated by commas, or "all" for what is installed; each with its options.

    Options come after a plus: `rtc+jacobian=identity`. The values are YAML, as for `--set`.

    Raises:
        UnknownNameError: There is no such stitcher.
        ConfigError: There is no name at all.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if names == [ALL]:
        return [plugin.name for plugin in list_plugins("stitcher")]
    if not names:
        raise ConfigError("--stitch names no stitcher: write --stitch latest,act or --stitch all.")
    for name in names:
        load_plugin("stitcher", name.partition("+")[0])
    return names


def parse_delays_ms(text: str) -> list[float]:
    """Delays separated by commas [ms].

    Raises:
        ConfigError: One is no number from 0 to 10,000 ms.
    """
    return parse_delays(
        text,
        option="--policy-delay-ms",
        longest=_LONGEST_DELAY_MS,
        unit="ms",
        example="0,100,200",
    )


def stitch_grid(
    *,
    suite: str,
    episodes: int,
    seed: int,
    preset: str,
    overrides: Sequence[str],
    stitchers: Sequence[str],
    delays_ms: Sequence[float],
) -> Grid:
    """A cell for each stitcher and delay; in virtual time the delay is all that the policy takes.

    Raises:
        ConfigError: A setting is wrong, as for `load_config`.
    """
    cells = [
        Cell(
            labels={"stitcher": stitcher, "policy_delay_ms": delay_ms},
            config=_config(preset, overrides, stitcher, delay_ms),
        )
        for stitcher in stitchers
        for delay_ms in delays_ms
    ]
    return Grid(suite=suite, episodes=episodes, seed=seed, cells=cells)


def compare_stitchers(
    grid: Grid,
    path: Path,
    *,
    workers: int = 1,
    resume: bool = False,
    leave_out: bool = False,
    on_progress: Progress | None = None,
) -> dict[str, Any]:
    """Run what is missing, and return everything that is worth keeping, ready for JSON.

    Episodes are kept in a folder beside `path`. With `leave_out`, stitchers with which the agent
    does not start are left out, and the report says why; without, they are an error.

    Raises:
        TandemError: As for `run_grid`.
    """
    left_out: dict[str, str] = {}
    if leave_out:
        grid, left_out = leave_out_unusable(grid)
    results = run_grid(
        grid, path.with_suffix(""), workers=workers, resume=resume, on_progress=on_progress
    )
    return {
        "comparison": "stitchers",
        "suite": grid.suite,
        "seed": grid.seed,
        "episodes_wanted": grid.episodes,
        "left_out": left_out,
        "cells": grid_rows(grid, results),
        "settings": grid.cells[0].config.model_dump(mode="json", exclude={"serve": {"token"}}),
        "versions": versions(),
        "commit": commit(),
    }


def leave_out_unusable(grid: Grid) -> tuple[Grid, dict[str, str]]:
    """Keep the stitchers with which the agent starts; of the others say why it does not.

    A stitcher may need weights that nobody has trained yet, or a policy of another kind.

    Raises:
        ConfigError: None is left.
    """
    reasons: dict[str, str] = {}
    for stitcher, cell in {str(cell.labels["stitcher"]): cell for cell in grid.cells}.items():
        suite = find_suite(grid.suite)
        config = episode_config(cell.config, suite, suite.make(grid.seed, 0))
        runtime = LocalRuntime(build_graph(config))
        try:
            runtime.start()
        except TandemError as error:
            reasons[stitcher] = str(error)
        finally:
            runtime.stop()
    kept = [cell for cell in grid.cells if cell.labels["stitcher"] not in reasons]
    if not kept:
        raise ConfigError(f"The agent starts with none of the stitchers: {reasons}.")
    return replace(grid, cells=kept), reasons


def render_comparison(report: dict[str, Any]) -> Table:
    """The cells as a table for the terminal."""
    about = f"{report['suite']}: stitchers under a late policy; jerk in m/s³, gaps at joins in mm"
    table = Table(title=about, box=box.SIMPLE, pad_edge=False)
    table.add_column("stitcher", no_wrap=True)
    for column in _COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    for cell in report["cells"]:
        low, high = cell["interval_95"]
        motion = cell["motion"]
        table.add_row(
            cell["stitcher"],
            f"{cell['policy_delay_ms']:g}",
            f"{cell['success_rate']:.0%}",
            f"{100 * low:.0f}-{100 * high:.0f}",
            str(cell["n"]),
            _figure(motion["jerk_mean_m_per_s3"]["mean"]),
            _figure(motion["jerk_p99_m_per_s3"]["mean"]),
            _figure(motion["gap_mean_m"]["mean"], _MM),
            _figure(motion["gap_p99_m"]["mean"], _MM),
        )
    if report["left_out"]:
        table.caption = "left out: " + "; ".join(
            f"{stitcher}: {reason}" for stitcher, reason in report["left_out"].items()
        )
    return table


def _config(preset: str, overrides: Sequence[str], stitcher: str, delay_ms: float) -> AgentConfig:
    name, *options = stitcher.split("+")
    return load_config(
        preset,
        [
            *overrides,
            f"fast_brain.stitcher={name}",
            *(f"fast_brain.stitcher_options.{option}" for option in options),
            f"runtime.policy_latency_s={delay_ms / 1000!r}",
        ],
    )


def _figure(value: float | None, factor: float = 1.0) -> str:
    return "-" if value is None else f"{value * factor:.3g}"
