"""`agent demos record` and `agent train`: from demonstrations to both brains."""

import enum
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands.common import SeedOption, WorkersOption, told

if TYPE_CHECKING:
    from rich.progress import Progress

DemosOption = Annotated[
    list[Path] | None,
    typer.Option("--demos", metavar="FOLDER", help="Demonstrations to learn from; repeatable."),
]
WorkOption = Annotated[Path, typer.Option(help="Checkpoints, curves, and what can be made again.")]
OutOption = Annotated[
    Path | None, typer.Option(help="Where the weights go; where the agent looks, if not given.")
]
StepsOption = Annotated[
    int | None, typer.Option(min=1, help="How many steps; as many as the shipped ones had.")
]
StartOption = Annotated[
    Path | None,
    typer.Option("--start-from", metavar="FOLDER", help="Weights to learn on from."),
]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint.")]
ThreadsOption = Annotated[int, typer.Option(min=1, help="Threads of the processor to learn with.")]
_SCENE = Path("datasets/scene")
_WORK = Path("checkpoints")
OnStep = Callable[[int, dict[str, float]], None]
OnPhase = Callable[[str, int], OnStep]


class Tasks(enum.StrEnum):
    """What is demonstrated."""

    SCENE = "scene"
    MEMORY = "memory"


@told
def record(
    *,
    episodes: Annotated[int, typer.Option(min=1, help="How many there shall be in the end.")] = 100,
    seed: SeedOption = 0,
    workers: WorkersOption = 1,
    out: Annotated[Path, typer.Option(help="The dataset's folder.")] = _SCENE,
    tasks: Annotated[
        Tasks, typer.Option(help="What the scene shows by itself, or tasks that want a memory.")
    ] = Tasks.SCENE,
    kinds: Annotated[
        str, typer.Option(help="Of memory tasks, only these, as other,order; else all.")
    ] = "",
) -> None:
    """Record demonstrations in the scene, as a LeRobotDataset v3.

    An episode is on disk whole or not at all: Ctrl-C at any time, the same command goes on.
    """
    from agent.demos.series import Progress, record_series

    with _progress() as on_phase:
        show = on_phase("demonstrations", episodes)

        def note(progress: Progress) -> None:
            worked = float(bool(progress.info.get("success")))
            show(progress.done, {"worked": worked})

        wanted = [name.strip() for name in kinds.split(",") if name.strip()]
        record_series(out, episodes, seed, workers, note, tasks=tasks.value, kinds=wanted)
    typer.echo(f"Recorded: {out}")


@told
def train_planner(
    *,
    demos: DemosOption = None,
    work: WorkOption = _WORK,
    out: OutOption = None,
    start_from: StartOption = None,
    new_words: Annotated[
        bool,
        typer.Option(
            "--new-words", help="With --start-from: learn new words as tokens of their own."
        ),
    ] = False,
    steps: StepsOption = None,
    seed: SeedOption = 0,
    threads: ThreadsOption = 1,
    resume: ResumeOption = False,
) -> None:
    """Train the slow brain: a planner that sees and thinks aloud."""
    from agent.training import TrainingPlan
    from agent.training import train_planner as train
    from slow_brain.engines.model_files import SHIPPED_WEIGHTS

    plan = TrainingPlan(
        datasets=demos or [_SCENE],
        work=work,
        out=out or SHIPPED_WEIGHTS,
        steps=steps,
        resume=resume,
        threads=threads,
        seed=seed,
        start_from=start_from,
        new_words=new_words,
    )
    with _progress() as on_phase:
        folder = train(plan, on_phase)
    typer.echo(f"The planner's weights: {folder}")


@told
def train_policy(
    *,
    demos: DemosOption = None,
    planner: Annotated[
        Path | None, typer.Option(help="The trained planner; where the agent looks, if not given.")
    ] = None,
    work: WorkOption = _WORK,
    out: OutOption = None,
    start_from: StartOption = None,
    steps: StepsOption = None,
    seed: SeedOption = 0,
    threads: ThreadsOption = 1,
    resume: ResumeOption = False,
) -> None:
    """Train the fast brain: on words, then on the planner's latents."""
    from agent.training import TrainingPlan
    from agent.training import train_policy as train
    from fast_brain.policies.flow import DEFAULT_WEIGHTS
    from slow_brain.engines.model_files import SHIPPED_WEIGHTS as PLANNER_WEIGHTS

    plan = TrainingPlan(
        datasets=demos or [_SCENE],
        work=work,
        out=out or DEFAULT_WEIGHTS,
        steps=steps,
        resume=resume,
        threads=threads,
        seed=seed,
        start_from=start_from,
    )
    with _progress() as on_phase:
        folder = train(plan, planner or PLANNER_WEIGHTS, on_phase)
    typer.echo(f"The policy's weights: {folder}")


@told
def train_residual(
    *,
    demos: DemosOption = None,
    policy: Annotated[
        Path | None, typer.Option(help="The trained policy; where the agent looks, if not given.")
    ] = None,
    work: WorkOption = _WORK,
    out: OutOption = None,
    steps: StepsOption = None,
    seed: SeedOption = 0,
    threads: ThreadsOption = 1,
    resume: ResumeOption = False,
) -> None:
    """Train the small head that corrects late actions by what is seen now (stitcher a2c2)."""
    from agent.training import TrainingPlan
    from agent.training import train_residual as train
    from fast_brain.policies.flow import DEFAULT_WEIGHTS as POLICY_WEIGHTS
    from fast_brain.stitchers.a2c2 import DEFAULT_WEIGHTS

    plan = TrainingPlan(
        datasets=demos or [_SCENE],
        work=work,
        out=out or DEFAULT_WEIGHTS,
        steps=steps,
        resume=resume,
        threads=threads,
        seed=seed,
    )
    with _progress() as on_phase:
        folder = train(plan, policy or POLICY_WEIGHTS, on_phase)
    typer.echo(f"The head's weights: {folder}")


@contextmanager
def _progress() -> Generator[OnPhase]:
    """Bars, one for each phase; after Ctrl-C it says how to go on."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[figures]}"),
    )
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
            yield partial(_begin, progress)
            _finish(progress)
    except KeyboardInterrupt:
        console.print("Stopped. The same command goes on (training: with --resume).")
        raise


def _begin(progress: "Progress", name: str, total: int) -> OnStep:
    """Begin a bar that also shows the newest figures; where nobody watches, its name is said."""
    _finish(progress)
    if progress.disable:
        progress.console.print(f"{name}: {total:,}")
    task = progress.add_task(name, total=total, figures="")

    def on_step(step: int, figures: dict[str, float]) -> None:
        # Steps below zero come before learning: so many pictures are to be prepared.
        shown = f"preparing, {-step:,} to go" if step < 0 else _in_words(figures)
        progress.update(task, completed=max(step, 0), figures=shown)

    return on_step


def _finish(progress: "Progress") -> None:
    for task in progress.tasks:
        progress.update(task.id, completed=task.total)


def _in_words(figures: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in figures.items())
