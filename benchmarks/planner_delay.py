"""What does a slow planner cost, with and without waiting for it?

The demo's task, the five-step chain in the simulated scene, in virtual time with the same two
trained brains and the same episodes, at several delays of the planner:

- asynchronous: ours. The planner is asked at the preset's rate, or again at once when it took
  longer; the arm goes on meanwhile.
- synchronous: the rivals' way (`runtime.coupling: synchronous`). From each question to its answer
  the arm holds; then it acts for a while before the planner is asked again. That while is the
  period of the preset's rate; `--act-for-s` tries longer ones too, because a rival may choose.

An episode that fails counts in the time to finish with the 120 s after which it is given up.

    python -m benchmarks.planner_delay --json planner_delay.json
"""

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent.config import AgentConfig, load_config
from agent.evaluation.conditions import COUPLINGS
from agent.evaluation.episodes import EPISODE_LIMIT_S
from agent.evaluation.grid import Cell, Grid, Row, grid_rows, run_grid
from agent.evaluation.records import EpisodeRecord
from agent.evaluation.statistics import quantile
from agent.evaluation.suites import find_suite
from agent.logs import configure_logs
from agent.virtual_coupling import waiting_rate_hz
from benchmarks.support.delay_plot import draw
from benchmarks.support.latencies import write_json
from benchmarks.support.machine import describe_machine, usable_cores
from benchmarks.support.progress import tell_cell
from benchmarks.support.quiet import be_quiet

DELAYS_S = (0.1, 0.5, 1.0, 2.0, 5.0)
GOAL_SPEEDUP, GOAL_POINTS, GOAL_DELAY_S = 2.0, 3.0, 2.0
_SUITE = "scene-chain"
_OURS, _RIVALS = COUPLINGS


