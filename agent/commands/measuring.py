"""`agent eval`: many seeded episodes in virtual time, and what they say."""

import enum
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
        str, typer.Option(help="What to measure; `agent list` shows the suites.")
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
    """
    from agent.config import load_config
    from agent.evaluation.runner import Evaluation
    from agent.evaluation.suites import find_suite
    from agent.logs import configure_logs

    configure_logs(level="ERROR")
    chosen = preset or find_suite(suite).preset
    settings = [*(overrides or []), f"fast_brain.mode={mode.value}"]
    if stitch:
        from agent.evaluation.stitching import ALL, parse_delays_ms, parse_stitchers, stitch_grid

        grid = stitch_grid(
            suite=suite,
            episodes=episodes,
            seed=seed,
            preset=chosen,
            overrides=settings,
            stitchers=parse_stitchers(stitch),
            delays_ms=parse_delays_ms(policy_delay_ms),
        )
        path = json_file or Path("runs") / f"stitch-{suite}-{mode.value}-{seed}.json"
        is_all = stitch.strip() == ALL
        _compare(grid, path, workers=workers, resume=resume, leave_out=is_all)
        return
    config = load_config(chosen, settings)
    wanted = Evaluation(suite=suite, episodes=episodes, seed=seed, config=config)
    path = json_file or Path("runs") / f"{suite}-{mode.value}-{seed}-{wanted.settings_id}.json"
    report = _measure(wanted, path, workers=workers, resume=resume)
    _show(report, path)


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
