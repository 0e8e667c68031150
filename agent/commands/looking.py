"""`agent doctor` and `agent graph`: what there is, before anything moves."""

from typing import Annotated

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
def graph(
    preset: Annotated[str, typer.Argument(help="A preset's name, or a YAML file.")] = "demo",
    overrides: SetOption = None,
) -> None:
    """Show a preset as nodes: rates, and who tells what to whom."""
    from agent.config import load_config
    from agent.graph import build_graph

    typer.echo(build_graph(load_config(preset, overrides or [])).describe())
