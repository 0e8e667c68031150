"""Finding plug-ins: by the name of an entry point, or by `module:Name` without installing anything.

No registration on import, no `if kind == …`: a name in a preset becomes a class here and nowhere
else. A plug-in is made by calling it with its options as keyword arguments.
"""

import importlib
import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, NamedTuple, cast

from bridge.errors import PluginError, TandemError, UnknownKeyError, UnknownNameError

PluginKind = Literal[
    "planner",
    "engine",
    "reply",
    "feasibility",
    "policy",
    "robot",
    "memory",
    "fusion",
    "stitcher",
    "monitor",
]

# Entry point groups, as a plug-in's own pyproject.toml names them.
GROUPS: Mapping[PluginKind, str] = {
    "planner": "tandem_agent.planners",
    "engine": "tandem_agent.engines",
    "reply": "tandem_agent.replies",
    "feasibility": "tandem_agent.feasibilities",
    "policy": "tandem_agent.policies",
    "robot": "tandem_agent.robots",
    "memory": "tandem_agent.memories",
    "fusion": "tandem_agent.fusions",
    "stitcher": "tandem_agent.stitchers",
    "monitor": "tandem_agent.monitors",
}


class PluginInfo(NamedTuple):
    """One plug-in that could be loaded: its name, where it is, and who ships it."""

    name: str
    target: str
    distribution: str


def list_plugins(kind: PluginKind) -> tuple[PluginInfo, ...]:
    """All installed plug-ins of a kind, by name; none of them is imported."""
    return tuple(
        PluginInfo(name, point.value, point.dist.name if point.dist else "")
        for name, point in sorted(_entry_points(kind).items())
    )


def load_plugin(kind: PluginKind, name: str) -> Callable[..., Any]:
    """Import a plug-in and return it, not yet made.

    Args:
        kind: What it is to be.
        name: An installed name, or `module:Name`.

    Raises:
        UnknownNameError: Nothing of this kind is installed under the name.
        PluginError: It is known but does not import.
    """
    if ":" in name:
        return _load(name, lambda: _attribute(*name.split(":", 1)))
    points = _entry_points(kind)
    if name not in points:
        raise UnknownNameError(kind=kind, name=name, known=points)
    return _load(name, points[name].load)


def make_plugin(kind: PluginKind, name: str, options: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401  # Which protocol it meets depends on `kind`.
    """Load a plug-in and make it with its options.

    Raises:
        UnknownNameError: As for `load_plugin`.
        UnknownKeyError: It takes no option of that name.
        PluginError: It does not import, or making it raised; our own errors pass as they are.
    """
    factory = load_plugin(kind, name)
    given = dict(options or {})
    _check_options(f"{kind} {name!r}", factory, given)
    try:
        return factory(**given)
    except TandemError:
        raise
    except Exception as error:
        raise PluginError(plugin=name, verb="__init__", cause=error) from error


def _entry_points(kind: PluginKind) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUPS[kind])}


def _attribute(module: str, path: str) -> object:
    found: object = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found


def _load(name: str, importing: Callable[[], object]) -> Callable[..., Any]:
    # An import runs the author's code, which may raise anything at all.
    try:
        found = importing()
    except Exception as error:
        raise PluginError(plugin=name, verb="import", cause=error) from error
    if not callable(found):
        raise PluginError(plugin=name, verb="import", cause=f"{found!r} is not a class")
    return cast("Callable[..., Any]", found)


def _check_options(where: str, factory: Callable[..., Any], given: dict[str, object]) -> None:
    """Refuse an option that the plug-in does not take, with the near match."""
    parameters = inspect.signature(factory).parameters.values()
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        return
    known = [parameter.name for parameter in parameters]
    for key in given:
        if key not in known:
            raise UnknownKeyError(key=key, where=where, known=known)
