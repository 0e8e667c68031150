"""The demonstration: a robot is served, given a goal over HTTP, watched, and filmed."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from agent.client import AgentClient
from agent.config import AgentConfig, load_config
from agent.graph_parts import Graph
from agent.results import Status, write_result
from agent.run_command import run_goal
from agent.runtime import Runtime
from agent.serve import serving
from bridge.errors import TandemError

GOAL = "put the cube in the drawer, then close and lock it"
Captions = list[tuple[int, str]]
_STATES = "states.npz"
_FILMED = "ogbench_scene"


def demo_config(preset: str, overrides: list[str], folder: Path) -> AgentConfig:
    """The preset with its film switched on.

    Raises:
        ConfigError: As for `load_config`.
    """
    config = load_config(preset, overrides)
    if config.robot.kind != _FILMED:
        return config
    # The robot is in another process, whose working folder may be another one.
    states = str((folder / _STATES).resolve())
    return load_config(preset, [*overrides, f"robot.options.states_path={states}"])


def run_demo(
    config: AgentConfig,
    folder: Path,
    *,
    goal: str,
    seconds: float,
    tell: Callable[[str], None],
    show: Callable[[Status], None],
    with_page: bool = True,
    make_runtime: Callable[[Graph], Runtime] | None = None,
) -> dict[str, Any]:
    """Serve, ask, watch, film; returns the result as for JSON.

    Args:
        config: From `demo_config`.
        folder: Where the trace, the film and the result go.
        goal: What to ask for.
        seconds: How long the robot may take [s].
        tell: Told what is being done.
        show: Called with each status.
        with_page: As for `serving`.
        make_runtime: As for `serving`.

    Raises:
        TandemError: Whatever kept it from running.
    """
    with serving(
        config, make_runtime=make_runtime, with_page=with_page, tell=tell, record_to=folder
    ) as served:
        tell(f"Watch it: {served.address}")
        tell(f"Goal: {goal}")
        with closing(AgentClient(served.address, token=config.serve.token)) as client:
            result, captions = run_goal(client, goal, timeout_s=seconds, show=show)
    # Once before the film, which takes a while and may be interrupted.
    write_result(result | {"film": None}, folder / "result.json")
    result["film"] = film(folder, captions, tell)
    write_result(result, folder / "result.json")
    return result


def film(folder: Path, captions: Captions, tell: Callable[[str], None]) -> str | None:
    """Draw what the robot's states say; None when there are none, or they cannot be drawn."""
    states = folder / _STATES
    if not states.is_file():
        return None
    from fast_brain.robots.scene_recording import load_states, render_states

    tell("Drawing the film …")
    try:
        return str(render_states(load_states(states), folder / "demo.mp4", captions))
    except TandemError as error:
        # The job is done and its result counts; only the picture of it is missing.
        tell(f"There is no film: {error}")
        return None
