"""Figures as Markdown: tables, goals and the machine, from a benchmark's JSON alone.

What it makes of a report: the goals, each `{"at_most": x}` or `{"at_least": x}` beside the figure
of the same name (of a bare number it cannot say whether it was reached); the other single numbers
and their intervals; a table for each list of rows or dict of rows.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

_UNITS = {
    "us": "µs",
    "ms": "ms",
    "s": "s",
    "hz": "Hz",
    "mm": "mm",
    "m": "m",
    "m_per_s3": "m/s³",
    "bytes": "bytes",
    "points": "points",
}
# Not figures: they have their own place, or are there to get the figures again.
_APART = (
    "benchmark",
    "goals",
    "machine",
    "settings",
    "settings_id",
    "versions",
    "commit",
    "seed",
)
_SYMBOLS = {"at_most": "≤", "at_least": "≥", "about": "≈"}


def figures_of(report: Mapping[str, Any]) -> str:
    """All of a report, as Markdown."""
    goals: Mapping[str, Any] = report.get("goals", {})
    singles = {
        key: value
        for key, value in report.items()
        if key not in (*_APART, *goals)
        and (isinstance(value, int | float | str) or key.endswith("interval_95"))
    }
    parts = [_goals(report, goals), _singles(singles)]
    for key, value in report.items():
        rows = [] if key in _APART else _rows(value)
        if rows:
            parts.append(f"{heading(key).capitalize()}:\n\n{table(rows)}")
    if isinstance(report.get("machine"), Mapping):
        parts.append(machine_line(report["machine"]))
    return "\n\n".join(part for part in parts if part)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as a table; a column for each key that any of them has."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = [[heading(column) for column in columns], ["---"] * len(columns)]
    lines += [[cell(row.get(column)) for column in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def heading(key: str) -> str:
    """A key as a person says it: `p50_us` is "p50 [µs]", and `at_2_s` is "at 2 s"."""
    key = re.sub(r"p999(?=_)", "p99.9", key)
    if re.search(r"_\d+_[a-z]+$", key):
        return key.replace("_", " ")
    for suffix, unit in _UNITS.items():
        if key.endswith(f"_{suffix}"):
            return f"{key.removesuffix(f'_{suffix}').replace('_', ' ')} [{unit}]"
    return key.replace("_", " ")


def cell(value: object) -> str:
    """A value as it stands in a table: four digits, no more."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 10_000 else f"{value:,.0f}"  # noqa: PLR2004  # Digits.
    if isinstance(value, list | tuple):
        return " – ".join(cell(part) for part in value)
    return str(value).replace("|", "\\|")


def machine_line(machine: Mapping[str, Any]) -> str:
    """Where and with what it was measured."""
    versions: Mapping[str, str] = machine.get("versions", {})
    parts = [str(machine[key]) for key in ("processor", "kernel") if key in machine]
    parts += [f"{machine[key]} {word}" for key, word in _MACHINE.items() if key in machine]
    parts += [f"{name} {version}" for name, version in versions.items()]
    if machine.get("commit"):
        parts.append(f"commit {machine['commit'][:9]}")
    return f"Measured on: {', '.join(parts)}."


_MACHINE = {"cores": "cores", "memory_gib": "GiB", "load_average": "load in the last minute"}


def _goals(report: Mapping[str, Any], goals: Mapping[str, Any]) -> str:
    rows: list[dict[str, str]] = []
    for key, goal in goals.items():
        measured = report.get(key)
        limits: Mapping[str, float] = goal if isinstance(goal, Mapping) else {"about": goal}
        for kind, limit in limits.items():
            rows.append(
                {
                    "goal": f"{heading(key)} {_SYMBOLS[kind]} {cell(limit)}",
                    "measured": cell(measured),
                    "reached": cell(_is_reached(measured, kind, limit)),
                }
            )
    return table(rows) if rows else ""


def _is_reached(measured: object, kind: str, limit: float) -> bool | None:
    if not isinstance(measured, int | float) or kind == "about":
        return None
    return measured <= limit if kind == "at_most" else measured >= limit


def _singles(singles: Mapping[str, Any]) -> str:
    return (
        table([{"figure": heading(k), "value": v} for k, v in singles.items()]) if singles else ""
    )


def _rows(value: object) -> list[dict[str, Any]]:
    """Rows of a table, if a value is made of them; what is nested deeper is left out."""
    if isinstance(value, Mapping) and all(isinstance(row, Mapping) for row in value.values()):
        return [{"": name, **_flat(row)} for name, row in value.items()]
    if isinstance(value, Mapping):
        return [_flat(value)] if _flat(value) else []
    if isinstance(value, list) and all(isinstance(row, Mapping) for row in value):
        return [_flat(row) for row in value]
    return []


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in row.items()
        if key not in _APART
        and (value is None or isinstance(value, int | float | str) or _is_pair(value))
    }


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(part, int | float) for part in value)
