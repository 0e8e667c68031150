"""`agent new`, `agent list` and `agent check`: plug-ins of your own, and what fits together."""

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.commands.common import SetOption, told

if TYPE_CHECKING:
    from agent.plugin_catalog import PluginEntry

_OneObject = Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")]


@told
def new(
    kind: Annotated[
        str, typer.Argument(help="planner, policy, robot, memory, stitcher or monitor.")
    ],
    name: Annotated[str, typer.Argument(help="What presets call it, as my_planner.")],
    folder: Annotated[Path, typer.Option(help="Where its folder is made.")] = Path(),
) -> None:
    """Write a plug-in of your own: a small package that runs as it is."""
    from agent.scaffold.package import uninstalled, write_package

    package = write_package(kind, name, folder)
    typer.echo(f"Written: {package}/ with {', '.join(sorted(f.name for f in package.iterdir()))}")
    typer.echo(f"Install it:     pip install -e {package}")
    typer.echo(f"Test it:        pytest {package}")
    typer.echo(f"Does it fit?    agent check {package / f'{name}.yaml'}")
    typer.echo(f"Run it:         agent serve --preset {package / f'{name}.yaml'}")
    typer.echo(f"Not installed:  --set {uninstalled(kind, name)}, from its folder")


@told
def list_parts(
    *,
    specs: Annotated[
        bool, typer.Option("--specs", help="Make each plug-in too, to show all specs; slower.")
    ] = False,
    as_json: _OneObject = False,
) -> None:
    """Show the presets, the plug-ins and the suites there are.

    A plug-in is shown with who ships it, what a preset may set, and what it declares.
    """
    from agent.evaluation.suites import list_suites
    from agent.plugin_catalog import read_catalog
    from configs import preset_names

    catalog = read_catalog(make=specs)
    if as_json:
        _echo_json(
            {
                "presets": preset_names(),
                "plugins": [entry.model_dump() for entry in catalog],
                "suites": {suite.name: suite.what for suite in list_suites()},
            }
        )
        return
    _block("presets", [(name, "") for name in preset_names()])
    _show_plugins(catalog)
    _block("suites", [(suite.name, suite.what) for suite in list_suites()])


@told
def check(
    preset: Annotated[str, typer.Argument(help="A preset's name, or a YAML file.")] = "demo",
    overrides: SetOption = None,
    *,
    as_json: _OneObject = False,
) -> None:
    """Say whether the parts of a preset fit, before anything moves.

    Makes every part as a run does, and compares cameras, actions, latents and rates; the robot is
    not connected. Exit code 0: they fit. 1: they do not. 2: the preset is wrong.
    """
    from agent.config import load_config
    from agent.preset_check import check_preset

    config = load_config(preset, overrides or [])
    with _only_errors_logged():
        checked = check_preset(config)
    if as_json:
        _echo_json(checked.model_dump())
        return
    width = max(len(part.part) for part in checked.parts)
    for part in checked.parts:
        typer.echo(f"  {part.part:<{width}}  {part.plugin}{part.declares and f': {part.declares}'}")
    for note in checked.notes:
        typer.echo(f"  Note: {note}")
    typer.echo(f"{preset}: the parts fit.")


@contextmanager
def _only_errors_logged() -> Generator[None]:
    """What a run would log about its parts is shown as notes; then logs are as they were."""
    import structlog

    from agent.logs import configure_logs

    before = structlog.get_config()
    configure_logs(level="ERROR")
    try:
        yield
    finally:
        structlog.configure(**before)


def _show_plugins(catalog: "Iterable[PluginEntry]") -> None:
    from agent.plugin_catalog import plural

    kind = ""
    for entry in catalog:
        if entry.kind != kind:
            kind = entry.kind
            typer.echo(plural(kind))
        origin = " ".join(filter(None, (entry.distribution, entry.version)))
        typer.echo(f"  {entry.name}  {entry.target}  ({origin or 'no distribution'})")
        for line in _about(entry):
            typer.echo(f"      {line}")


def _about(entry: "PluginEntry") -> Iterable[str]:
    if entry.trouble:
        yield f"in trouble: {entry.trouble}"
    if entry.what:
        yield entry.what
    if options := entry.options.get("properties"):
        required = entry.options.get("required", ())
        shown = (_option(name, about, name in required) for name, about in options.items())
        yield f"options: {', '.join(shown)}"
    if entry.declares_in_words:
        yield f"declares: {entry.declares_in_words}"


def _option(name: str, about: dict[str, Any], required: bool) -> str:  # noqa: FBT001  # Ours alone.
    return f"{name} (required)" if required else f"{name}={about.get('default')!r}"


def _echo_json(value: object) -> None:
    import json

    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _block(title: str, rows: list[tuple[str, str]]) -> None:
    if not rows:
        return
    typer.echo(title)
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        typer.echo(f"  {name:<{width}}  {text}".rstrip())
