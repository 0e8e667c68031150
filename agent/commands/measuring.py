"""`agent eval`: many seeded episodes in virtual time, and what they say."""

import enum
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.commands.common import PresetOption, SeedOption, SetOption, WorkersOption, told

if TYPE_CHECKING:
    from rich.progress import Progress

    from agent.evaluation.grid import Cell, Grid
    from agent.evaluation.records import EpisodeRecord
    from agent.evaluation.runner import Evaluation


class Mode(enum.StrEnum):
    """With both brains, or with the fast one alone."""

    HIERARCHICAL = "hierarchical"
    FLAT = "flat"


@told
def evaluate(
    *,
    suite: Annotated[
        str,
        typer.Option(help="What to measure, as scene-chain,memory-*; `agent list` shows them."),
    ] = "scene-chain",
    episodes: Annotated[int, typer.Option(min=1, help="How many episodes.")] = 100,
    seed: SeedOption = 0,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json",
            metavar="FILE",
            help="Where the result goes; the episodes stand beside it, as .jsonl.",
        ),
    ] = None,
    mode: Annotated[
        Mode, typer.Option(help="With the planner, or the policy alone on the goal's text.")
    ] = Mode.HIERARCHICAL,
    stitch: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Compare stitchers, as latest,rtc or all; options follow, as rtc+mask=linear.",
        ),
    ] = "",
    policy_delay_ms: Annotated[
        str,
        typer.Option(metavar="DELAYS", help="With --stitch: how late the policy is, each in turn."),
    ] = "0,100,200,300",
    ablate: Annotated[
        bool, typer.Option("--ablate", help="Compare the brains with parts of them left out.")
    ] = False,
    conditions: Annotated[
        str,
        typer.Option(metavar="NAMES", help="With --ablate: all, or some, as flat,no_memory."),
    ] = "all",
    planner_delay_s: Annotated[
        str,
        typer.Option(metavar="DELAYS", help="With --ablate: planner delays [s] to sweep, as 1,3."),
    ] = "",
    page: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="With --ablate: a page to write the tables into, between marks named as --json.",
        ),
    ] = None,
    workers: WorkersOption = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where it was stopped.")] = False,
    preset: PresetOption = "",
    overrides: SetOption = None,
) -> None:
    """Measure how often goals are met, in virtual time.

    The same suite, seed and settings give the same episodes. An episode is a success when the
    world's own facts meet the goal. Stop it with Ctrl-C and go on later with --resume.

    With --stitch the same episodes are run for each stitcher and each delay of the policy, and
    smoothness is told beside success, as a table and a picture.

    With --ablate the same brains run the same episodes with one part left out or exchanged:
    without the planner, with an oracle's words, with one memory alone, waiting for the planner.
    """
    from agent.evaluation.ablation import parse_suites
    from agent.evaluation.suites import find_suite
    from agent.logs import configure_logs

    configure_logs(level="ERROR")
    suites = parse_suites(suite)
    if ablate:
        from agent.evaluation.ablation import ablation_grid
        from agent.evaluation.conditions import parse_conditions, parse_planner_delays_s

        grids = [
            ablation_grid(
                suite=each,
                episodes=episodes,
                seed=seed,
                preset=preset,
                overrides=overrides or [],
                conditions=parse_conditions(conditions),
                delays_s=parse_planner_delays_s(planner_delay_s),
            )
            for each in suites
        ]
        path = json_file or Path("runs") / f"ablation-{seed}.json"
        _ablate(grids, path, workers=workers, resume=resume, page=page)
        return
    chosen = preset or find_suite(suites[0]).preset
    settings = [*(overrides or []), f"fast_brain.mode={mode.value}"]
    if stitch:
        from agent.evaluation.stitching import ALL, parse_delays_ms, parse_stitchers, stitch_grid

        grid = stitch_grid(
            suite=suites[0],
            episodes=episodes,
            seed=seed,
            preset=chosen,
            overrides=settings,
            stitchers=parse_stitchers(stitch),
            delays_ms=parse_delays_ms(policy_delay_ms),
        )
        path = json_file or Path("runs") / f"stitch-{suites[0]}-{mode.value}-{seed}.json"
        is_all = stitch.strip() == ALL
        _compare(grid, path, workers=workers, resume=resume, leave_out=is_all)
        return
    for each in suites:
        name = f"{each}-{mode.value}-{seed}"
        aside = json_file and (json_file if len(suites) == 1 else _beside(json_file, each))
        _measure_suite(
            each,
            episodes,
            seed,
            preset=preset or find_suite(each).preset,
            settings=settings,
            path=aside,
            name=name,
            workers=workers,
            resume=resume,
        )


def _beside(path: Path, suite: str) -> Path:
    return path.with_stem(f"{path.stem}-{suite}")


