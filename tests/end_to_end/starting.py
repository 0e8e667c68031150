"""How tests make a run of either kind."""

from collections.abc import Callable

from agent.config import load_config
from agent.graph import build_graph
from agent.runtime import Runtime
from agent.runtime_local import LocalRuntime

StartAgent = Callable[..., Runtime]


def make_runtime(kind: str, preset: str, *overrides: str) -> Runtime:
    """Make a run that has not started; Ray is imported only where it is asked for."""
    graph = build_graph(load_config(preset, overrides))
    if kind == "local":
        return LocalRuntime(graph)
    from agent.runtime_ray import RayRuntime

    return RayRuntime(graph)
