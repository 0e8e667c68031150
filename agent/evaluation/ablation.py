"""The same brains, seeds and episodes, with one part left out or exchanged: what each part buys."""

import fnmatch
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from msgspec import structs

from agent.config import AgentConfig, load_config
from agent.evaluation.ablation_goals import is_memory_suite, judge_goals
from agent.evaluation.conditions import CONDITIONS, COUPLINGS, REFERENCE, with_planner_delay
from agent.evaluation.grid import Cell, Grid, grid_rows, run_grid
from agent.evaluation.grid import Progress as GridProgress
from agent.evaluation.records import EpisodeRecord
from agent.evaluation.report import commit, versions
from agent.evaluation.statistics import compare_pairs, summarize
from agent.evaluation.suites import find_suite, list_suites
from bridge.errors import ConfigError

Results = Sequence[tuple[Cell, list[EpisodeRecord]]]
Progress = Callable[[str, Cell, EpisodeRecord, int, int], None]
# The preset whose brains are ablated in the simulated scene, whatever the suite's own.
_SCENE, _SCENE_PRESET = "ogbench_scene", "memory"
# What the rows over all memory suites are called, after their number.
TOGETHER = "memory suites"


def parse_suites(text: str) -> list[str]:
    """Suites by name or pattern, separated by commas: `scene-chain,memory-*`.

    Raises:
        UnknownNameError: There is no such suite.
        ConfigError: A pattern fits none, or there is no name at all.
    """
    known = [suite.name for suite in list_suites()]
    chosen: list[str] = []
    for part in (part.strip() for part in text.split(",") if part.strip()):
        fitting = fnmatch.filter(known, part)
        if not fitting and "*" in part:
            raise ConfigError(f"No suite fits {part!r}: there are {', '.join(known)}.")
        chosen += fitting or [find_suite(part).name]
    if not chosen:
        raise ConfigError(f"--suite names none: there are {', '.join(known)}.")
    return list(dict.fromkeys(chosen))


def ablation_grid(
    *,
    suite: str,
    episodes: int,
    seed: int,
    preset: str,
    overrides: Sequence[str],
    conditions: Sequence[str],
    delays_s: Sequence[float] = (),
) -> Grid:
    """A cell for each condition; and for each delay of the planner, waited for and not.

    With every condition, or with any delay, there is one that waits at the preset's own delay.

    Args:
        suite: Whose episodes.
        episodes: How many.
        seed: Of the evaluation.
        preset: "" for one that fits: the memory preset in the scene, else the suite's own.
        overrides: Settings over the preset's.
        conditions: Names of `CONDITIONS`.
        delays_s: Planner delays [s] to sweep with the reference.

    Raises:
        ConfigError: A setting is wrong, as for `load_config`.
    """
    known = find_suite(suite)
    own = _SCENE_PRESET if known.robot_kind == _SCENE else known.preset
    base = load_config(preset or own, overrides)
    cells = [_cell(name, CONDITIONS[name].change(base)) for name in conditions]
    does_wait = bool(delays_s) or set(conditions) == set(CONDITIONS)
    for coupling in COUPLINGS if does_wait else ():
        reference = CONDITIONS[REFERENCE].change(base)
        for delay_s in dict.fromkeys((*delays_s, *_own_delay(base, coupling))):
            cell = _cell(REFERENCE, with_planner_delay(reference, delay_s, coupling))
            if cell.labels not in [each.labels for each in cells]:
                cells.append(cell)
    return Grid(suite=suite, episodes=episodes, seed=seed, cells=cells)


def run_ablation(
    grids: Sequence[Grid],
    path: Path,
    *,
    workers: int = 1,
    resume: bool = False,
    on_progress: Progress | None = None,
) -> dict[str, Any]:
    """Run what is missing, and return everything that is worth keeping, ready for JSON.

    Episodes are kept in a folder beside `path`, a folder a suite.

    Raises:
        TandemError: As for `run_grid`; what has ended is kept.
    """
    ended: list[tuple[Grid, Results]] = []
    total = sum(grid.episodes * len(grid.cells) for grid in grids)
    before = 0
    for grid in grids:
        results = run_grid(
            grid,
            path.with_suffix("") / grid.suite,
            workers=workers,
            resume=resume,
            on_progress=_counting(on_progress, grid.suite, before, total),
        )
        ended.append((grid, results))
        before += grid.episodes * len(grid.cells)
    first, rows = grids[0], [row for each in ended for row in _compared(*each)]
    return {
        "comparison": "ablation",
        "seed": first.seed,
        "episodes_wanted": first.episodes,
        "cells": rows + _together(ended),
        "goals": judge_goals(rows),
        "settings": first.cells[0].config.model_dump(mode="json", exclude={"serve": {"token"}}),
        "versions": versions(),
        "commit": commit(),
    }


def _counting(
    on_progress: Progress | None, suite: str, before: int, total: int
) -> GridProgress | None:
    """Count a suite's episodes on from those of the suites before it."""
    if on_progress is None:
        return None

    def note(cell: Cell, record: EpisodeRecord, done: int, of: int) -> None:
        del of
        on_progress(suite, cell, record, before + done, total)

    return note


def _cell(condition: str, config: AgentConfig) -> Cell:
    runtime = config.runtime
    labels: dict[str, str | float] = {
        "condition": condition,
        "coupling": runtime.coupling,
        "planner_delay_s": runtime.planner_latency_s,
    }
    return Cell(labels=labels, config=config)


def _own_delay(config: AgentConfig, coupling: str) -> tuple[float, ...]:
    """The preset's own delay, where it is not among the conditions anyway."""
    is_other = coupling != config.runtime.coupling
    return (config.runtime.planner_latency_s,) if is_other else ()


def _together(ended: Sequence[tuple[Grid, Results]]) -> list[dict[str, Any]]:
    """The memory suites as one: the figures of each cell over all of them; none of a single one."""
    chosen = [each for each in ended if is_memory_suite(each[0].suite)]
    if len(chosen) < 2:  # noqa: PLR2004  # One suite is its own sum.
        return []
    columns = list(zip(*(results for _, results in chosen), strict=True))
    episodes = [
        _numbered_on([records for _, records in column], chosen[0][0].episodes)
        for column in columns
    ]
    return [
        {
            "suite": f"{len(chosen)} {TOGETHER}",
            **column[0][0].labels,
            **summarize(records),
            "against_reference": compare_pairs(episodes[0], records),
        }
        for column, records in zip(columns, episodes, strict=True)
    ]


def _numbered_on(books: Sequence[Sequence[EpisodeRecord]], each: int) -> list[EpisodeRecord]:
    """Episodes of several suites as of one, numbered so that pairs stay pairs."""
    return [
        structs.replace(record, index=number * each + record.index)
        for number, book in enumerate(books)
        for record in book
    ]


def _compared(grid: Grid, results: Results) -> list[dict[str, Any]]:
    """The figures of each cell, and how its episodes went beside the first cell's."""
    (_, reference), *_ = results
    rows = grid_rows(grid, results)
    return [
        {"suite": grid.suite, **row, "against_reference": compare_pairs(reference, records)}
        for row, (_, records) in zip(rows, results, strict=True)
    ]
