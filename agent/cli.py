"""The command line: which commands there are. What they do stands in `agent/commands/`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from agent.commands import (
    authoring,
    demonstrating,
    exporting,
    goals,
    looking,
    making,
    measuring,
    pausing,
    replaying,
    stopping,
    timing,
    tracing,
)
from agent.commands.common import set_debug

app = typer.Typer(
    name="agent",
    help="A robot runs two brains on two clocks, and the fast one never waits for the slow one.",
    epilog="Begin with: agent doctor, then agent demo. Each command has its own --help.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"max_content_width": 100},
    # Plain help: it starts faster, and reads the same in a terminal, a log and a test.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
demos = typer.Typer(help="Demonstrations to learn from.", no_args_is_help=True)
train = typer.Typer(help="Learn from demonstrations.", no_args_is_help=True)
trace = typer.Typer(help="What happened in recorded runs, and why.", no_args_is_help=True)


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error comes from.")] = False,  # noqa: FBT002  # A flag of the command line.
) -> None:
    """A robot runs two brains on two clocks, and the fast one never waits for the slow one."""
    set_debug(is_on=debug)


_COMMANDS = (
    (app, "demo", demonstrating.demo, 'agent demo --goal "open the window" --seconds 90'),
    (app, "serve", goals.serve, "agent serve --preset point_arm --set slow_brain.rate_hz=5"),
    (app, "run", goals.run, 'agent run "put the cube in the drawer, then close and lock it"'),
    (app, "say", goals.say, 'agent say "no, the other one"'),
    (app, "pause", pausing.pause, "agent pause --keep-thinking"),
    (app, "resume", pausing.resume, "agent resume"),
    (app, "stop", stopping.stop, 'agent stop "a hand is in the way"'),
    (app, "release", stopping.release, "agent release"),
    (app, "eval", measuring.evaluate, "agent eval --suite scene-chain --episodes 100 --workers 2"),
    (app, "cadence", timing.cadence, "agent cadence --trace runs/20260101-120000 --plot late.png"),
    (app, "doctor", looking.doctor, "agent doctor --json"),
    (app, "list", authoring.list_parts, "agent list --json"),
    (app, "new", authoring.new, "agent new planner my_planner"),
    (app, "check", authoring.check, "agent check point_arm --set slow_brain.rate_hz=5"),
    (app, "graph", looking.graph, "agent graph point_arm"),
    (demos, "record", making.record, "agent demos record --episodes 800 --seed 1 --workers 2"),
    (train, "planner", making.train_planner, "agent train planner --demos datasets/scene --resume"),
    (train, "policy", making.train_policy, "agent train policy --demos datasets/scene --resume"),
    (trace, "ls", tracing.ls, "agent trace ls --json"),
    (trace, "show", tracing.show, "agent trace show last"),
    (trace, "why", tracing.why, "agent trace why last 12.5"),
    (trace, "diff", tracing.diff, "agent trace diff 20260101-120000 last"),
    (trace, "export", exporting.export, "agent trace export last --to video --out run.mp4"),
    (trace, "replay", replaying.replay, "agent trace replay last --set slow_brain.rate_hz=3"),
    (trace, "fork", replaying.fork, 'agent trace fork last 12.5 --goal "close the window"'),
    (trace, "follow", replaying.follow, "agent trace follow"),
    (trace, "prune", tracing.prune, "agent trace prune --keep 20 --yes"),
    (train, "residual", making.train_residual, "agent train residual --demos datasets/scene"),
)
for group, name, function, example in _COMMANDS:
    group.command(name, epilog=f"Example: {example}")(function)
app.add_typer(demos, name="demos")
app.add_typer(train, name="train")
app.add_typer(trace, name="trace")


def main() -> None:
    """Run the command line; ends the process with its exit code."""
    here = str(Path.cwd())
    if here not in sys.path:
        # A plug-in of yours is found as module:Name without installing it; last, to hide nothing.
        sys.path.append(here)
    app()


if __name__ == "__main__":
    main()
