"""`agent trace`: what happened in the runs that were recorded, and why."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands.common import told

if TYPE_CHECKING:
    from rich.console import RenderableType

RunArgument = Annotated[
    str, typer.Argument(metavar="ID", help="A run by name or path; last is the newest.")
]
RunsOption = Annotated[Path, typer.Option("--runs", help="The folder of the runs' folders.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="JSON, for programs.")]
_RUNS = Path("runs")


@told
def ls(*, runs: RunsOption = _RUNS, as_json: JsonFlag = False) -> None:
    """List the recorded runs, the oldest first.

    A line each: what was asked for, how it came out, how many of the subtasks that were begun were
    done, and what went wrong. The outcome is what the planner judged. Beside each trace an index is
    kept, which is made again when it is missing; the traces themselves are never written.
    """
    from agent.tracing.runs import Run, run_folders
    from agent.tracing.show import render_runs
    from agent.tracing.story import RunStory, story_of
    from bridge.errors import ConfigError

    stories, troubles = list[RunStory](), list[str]()
    for folder in run_folders(runs):
        try:
            stories.append(story_of(Run(folder)))
        except ConfigError as error:
            troubles.append(str(error))
    if as_json:
        found = {"runs": [story.as_json() for story in stories], "unreadable": troubles}
        typer.echo(json.dumps(found, indent=2))
    elif stories or troubles:
        _print(render_runs(stories, troubles))
    else:
        typer.echo(f"No run is recorded in {runs}. Begin with: agent demo")


@told
def show(run: RunArgument = "last", *, runs: RunsOption = _RUNS, as_json: JsonFlag = False) -> None:
    """Tell the story of a run as a tree: goals, subtasks, and what happened meanwhile.

    Times are in seconds since the recording began. Each subtask says when and why it began and
    ended, and the thoughts of the plan that began it; in between stands what fell, what was held,
    and what a person said.
    """
    from agent.tracing.runs import find_run
    from agent.tracing.show import render_story
    from agent.tracing.story import story_of

    story = story_of(find_run(run, runs))
    if as_json:
        typer.echo(json.dumps(story.as_json(), indent=2))
    else:
        _print(render_story(story))


@told
def why(
    run: RunArgument,
    time: Annotated[
        str, typer.Argument(metavar="T", help="Since the recording began: 12.5 [s], or 1:02.5.")
    ],
    *,
    runs: RunsOption = _RUNS,
    as_json: JsonFlag = False,
) -> None:
    """Say what the robot was sent at a moment, and every reason back to the goal.

    Each line is the reason of the one before, and says since when it holds: command or hold, the
    safety filter's verdict, stitcher, chunk, ladder, latent and its age, subtask, plan, trigger,
    goal. What the trace does not hold is said to be not recorded; nothing is guessed.
    """
    from agent.tracing.runs import find_run
    from agent.tracing.show import render_answer
    from agent.tracing.why import why as explain

    answer = explain(find_run(run, runs), seconds_of(time))
    if as_json:
        typer.echo(json.dumps(answer.as_json(), indent=2))
    else:
        _print(render_answer(answer))


@told
def diff(
    first: RunArgument,
    second: RunArgument,
    *,
    tolerance: Annotated[
        float,
        typer.Option(min=0, help="Commands so far apart are the same [units of the action]."),
    ] = 0.01,
    runs: RunsOption = _RUNS,
    as_json: JsonFlag = False,
) -> None:
    """Say where two runs part, and show how each goes on from there.

    Compared are the settings; what happened, as goals, plans, subtasks, ladder, holds and faults in
    their order; and what the robot was sent at the same time since its first goal. What differs for
    less than 0.1 s is no divergence, as two loops do not tick at the same instants.
    """
    from agent.tracing.diff import compare
    from agent.tracing.runs import find_run
    from agent.tracing.show import render_difference

    found = compare(find_run(first, runs), find_run(second, runs), tolerance=tolerance)
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=2))
    else:
        _print(render_difference(found))


@told
def prune(
    *,
    keep: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Keep only the newest N runs.")
    ] = None,
    max_mb: Annotated[
        float | None,
        typer.Option("--max-mb", min=0, help="Keep the newest that fit into so many megabytes."),
    ] = None,
    older_than: Annotated[
        float | None,
        typer.Option(min=0, metavar="DAYS", help="Remove what was recorded longer ago."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Remove; without it they are only listed.")] = (
        False
    ),
    runs: RunsOption = _RUNS,
) -> None:
    """Remove recorded runs that are beyond a limit, the oldest first.

    Without --yes it only says what would go. Only traces and their indexes are removed: a film or a
    result beside them stays. A run that may still go on is never touched. While runs are recorded,
    recording.max_megabytes and recording.keep_runs do the same by themselves.
    """
    import datetime as dt

    from agent.tracing.prune import remove, unwanted_runs
    from bridge.errors import ConfigError

    if keep is None and max_mb is None and older_than is None:
        raise ConfigError("Say what may stay: give --keep N, --max-mb MB or --older-than DAYS.")
    unwanted = unwanted_runs(
        runs,
        keep_runs=keep,
        max_megabytes=max_mb,
        older_than_days=older_than,
        now=dt.datetime.now(tz=dt.UTC),
    )
    for run in unwanted:
        if yes:
            try:
                remove(run)
            except OSError as error:
                raise ConfigError(f"{run.folder} cannot be removed: {error.strerror}.") from error
        typer.echo(f"{run.folder}  {run.size_bytes / 1e6:.1f} MB")
    total_mb = sum(run.size_bytes for run in unwanted) / 1e6
    done = "removed" if yes else "would be removed; remove them with --yes"
    typer.echo(f"{len(unwanted)} runs of {total_mb:.1f} MB {done}.")


def seconds_of(time: str) -> float:
    """A time as `12.5` or `1:02.5` [s]."""
    from bridge.errors import ConfigError

    minutes, _, seconds = time.rpartition(":")
    try:
        time_s = 60 * int(minutes or 0) + float(seconds)
    except ValueError:
        time_s = math.nan
    if not math.isfinite(time_s):
        raise ConfigError(f"{time!r} is no time: give seconds, as 12.5, or minutes, as 1:02.5.")
    return time_s


def _print(what: "RenderableType") -> None:
    from rich.console import Console

    Console(highlight=False).print(what)
