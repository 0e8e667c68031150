"""What an ablation was to show, and whether it did."""

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agent.evaluation.conditions import REFERENCE
from agent.evaluation.statistics import wilson_interval

_MEMORY_SUITES, _CHAIN_SUITE = "memory-*", "scene-chain"


def is_memory_suite(name: str) -> bool:
    """Whether a suite is one of tasks that need memory."""
    return fnmatch.fnmatch(name, _MEMORY_SUITES)


def judge_goals(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What was asked for, what was measured, and whether it was reached; as far as it was run."""
    with_memory = _pooled(rows, _MEMORY_SUITES, REFERENCE)
    without = _pooled(rows, _MEMORY_SUITES, "no_memory")
    chain = _pooled(rows, _CHAIN_SUITE, REFERENCE)
    goals = [
        _goal("memory tasks with memory", "≥ 85 %", with_memory, lambda rate: rate >= 0.85),  # noqa: PLR2004  # The goal itself.
        _goal("memory tasks without", "≤ 50 %", without, lambda rate: rate <= 0.5),  # noqa: PLR2004  # As above.
        _goal("five-step chain", "≥ 90 %", chain, lambda rate: rate >= 0.9),  # noqa: PLR2004  # As above.
    ]
    goals += [
        _not_below_flat(row)
        for row in rows
        if row["condition"] == "flat" and not is_memory_suite(row["suite"])
    ]
    return [goal for goal in goals if goal is not None]


def _pooled(
    rows: Sequence[Mapping[str, Any]], suites: str, condition: str
) -> tuple[int, int] | None:
    """Successes and episodes of a condition over suites, at the preset's own delay."""
    firsts: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        if row["condition"] == condition and fnmatch.fnmatch(row["suite"], suites):
            firsts.setdefault(row["suite"], row)
    if not firsts:
        return None
    return sum(row["successes"] for row in firsts.values()), sum(r["n"] for r in firsts.values())


def _goal(
    what: str, wanted: str, counted: tuple[int, int] | None, is_met: Callable[[float], bool]
) -> dict[str, Any] | None:
    if counted is None or not counted[1]:
        return None
    successes, trials = counted
    low, high = wilson_interval(successes, trials)
    measured = f"{successes / trials:.1%} ({low:.1%} – {high:.1%}, n = {trials})"
    reached = is_met(successes / trials)
    return {"goal": f"{what} {wanted}", "measured": measured, "reached": reached}


def _not_below_flat(row: Mapping[str, Any]) -> dict[str, Any]:
    pairs = row["against_reference"]
    # Told of the flat agent against the reference; the goal speaks the other way round.
    high, low = (0.0 - value for value in pairs["difference_interval_95"])
    measured = f"{0.0 - pairs['difference']:+.1%} ({low:+.1%} – {high:+.1%}, n = {row['n']})"
    what = f"{row['suite']}: hierarchy less flat, interval includes or exceeds 0"
    return {"goal": what, "measured": measured, "reached": high >= 0}
