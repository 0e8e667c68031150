"""`agent trace replay | fork | follow`: live through a recorded run again, or watch one grow."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands.common import FAILED, SetOption, serve_until_stopped, told
from agent.commands.tracing import JsonFlag, RunArgument, RunsOption, seconds_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from agent.tracing.runs import Run

_RUNS = Path("runs")
PlannerOption = Annotated[
    str,
    typer.Option(help="Another planner, by its name in `agent list`; replay is the recorded one."),
]
ToleranceOption = Annotated[
    float, typer.Option(min=0, help="Actions so far apart are the same [units of the action].")
]


@told
def replay(
    run: RunArgument = "last",
    *,
    overrides: SetOption = None,
    planner: PlannerOption = "",
    tolerance: ToleranceOption = 0.01,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Keep the replay's own trace here.")
    ] = None,
    as_policy: Annotated[
        bool,
        typer.Option("--as-policy", help="Serve the run's chunks in place of a policy instead."),
    ] = False,
    goal: Annotated[
        int, typer.Option(min=1, help="With --as-policy: which goal of the run to play.")
    ] = 1,
    preset: Annotated[
        str, typer.Option(help="With --as-policy: other settings from here, not from the run.")
    ] = "",
    runs: RunsOption = _RUNS,
    as_json: JsonFlag = False,
) -> None:
    """Show what a run's robot sensed to today's brains, and say where they now do otherwise.

    All in virtual time, the same every time: the robot is played from the trace, people say again
    what they said, and planner and policy take as long as they took then. Reported are the first
    divergences of what happened, of the chunks and of the commands. Change something with --set to
    see what it would have changed in the brains; what follows from it in the world is for
    `agent trace fork`.

    With --as-policy a robot is served that carries out the recorded chunks from each new goal on,
    without any network: what then goes wrong is not the model's fault. Until Ctrl-C, as by
    `agent serve`.
    """
    from agent.tracing.runs import find_run

    found = find_run(run, runs)
    if as_policy:
        _serve(found, goal, preset, overrides or [])
        return
    from agent.replaying.replay import replay as live_again
    from agent.replaying.report import render_replay

    _be_quiet()
    result = live_again(
        found,
        overrides=overrides or [],
        planner=planner,
        tolerance=tolerance,
        keep_in=None if out is None else _new_folder(out),
    )
    if as_json:
        typer.echo(json.dumps(result.as_json(), indent=2))
    else:
        _print(render_replay(result))


@told
def fork(
    run: RunArgument,
    time: Annotated[
        str, typer.Argument(metavar="T", help="Since the recording began: 12.5 [s], or 1:02.5.")
    ],
    *,
    overrides: SetOption = None,
    goal: Annotated[str, typer.Option(help="Ask for this instead, from T on.")] = "",
    planner: PlannerOption = "",
    seconds: Annotated[
        float, typer.Option(min=0.1, help="How long it may take after T, in virtual time [s].")
    ] = 120.0,
    tolerance: ToleranceOption = 0.01,
    runs: RunsOption = _RUNS,
    as_json: JsonFlag = False,
) -> None:
    """Begin again in simulation at a moment of a run, with something changed, and compare.

    The world is put back exactly as it was: joints, speeds, contacts, locks, lights and random
    state; goal, plan and stops stand as they stood. What follows runs in virtual time until the
    goal has ended, is recorded as a run of its own, and is laid beside the original from T on.
    Only simulators can be put back: point_arm and ogbench_scene among the shipped ones.
    """
    from agent.recording.folder import new_run_folder
    from agent.replaying.fork import fork as go_on
    from agent.replaying.report import render_fork
    from agent.tracing.runs import find_run

    found = find_run(run, runs)
    _be_quiet()
    result = go_on(
        found,
        seconds_of(time),
        lambda: new_run_folder(runs),
        goal=goal,
        planner=planner,
        overrides=overrides or [],
        limit_s=seconds,
        tolerance=tolerance,
    )
    if as_json:
        typer.echo(json.dumps(result.as_json(), indent=2))
    else:
        _print(render_fork(result))


@told
def follow(
    run: RunArgument = "last",
    *,
    patience: Annotated[
        float, typer.Option(min=1, help="Give up when nothing was written for so long [s].")
    ] = 10.0,
    runs: RunsOption = _RUNS,
    as_json: JsonFlag = False,
) -> None:
    """Print what happens in a run as it is written, until the run ends.

    Begins with what has happened already. A line each: goals, plans, subtasks, and what fell, was
    held or was said; with --json an object a line. Exit code 1 when the trace stops growing without
    an end, because the run was killed or hangs.
    """
    import threading

    from agent.replaying.follow import Ending, Follower, lines_of, render_line
    from agent.tracing.runs import find_run

    follower = Follower(find_run(run, runs).path)
    for line in lines_of(follower, threading.Event().wait, patience_s=patience):
        if as_json:
            typer.echo(json.dumps(line.as_json()))
        else:
            _print(render_line(line))
    if follower.ending is Ending.SILENT:
        typer.echo(f"Nothing was written for {patience:g} s: the run was killed, or hangs.")
        raise typer.Exit(FAILED)


def _serve(run: "Run", goal: int, preset: str, overrides: list[str]) -> None:
    from agent.replaying.settings import as_policy_config

    config = as_policy_config(run, goal=goal, preset=preset, overrides=overrides)
    said = f"The policy is run {run.id}, goal {goal}, from each new goal on."
    serve_until_stopped(config, lambda _: said)


def _print(what: "RenderableType") -> None:
    from rich.console import Console

    Console(highlight=False).print(what)


def _be_quiet() -> None:
    from agent.logs import configure_logs

    configure_logs(level="ERROR")


def _new_folder(folder: Path) -> Path:
    """A folder for a trace, which may be there but must not hold one.

    Raises:
        ConfigError: It does.
    """
    from agent.recording.reading import TRACE_FILES
    from bridge.errors import ConfigError

    if any(folder.glob(TRACE_FILES)):
        raise ConfigError(f"{folder} holds a trace already: name another folder with --out.")
    return folder
