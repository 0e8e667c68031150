"""`python -m agent.faults`: inject faults, and say what became of each."""

import enum
import json
import os
import platform
from pathlib import Path
from typing import Annotated

import typer

from agent.commands.common import FAILED, told
from agent.faults.book import CampaignBook
from agent.faults.campaign import run_campaign
from agent.faults.cases import FaultCase, draw_campaign, draw_case
from agent.faults.judge import CaseResult
from agent.faults.kinds import World
from agent.faults.report import make_report, render_page, render_table


class Where(enum.StrEnum):
    """In virtual time, or among real processes."""

    VIRTUAL = "virtual"
    PROCESSES = "processes"


@told
def main(
    *,
    count: Annotated[int, typer.Option(min=0, help="How many faults in virtual time.")] = 1000,
    processes: Annotated[
        int, typer.Option(min=0, help="How many faults among real processes, some 10 s each.")
    ] = 100,
    seed: Annotated[int, typer.Option(min=0, help="The first seed.")] = 0,
    only: Annotated[
        str, typer.Option(metavar="KIND", help="One case of this kind and --seed, nothing else.")
    ] = "",
    world: Annotated[
        Where, typer.Option(help="With --only: virtual time, or real processes.")
    ] = Where.VIRTUAL,
    json_file: Annotated[
        Path,
        typer.Option(
            "--json",
            metavar="FILE",
            help="Where the result goes; the cases stand beside it, as .jsonl.",
        ),
    ] = Path("runs/faults.json"),
    page: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the report as a page, too.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where it was stopped.")] = False,
) -> None:
    """Break one thing at a time, and judge what the agent makes of it.

    The same kind, seed and world break the same thing at the same moment. Stop it with Ctrl-C and
    go on later with --resume. Ends with 1 if anything was not as it should be.
    """
    from agent.logs import configure_logs

    configure_logs(level="CRITICAL")
    if only:
        _say(_play_one(only, seed, world.value))
        return
    cases = [
        *draw_campaign(count, seed, "virtual"),
        *draw_campaign(processes, seed, "processes"),
    ]
    results = _run(cases, json_file, resume=resume)
    _tell(results, json_file, page, f'make faults FAULTS="--count {count} --processes {processes}"')


def _play_one(kind: str, seed: int, world: World) -> CaseResult:
    """One case, without a book."""
    from agent.faults.campaign import play

    return next(play([draw_case(kind, seed, world)]))


def _say(result: CaseResult) -> None:
    """Everything about one case."""
    case = result.case
    typer.echo(f"{case.name}: after {case.moment_s} s, for {case.duration_s} s")
    for text in result.said:
        typer.echo(f"  said: {text}")
    for question, trouble in result.troubles.items():
        typer.echo(f"  {question}: {trouble}")
    returned = "" if result.back_after_s is None else f", done {result.back_after_s:.1f} s later"
    typer.echo(("as it should be" if result.is_passed else "NOT as it should be") + returned)
    if not result.is_passed:
        raise typer.Exit(FAILED)


def _run(cases: list[FaultCase], path: Path, *, resume: bool) -> list[CaseResult]:
    """Play what is missing, with a bar."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    console = Console(stderr=True)
    book = CampaignBook(path.with_suffix(".jsonl"))
    bar = Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with bar as progress:
        task = progress.add_task("faults", total=len(cases))

        def note(result: CaseResult) -> None:
            progress.advance(task)
            if not result.is_passed:
                console.print(f"✘ {result.case.name}  {result.troubles}", markup=False)

        try:
            return run_campaign(cases, book, resume=resume, on_result=note)
        except KeyboardInterrupt:
            console.print("Stopped. What has ended is kept: go on with --resume.")
            raise


def _tell(results: list[CaseResult], path: Path, page: Path | None, command: str) -> None:
    """Write the report and show its table."""
    from rich.console import Console

    report = make_report(results)
    path.write_text(json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    if page is not None:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(render_page(report, command, _machine()), encoding="utf-8")
    Console().print(render_table(report))
    typer.echo(f"Written: {path}")
    if report["failures"]:
        raise typer.Exit(FAILED)


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


if __name__ == "__main__":
    typer.run(main)