def main() -> None:
    """Run what is missing, print a table, and write figures and picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        default=Path("runs/bench/planner_delay.json"),
        help="where to write the figures; the episodes and the picture stand beside it",
    )
    parser.add_argument("--episodes", type=int, default=20, help="of each cell")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--delays-s", type=_numbers, default=DELAYS_S, metavar="S,S")
    parser.add_argument(
        "--act-for-s",
        type=_numbers,
        default=(5.0,),
        metavar="S,S",
        help="more intervals between an answer and the next question, for the synchronous way",
    )
    parser.add_argument("--suite", default=_SUITE)
    parser.add_argument("--preset", default="", help="the suite's by default")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--workers", type=int, default=usable_cores(), help="processes")
    parser.add_argument("--resume", action="store_true", help="go on where it was stopped")
    arguments = parser.parse_args()
    be_quiet()
    configure_logs(level="ERROR")
    folder = arguments.json.with_suffix("")
    if not arguments.resume:
        shutil.rmtree(folder, ignore_errors=True)
    grid = make_grid(
        suite=arguments.suite,
        episodes=arguments.episodes,
        seed=arguments.seed,
        settings=(arguments.preset or find_suite(arguments.suite).preset, arguments.set),
        delays_s=arguments.delays_s,
        act_for_s=arguments.act_for_s,
    )
    results = run_grid(
        grid, folder, workers=arguments.workers, resume=arguments.resume, on_progress=tell_cell
    )
    report = make_report(grid, results)
    write_json(report, arguments.json)
    draw(report, arguments.json.with_suffix(".png"))
    print_table(report)


def make_grid(
    *,
    suite: str,
    episodes: int,
    seed: int,
    settings: tuple[str, Sequence[str]],
    delays_s: Sequence[float],
    act_for_s: Sequence[float],
) -> Grid:
    """No delay at all, then each delay both ways; `settings` are a preset and its overrides."""
    base = load_config(*settings)
    period_s = 1.0 / base.slow_brain.rate_hz
    cells = [_cell(base, _OURS, 0.0, period_s, settings)]
    for delay_s in delays_s:
        cells.append(_cell(base, _OURS, delay_s, period_s, settings))
        intervals = dict.fromkeys((period_s, *act_for_s))
        cells += [_cell(base, _RIVALS, delay_s, act_s, settings) for act_s in intervals]
    return Grid(suite=suite, episodes=episodes, seed=seed, cells=cells)


def _cell(
    base: AgentConfig,
    coupling: str,
    delay_s: float,
    act_for_s: float,
    settings: tuple[str, Sequence[str]],
) -> Cell:
    preset, overrides = settings
    rate_hz = base.slow_brain.rate_hz
    if coupling == _RIVALS:
        rate_hz = waiting_rate_hz(delay_s, act_for_s)
    config = load_config(
        preset,
        [
            *overrides,
            f"runtime.coupling={coupling}",
            f"runtime.planner_latency_s={delay_s!r}",
            f"slow_brain.rate_hz={rate_hz!r}",
        ],
    )
    labels: dict[str, str | float] = {"coupling": coupling, "planner_delay_s": delay_s}
    if coupling == _RIVALS:
        labels["act_for_s"] = round(act_for_s, 3)
    return Cell(labels=labels, config=config)


def make_report(grid: Grid, results: list[tuple[Cell, list[EpisodeRecord]]]) -> dict[str, Any]:
    """The cells with their times, what is gained at each delay, and the goals."""
    rows = grid_rows(grid, results)
    for row, (_, records) in zip(rows, results, strict=True):
        times_s = [_time_s(record) for record in records]
        row.update({name: quantile(times_s, share) for name, share in _SHARES.items()})
    gains = [_gain(rows, delay_s) for delay_s in _delays(rows)]
    at_goal = next((gain for gain in gains if gain["planner_delay_s"] == GOAL_DELAY_S), None)
    return {
        "benchmark": "planner_delay",
        "suite": grid.suite,
        "seed": grid.seed,
        "episodes": grid.episodes,
        "episode_limit_s": EPISODE_LIMIT_S,
        "success_rate_without_delay": rows[0]["success_rate"],
        "speedup_at_2_s": at_goal and at_goal["speedup"],
        "speedup_over_best_interval_at_2_s": at_goal and at_goal["speedup_over_best_interval"],
        "success_points_lost_at_2_s": at_goal and at_goal["success_points_lost"],
        "gains": gains,
        "cells": rows,
        "goals": {
            "speedup_at_2_s": {"at_least": GOAL_SPEEDUP},
            "success_points_lost_at_2_s": {"at_most": GOAL_POINTS},
        },
        "machine": describe_machine(),
    }


_SHARES = {"time_p25_s": 0.25, "time_p50_s": 0.5, "time_p75_s": 0.75}


def _time_s(record: EpisodeRecord) -> float:
    time_s = record.time_to_finish_s
    return EPISODE_LIMIT_S if not record.success or time_s is None else time_s


def _delays(rows: Sequence[Row]) -> list[float]:
    return list(dict.fromkeys(row["planner_delay_s"] for row in rows[1:]))


def _gain(rows: Sequence[Row], delay_s: float) -> dict[str, float]:
    """How much faster ours is at a delay, and what it loses to no delay [points of success]."""
    here = [row for row in rows[1:] if row["planner_delay_s"] == delay_s]
    ours = next(row for row in here if row["coupling"] == _OURS)
    rivals = [row for row in here if row["coupling"] == _RIVALS]
    time_s = ours["time_p50_s"]
    # The first is asked at the planner's own rate.
    return {
        "planner_delay_s": delay_s,
        "speedup": rivals[0]["time_p50_s"] / time_s,
        "speedup_over_best_interval": min(row["time_p50_s"] for row in rivals) / time_s,
        "success_points_lost": 100 * (rows[0]["success_rate"] - ours["success_rate"]),
    }


def print_table(report: dict[str, Any]) -> None:
    """The cells and the gains, for the terminal."""
    print(f"{'':14}{'delay':>8}{'acts for':>10}{'time p50':>10}{'success':>9}  95 % interval")
    for row in report["cells"]:
        low, high = row["interval_95"]
        acts = f"{row['act_for_s']:.2f} s" if "act_for_s" in row else "always"
        print(
            f"{row['coupling']:14}{row['planner_delay_s']:6.1f} s{acts:>10}"
            f"{row['time_p50_s']:8.1f} s{row['success_rate']:9.0%}  {low:.0%}-{high:.0%}"
        )
    for gain in report["gains"]:
        print(
            f"delay {gain['planner_delay_s']:g} s: {gain['speedup']:.1f} times as fast, "
            f"{gain['speedup_over_best_interval']:.1f} times as the rival's best interval; "
            f"{gain['success_points_lost']:+.0f} points of success lost to no delay"
        )


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(",") if part.strip())


if __name__ == "__main__":
    main()
