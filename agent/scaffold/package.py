"""From a template to a package of five files: code, contract test, preset, pyproject, README."""

import importlib.util
import keyword
import sys
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from bridge.errors import ConfigError, UnknownNameError
from bridge.plugins import GROUPS, PluginKind, list_plugins

# The setting that chooses a plug-in, by the kinds there are templates for.
SETTINGS: Mapping[PluginKind, str] = {
    "planner": "slow_brain.planner",
    "policy": "fast_brain.policy",
    "robot": "robot.kind",
    "memory": "fast_brain.memory",
    "stitcher": "fast_brain.stitcher",
    "monitor": "slow_brain.monitoring.use",
}
_GOALS: Mapping[str, str] = {"memory": "open the window"}
_USUAL_GOAL = "reach left"


class _File(NamedTuple):
    """A template, and what the file made from it is called."""

    template: str
    name: str


def write_package(kind: str, name: str, folder: Path) -> Path:
    """Write a plug-in's package into a folder of its own; nothing is written if something is wrong.

    Args:
        kind: One of `SETTINGS`.
        name: The module's name, and what presets call the plug-in by: my_planner.
        folder: Where the package's own folder is made.

    Returns:
        The package's folder.

    Raises:
        UnknownNameError: There is no template for the kind.
        ConfigError: The name is no name for a module, or is taken; or the folder is there already.
    """
    known = _known_kind(kind)
    package = folder / distribution_name(name)
    if package.exists():
        raise ConfigError(f"{package} is there already. Choose another name, or remove it.")
    _check_name(known, name)
    files = {file.name: _fill(known, name, file.template) for file in _files(known, name)}
    package.mkdir(parents=True)
    for file, text in files.items():
        (package / file).write_text(text, encoding="utf-8")
    return package


def class_name(name: str) -> str:
    """The class of a plug-in: MyPlanner for my_planner."""
    return "".join(word.capitalize() for word in name.split("_"))


def uninstalled(kind: str, name: str) -> str:
    """The override that chooses the plug-in in its own folder, without installing it."""
    setting = next(setting for known, setting in SETTINGS.items() if known == kind)
    chosen = f"{name}:{class_name(name)}"
    return f"'{setting}=[{{kind: \"{chosen}\"}}]'" if kind == "monitor" else f"{setting}={chosen}"


def distribution_name(name: str) -> str:
    """What the package and its folder are called: my-planner for my_planner.

    Never the module's own name: Python would take the folder for the module.
    """
    return name.replace("_", "-") if "_" in name.strip("_") else f"{name}-plugin"


def _known_kind(kind: str) -> PluginKind:
    for known in SETTINGS:
        if known == kind:
            return known
    raise UnknownNameError(kind="template", name=kind, known=SETTINGS)


def _check_name(kind: PluginKind, name: str) -> None:
    if not name.isidentifier() or keyword.iskeyword(name) or name != name.lower():
        raise ConfigError(
            f"{name!r} is no name for a Python module. Use small letters, digits and underscores, "
            f"beginning with a letter: my_{kind}"
        )
    if any(plugin.name == name for plugin in list_plugins(kind)):
        raise ConfigError(f"A {kind} called {name!r} is installed already; choose another name.")
    if name in sys.stdlib_module_names or importlib.util.find_spec(name) is not None:
        raise ConfigError(
            f"There is a Python module called {name!r} already, which yours would hide; "
            f"choose another name, such as {name}_{kind}."
        )


def _files(kind: PluginKind, name: str) -> tuple[_File, ...]:
    return (
        _File("pyproject.toml", "pyproject.toml"),
        _File("README.md", "README.md"),
        _File(f"{kind}.py", f"{name}.py"),
        _File(f"{kind}_test.py", f"test_{name}.py"),
        _File(f"{kind}.yaml", f"{name}.yaml"),
    )


def _fill(kind: PluginKind, name: str, template: str) -> str:
    text = (
        resources.files("agent.scaffold")
        .joinpath("templates", f"{template}.txt")
        .read_text("utf-8")
    )
    words = {
        "my_plugin": name,
        "my-plugin": distribution_name(name),
        "MyPlugin": class_name(name),
        "ENTRY_POINT_GROUP": GROUPS[kind],
        "SETTING": uninstalled(kind, name),
        "KIND": kind,
        "GOAL": _GOALS.get(kind, _USUAL_GOAL),
    }
    for word, value in words.items():
        text = text.replace(word, value)
    return text
