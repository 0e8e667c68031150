"""What a campaign found: as JSON, as a table in the terminal, and as a page of the docs."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.table import Table

from agent.faults.judge import CaseResult
from agent.faults.kinds import KINDS, World
from fast_brain.config import FastBrainConfig

_WORLDS: dict[World, str] = {"virtual": "virtual time", "processes": "real processes"}
_RULES = {
    "recovers": "back at work by itself",
    "released": "stopped until a person releases it",
    "ends": "the run ends, the robot stopped",
}


def make_report(results: Sequence[CaseResult]) -> dict[str, Any]:
    """The figures, counted for each world by itself, ready for JSON."""
    return {
        "injected": len(results),
        "passed": sum(result.is_passed for result in results),
        "worlds": {world: _summary(_of_world(results, world)) for world in _WORLDS},
        "kinds": [_kind_summary(kind, world, results) for kind, world in _present(results)],
        "failures": [
            {"case": result.case.name, **result.troubles}
            for result in results
            if not result.is_passed
        ],
        "not_survived": {
            name: kind.why
            for name, kind in KINDS.items()
            if kind.why and any(result.case.kind == name for result in results)
        },
    }


def render_table(report: dict[str, Any]) -> Table:
    """One row a kind and world."""
    title = f"{report['passed']} of {report['injected']} faults as they should be"
    table = Table(title=title, box=box.SIMPLE)
    for column in ("fault", "world", "passed", "rule", "slowest return", "latest command"):
        table.add_column(column, no_wrap=True)
    for row in report["kinds"]:
        table.add_row(*_cells(row))
    return table


def render_page(report: dict[str, Any], command: str, machine: str) -> str:
    """The page `docs/faults.md`."""
    worlds = report["worlds"]
    counted = " and ".join(
        f"{worlds[world]['injected']} {'in' if world == 'virtual' else 'among'} {words} "
        f"({worlds[world]['passed']} as they should be)"
        for world, words in _WORLDS.items()
    )
    return "\n".join(
        [
            "# Fault campaign",
            "",
            f"{report['injected']} faults were injected: {counted}.",
            "",
            f"Made by `{command}` on {machine}.",
            "One case again: `python -m agent.faults --only KIND --seed SEED --world WORLD`.",
            "",
            _JUDGING,
            "",
            _READING,
            "",
            "| fault | world | passed | rule | slowest return | latest command |",
            "|---|---|---|---|---|---|",
            *(f"| {' | '.join(_cells(row))} |" for row in report["kinds"]),
            "",
            "## What is not survived, and why",
            "",
            *_paragraphs(report["not_survived"].items()),
            "",
            "## Failures",
            "",
            *(_paragraphs(_failure_lines(report)) or ["None."]),
            "",
        ]
    )


_JUDGING = (
    "Each fault is judged by an inspector beside the graph, which shares no code with the safety "
    "filter: no command outside position, speed, acceleration and jerk limits; none later than two "
    "control periods after the chunk or latent it came from, or the observation, had expired; at "
    "work again by itself where the rule says so, with nothing that was done begun again; health, "
    "plan, holds or incidents say what happened; and a run of processes leaves nothing behind."
)
_READING = (
    "*Slowest return* is the longest time from the fault until the whole task was done. *Latest "
    "command* is how long after the expiry of what it came from the last command was made; two "
    f"control periods are {2000 / FastBrainConfig().control_rate_hz:g} ms. In virtual time nodes "
    "die, freeze and slow down by the runtime's word. Among processes they get SIGKILL and "
    "SIGSTOP, really hang, and segments and Ray's own processes are really removed. The wall "
    "clock is shifted as Python code sees it, not the machine's."
)


def _of_world(results: Iterable[CaseResult], world: World) -> list[CaseResult]:
    return [result for result in results if result.case.world == world]


def _summary(results: Sequence[CaseResult]) -> dict[str, int]:
    return {"injected": len(results), "passed": sum(result.is_passed for result in results)}


def _present(results: Sequence[CaseResult]) -> list[tuple[str, World]]:
    """The kinds and worlds there are, in the order of the kinds."""
    there = {(result.case.kind, result.case.world) for result in results}
    return [(kind, world) for kind in KINDS for world in _WORLDS if (kind, world) in there]


def _kind_summary(kind: str, world: World, results: Sequence[CaseResult]) -> dict[str, Any]:
    own = [result for result in _of_world(results, world) if result.case.kind == kind]
    returns_s = [result.back_after_s for result in own if result.back_after_s is not None]
    return {
        "kind": kind,
        "world": world,
        **_summary(own),
        "outcome": KINDS[kind].outcome,
        "slowest_return_s": max(returns_s, default=None),
        "latest_command_s": max(result.after_expiry_s for result in own),
    }


def _cells(row: dict[str, Any]) -> list[str]:
    slowest_s, latest_s = row["slowest_return_s"], row["latest_command_s"]
    return [
        row["kind"],
        _WORLDS[row["world"]],
        f"{row['passed']}/{row['injected']}",
        _RULES[row["outcome"]],
        "" if slowest_s is None else f"{slowest_s:.1f} s",
        "in time" if latest_s <= 0 else f"{latest_s * 1e3:.0f} ms",
    ]


def _failure_lines(report: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (failure["case"], "; ".join(f"{k}: {v}" for k, v in failure.items() if k != "case"))
        for failure in report["failures"]
    ]


def _paragraphs(items: Iterable[tuple[str, str]]) -> list[str]:
    return [f"- `{name}`: {text}." for name, text in items]