def _measure_suite(
    suite: str,
    episodes: int,
    seed: int,
    *,
    preset: str,
    settings: list[str],
    path: Path | None,
    name: str,
    workers: int,
    resume: bool,
) -> None:
    """Measure one suite, write and show it; without a path it is named after its settings."""
    from agent.config import load_config
    from agent.evaluation.runner import Evaluation

    config = load_config(preset, settings)
    wanted = Evaluation(suite=suite, episodes=episodes, seed=seed, config=config)
    file = path or Path("runs") / f"{name}-{wanted.settings_id}.json"
    _show(_measure(wanted, file, workers=workers, resume=resume), file)


def _ablate(
    grids: list["Grid"], path: Path, *, workers: int, resume: bool, page: Path | None
) -> None:
    """Run what is missing of an ablation, with a bar; write, show and draw it."""
    from rich.console import Console

    from agent.evaluation.ablation import run_ablation
    from agent.evaluation.ablation_page import fill_page, render_ablation
    from agent.evaluation.ablation_plot import draw_ablation
    from agent.evaluation.report import write_report

    with _bar(path.with_suffix("")) as progress:
        total = sum(grid.episodes * len(grid.cells) for grid in grids)
        task = progress.add_task("ablation", total=total)

        def note(suite: str, cell: "Cell", episode: "EpisodeRecord", done: int, of: int) -> None:
            progress.update(task, completed=done, total=of)
            text = f"{_line(episode)}  {suite} {cell.name}"
            progress.console.print(text, highlight=False, markup=False)

        report = run_ablation(grids, path, workers=workers, resume=resume, on_progress=note)
    write_report(report, path)
    Console().print(render_ablation(report))
    typer.echo(f"Written: {path}")
    figures = page.parent / "figures" if page else path.parent
    picture = draw_ablation(report, figures / f"{path.stem}.png")
    typer.echo(f"Drawn: {picture}")
    if page is not None:
        command, seen = f"agent {' '.join(sys.argv[1:])}", picture.relative_to(page.parent)
        fill_page(page, report, command=command, picture=str(seen), section=path.stem)
        typer.echo(f"Filled in: {page}")


def _measure(evaluation: "Evaluation", path: Path, *, workers: int, resume: bool) -> dict[str, Any]:
    """Run what is missing, with a bar, and write the report."""
    from agent.evaluation.report import make_report, write_report
    from agent.evaluation.runner import evaluate as run

    book = path.with_suffix(".jsonl")
    with _bar(book) as progress:
        task = progress.add_task(evaluation.suite, total=evaluation.episodes)

        def note(episode: "EpisodeRecord", done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)
            progress.console.print(_line(episode), highlight=False, markup=False)

        records = run(evaluation, book, workers=workers, resume=resume, on_progress=note)
    report = make_report(evaluation, records)
    write_report(report, path)
    return report


def _compare(grid: "Grid", path: Path, *, workers: int, resume: bool, leave_out: bool) -> None:
    """Run what is missing of a comparison, with a bar; write, show and draw it."""
    from rich.console import Console

    from agent.evaluation.report import write_report
    from agent.evaluation.stitching import compare_stitchers, render_comparison
    from agent.evaluation.stitching_plot import draw_comparison

    with _bar(path.with_suffix("")) as progress:
        task = progress.add_task(grid.suite, total=grid.episodes * len(grid.cells))

        def note(cell: "Cell", episode: "EpisodeRecord", done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)
            text = f"{_line(episode)}  {cell.name}"
            progress.console.print(text, highlight=False, markup=False)

        report = compare_stitchers(
            grid, path, workers=workers, resume=resume, leave_out=leave_out, on_progress=note
        )
    write_report(report, path)
    Console().print(render_comparison(report))
    typer.echo(f"Written: {path}")
    typer.echo(f"Drawn: {draw_comparison(report, path.with_suffix('.png'))}")


@contextmanager
def _bar(kept_in: Path) -> Generator["Progress"]:
    """A bar with a line an episode, and on Ctrl-C a word about what is kept."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    try:
        # A log gets a line an episode, and no bar.
        with Progress(
            *columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal
        ) as progress:
            yield progress
    except KeyboardInterrupt:
        console.print(f"Stopped. What has ended is kept in {kept_in}: go on with --resume.")
        raise


def _line(episode: "EpisodeRecord") -> str:
    mark = "✔" if episode.success else "✘"
    return f"{mark} {episode.index:>4}  {episode.duration_s:5.1f} s  {episode.reason}"


def _show(report: dict[str, Any], path: Path) -> None:
    from rich.console import Console

    from agent.evaluation.report import render_report

    Console().print(render_report(report))
    typer.echo(f"Written: {path}")
