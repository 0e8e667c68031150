"""`agent demo`: the whole thing, in one command."""

from pathlib import Path
from typing import Annotated

import typer

from agent.commands.common import FAILED, PresetOption, SetOption, told


@told
def demo(
    *,
    goal: Annotated[str, typer.Option(help="What the robot shall do, in words.")] = "",
    seconds: Annotated[float, typer.Option(min=1, help="How long it may take [s].")] = 180.0,
    headless: Annotated[
        bool, typer.Option("--headless", help="Without the web page; the rest is the same.")
    ] = False,
    preset: PresetOption = "demo",
    overrides: SetOption = None,
    runs: Annotated[Path, typer.Option(help="Where the run's folder is made.")] = Path("runs"),
) -> None:
    """See it work: serve a robot, ask it for something, film it.

    Exit code 0 when the goal was met. The film is in runs/<time>/demo.mp4.
    """
    from rich.console import Console

    from agent.demo import GOAL, demo_config, run_demo
    from agent.live_view import LiveView, render_result
    from agent.logs import configure_logs
    from agent.recording.folder import new_run_folder

    configure_logs(level="ERROR")
    # Before the folder is made: a wrong setting leaves nothing behind.
    demo_config(preset, overrides or [], runs)
    folder = new_run_folder(runs)
    console = Console()
    view = LiveView(console)
    with view.open():
        result = run_demo(
            demo_config(preset, overrides or [], folder),
            folder,
            goal=goal or GOAL,
            seconds=seconds,
            tell=lambda text: console.print(text, markup=False, highlight=False),
            show=view.show,
            with_page=not headless,
        )
    console.print(render_result(result))
    console.print(f"Saved: {result['film'] or folder}", markup=False, highlight=False)
    if not result["success"]:
        raise typer.Exit(FAILED)
