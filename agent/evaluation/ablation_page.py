"""What an ablation found: a table for the terminal, and the tables of `docs/evidence.md`."""

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from agent.evaluation.conditions import CONDITIONS, cell_words
from bridge.errors import ConfigError

# How a cell went. "took s" is the median time to the goal, of the episodes that met it.
_FIGURES = ("works", "95 %", "n", "took s", "less", "more", "p")
_COLUMNS = ("condition", "coupling", "delay s", *_FIGURES)


def render_ablation(report: Mapping[str, Any]) -> Table:
    """Every cell as a row below its suite's name, for a terminal of 80 columns."""
    table = Table(
        title="The same brains and episodes",
        box=box.SIMPLE,
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("condition", no_wrap=True)
    for column in _FIGURES:
        table.add_column(column, no_wrap=True, justify="right")
    reference = report["cells"][0]
    for suite, cells in groupby(report["cells"], key=itemgetter("suite")):
        table.add_section()
        table.add_row(suite, style="bold")
        for cell in cells:
            _, _, _, *figures = _cells(cell)
            table.add_row(cell_words(cell, reference), *figures)
    table.caption = (
        "took: median time to the goal; less, more: episodes in which only the reference "
        "worked, or only this; McNemar"
    )
    return table


def fill_page(
    page: Path, report: Mapping[str, Any], *, command: str, picture: str, section: str
) -> None:
    """Put the tables into a page, between its marks.

    Args:
        page: A Markdown file with `<!-- figures: SECTION -->` and `<!-- end -->`.
        report: Of an ablation.
        command: How it was made.
        picture: Path of the plot, seen from the page.
        section: Which marks: a page may hold several ablations.

    Raises:
        ConfigError: There is no such page, or it has no such marks.
    """
    marks = re.compile(rf"(<!-- figures: {re.escape(section)} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not page.is_file() or not marks.search(text := page.read_text(encoding="utf-8")):
        raise ConfigError(
            f"{page} cannot take the tables: it needs a line <!-- figures: {section} --> (named "
            "after the --json file) and a line <!-- end -->, between which they are written."
        )
    figures = figures_of(report, command, picture)
    aside = page.with_suffix(".partial")
    filled = marks.sub(lambda found: f"{found[1]}\n{figures}\n\n{found[2]}", text, count=1)
    aside.write_text(filled, encoding="utf-8")
    aside.replace(page)


def figures_of(report: Mapping[str, Any], command: str, picture: str) -> str:
    """The goals, the picture, and a table a suite, as Markdown."""
    parts = [f"Made by `{command}`, commit {report['commit'][:9] or 'unknown'}."]
    if report["goals"]:
        parts.append(_table(("goal", "measured", "reached"), map(_goal_cells, report["goals"])))
    parts.append(f"![Success by condition and suite]({picture})")
    for suite in dict.fromkeys(cell["suite"] for cell in report["cells"]):
        own = [cell for cell in report["cells"] if cell["suite"] == suite]
        parts.append(f"**{suite}**\n\n{_table(_COLUMNS, map(_cells, own))}")
    used = dict.fromkeys(cell["condition"] for cell in report["cells"])
    parts.append("\n".join(f"- `{name}`: {CONDITIONS[name].what}" for name in used))
    return "\n\n".join(parts)


def _cells(cell: Mapping[str, Any]) -> list[str]:
    low, high = cell["interval_95"]
    pairs, took_s = cell["against_reference"], cell["time_to_finish_s"]["p50"]
    return [
        cell["condition"],
        cell["coupling"],
        f"{cell['planner_delay_s']:g}",
        "–" if cell["success_rate"] is None else f"{cell['success_rate']:.0%}",
        f"{100 * low:.0f}–{100 * high:.0f}",
        str(cell["n"]),
        "–" if took_s is None else f"{took_s:.0f}",
        str(pairs["only_reference"]),
        str(pairs["only_this"]),
        f"{pairs['mcnemar_p']:.2g}",
    ]


def _goal_cells(goal: Mapping[str, Any]) -> list[str]:
    return [goal["goal"], goal["measured"], "yes" if goal["reached"] else "no"]


def _table(columns: Sequence[str], rows: Any) -> str:  # noqa: ANN401  # Any iterable of rows.
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
