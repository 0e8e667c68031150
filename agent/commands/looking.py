"""`agent doctor`, `agent list` and `agent graph`: what there is, before anything moves."""

from typing import Annotated, get_args

import typer

from agent.commands.common import SetOption, told


@told
def doctor(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
) -> None:
    """Check this machine: what is there, and how to mend the rest."""
    from agent.doctor import collect, render

    report = collect()
    typer.echo(report.model_dump_json(indent=2) if as_json else render(report))


@told
def list_parts() -> None:
    """Show the presets, the plug-ins and the suites there are."""
    from agent.evaluation.suites import list_suites
    from bridge.plugins import PluginKind, list_plugins
    from configs import preset_names

    _block("presets", [(name, "") for name in preset_names()])
    kinds: tuple[PluginKind, ...] = get_args(PluginKind)
    for kind in kinds:
        found = list_plugins(kind)
        plural = f"{kind.removesuffix('y')}ies" if kind.endswith("y") else f"{kind}s"
        _block(plural, [(one.name, f"{one.target}  ({one.distribution})") for one in found])
    _block("suites", [(suite.name, suite.what) for suite in list_suites()])


@told
def graph(
    preset: Annotated[str, typer.Argument(help="A preset's name, or a YAML file.")] = "demo",
    overrides: SetOption = None,
) -> None:
    """Show a preset as nodes: rates, and who tells what to whom."""
    from agent.config import load_config
    from agent.graph import build_graph

    typer.echo(build_graph(load_config(preset, overrides or [])).describe())


def _block(title: str, rows: list[tuple[str, str]]) -> None:
    if not rows:
        return
    typer.echo(title)
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        typer.echo(f"  {name:<{width}}  {text}".rstrip())
