"""How late are the control loop's ticks, whatever the planner does? And in the rivals' designs?

Ours runs as it is shipped: at 100 Hz, in processes under the real runtime, recorded, with the point
arm and a policy that holds still. Its planner is idle, or writes plans without pause on all cores
with the shipped model, or is frozen in the middle of one (SIGSTOP), or is killed every ten seconds
and restarted. Beside it the rivals' designs around the same loop, robot and policy, their planner
busy: a thread in the planner's process, an event loop, one Ray call a tick. Everything in one run,
and our situations by turns in several rounds, so that the ratios mean something on a noisy machine:
the figures of a situation are of all its rounds together.

A row's lateness is of waking up; `command_…` is from the deadline until the command was out. Ours
is measured at 500 and 1000 Hz as well, to say what that costs: `cpu_share` is of one core.

    python -m benchmarks.control_loop --json control_loop.json
    python -m benchmarks.control_loop --json ours.json --only ours --rates ""
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from agent.logs import configure_logs
from benchmarks.support.latencies import write_json
from benchmarks.support.loop_ours import Situation, measure_ours
from benchmarks.support.loop_rivals import DESIGNS, run_rival
from benchmarks.support.loop_times import LoopTimes, load_times, p99_ratio_interval, pooled
from benchmarks.support.machine import describe_machine
from benchmarks.support.other_process import other_process
from benchmarks.support.quiet import be_quiet

GOAL_RATIO, GOAL_MISS_RATE, GOAL_INDISTINGUISHABLE = 1 / 10, 0.001, 1.1
# Starting, settling, and a planner that finishes its last plan first [s].
_PATIENCE_S = 180.0
_SITUATIONS = (
    Situation(name="idle"),
    Situation(name="planner busy", is_busy=True),
    Situation(name="planner hung", is_busy=True, is_hung=True),
    Situation(name="planner killed", is_busy=True, is_killed=True),
)


class Row(NamedTuple):
    """One measurement, to be tabled."""

    design: str
    situation: str
    times: LoopTimes
    facts: dict[str, Any]


def main() -> None:
    """Measure, print a table, and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the figures")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="where to draw them")
    parser.add_argument("--seconds", type=float, default=60.0, help="per situation [s]")
    parser.add_argument("--rounds", type=int, default=4, help="turns that our situations take")
    parser.add_argument("--rates", default="500,1000", help="also ours at these rates [Hz]")
    parser.add_argument("--only", choices=("ours", "rivals"), help="leave the others out")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="settings of ours"
    )
    arguments = parser.parse_args()
    be_quiet()
    # That the planner is killed is what is measured.
    configure_logs(level="ERROR")
    rows = list(measure(arguments))
    report = make_report(rows, arguments.seconds, arguments.rounds)
    if arguments.json:
        write_json(report, arguments.json)
    plot = arguments.plot or (arguments.json and arguments.json.with_suffix(".png"))
    if plot:
        from benchmarks.support.loop_plot import draw

        ours = {row.situation: row.times for row in rows if row.design == "ours"}
        rivals = {row.design: row.times for row in rows if row.situation == "planner busy"}
        draw(ours, rivals, plot)


def measure(arguments: argparse.Namespace) -> Iterator[Row]:
    """Everything in turn; each row is printed as soon as it is there."""
    print(f"{'[ms]':46}{'p50':>8}{'p99':>8}{'p99.9':>8}{'max':>9}{'cmd p99':>9}{'missed':>8}")
    if arguments.only != "rivals":
        yield from _by_turns(list(_situations(arguments)), arguments)
    if arguments.only != "ours":
        for design in DESIGNS:
            yield _shown(_rival(design, arguments.seconds))


def _by_turns(situations: list[Situation], arguments: argparse.Namespace) -> Iterator[Row]:
    """Our situations in every round, each for its share of the time; then each one's pooled row."""
    found: dict[str, list[Row]] = {situation.name: [] for situation in situations}
    for number in range(1, arguments.rounds + 1):
        for situation in situations:
            print(f"round {number}, {situation.name}", file=sys.stderr, flush=True)
            row = _ours(situation, arguments.seconds / arguments.rounds)
            found[situation.name].append(row)
    for rows in found.values():
        facts = {
            **rows[-1].facts,
            "cpu_share": round(sum(row.facts["cpu_share"] for row in rows) / len(rows), 4),
            "planner_kills": sum(row.facts["planner_kills"] for row in rows),
        }
        yield _shown(rows[-1]._replace(times=pooled([row.times for row in rows]), facts=facts))


def _situations(arguments: argparse.Namespace) -> Iterator[Situation]:
    settings = tuple(arguments.set)
    for situation in _SITUATIONS:
        yield replace(situation, settings=settings)
    for rate in filter(None, arguments.rates.split(",")):
        for is_busy in (False, True):
            name = f"{'planner busy' if is_busy else 'idle'} at {float(rate):g} Hz"
            yield Situation(name=name, rate_hz=float(rate), is_busy=is_busy, settings=settings)


def _ours(situation: Situation, seconds: float) -> Row:
    found = measure_ours(situation, seconds)
    facts = {
        "priority": found.priority,
        "rate_hz": situation.rate_hz,
        "cpu_share": found.cpu_share,
        "planner_kills": found.restarts,
    }
    return Row("ours", situation.name, found.times, facts)


def _rival(design: str, seconds: float) -> Row:
    with tempfile.TemporaryDirectory(prefix="tandem-bench-") as folder:
        path = Path(folder) / "ticks.npy"
        with other_process(run_rival, design, path, seconds) as other:
            begin_ns, end_ns, priority = other.receive(seconds + _PATIENCE_S)
        times = load_times(path, begin_ns, end_ns)
    return Row(design, "planner busy", times, {"priority": priority, "rate_hz": 100.0})


def _shown(row: Row) -> Row:
    times = row.times.figures()
    print(
        f"{f'{row.design}: {row.situation}':46}{times['p50_ms']:8.3f}{times['p99_ms']:8.3f}"
        f"{times['p999_ms']:8.3f}{times['max_ms']:9.3f}{times['command_p99_ms']:9.3f}"
        f"{times['missed']:8d}",
        flush=True,
    )
    return row


def make_report(rows: list[Row], seconds: float, rounds: int) -> dict[str, Any]:
    """The rows, and the ratios that the goals speak of, of what was measured."""
    found = {(row.design, row.situation): row.times.figures() for row in rows}
    ours = {row.situation: row.times for row in rows if row.design == "ours"}
    busy = found.get(("ours", "planner busy"))
    ratios = {
        "p99_ratio_to_thread_design": _ratio(found, "planner busy", ("thread", "planner busy")),
        "miss_rate_planner_busy": busy["miss_rate"] if busy else None,
        "p99_ratio_hung_to_idle": _ratio(found, "planner hung", ("ours", "idle")),
        "p99_ratio_killed_to_idle": _ratio(found, "planner killed", ("ours", "idle")),
        "p99_ratio_busy_to_idle": _ratio(found, "planner busy", ("ours", "idle")),
        "command_p99_ratio_to_thread_design": _ratio(
            found, "planner busy", ("thread", "planner busy"), "command_p99_ms"
        ),
        "command_p99_ratio_to_asyncio_design": _ratio(
            found, "planner busy", ("asyncio", "planner busy"), "command_p99_ms"
        ),
        "command_p99_ratio_to_ray_call_design": _ratio(
            found, "planner busy", ("ray", "planner busy"), "command_p99_ms"
        ),
    }
    return {
        "benchmark": "control_loop",
        "seconds": seconds,
        "rounds": rounds,
        **{name: ratio for name, ratio in ratios.items() if ratio is not None},
        **{
            f"p99_ratio_{name}_to_idle_interval_95": p99_ratio_interval(times, ours["idle"])
            for name in ("busy", "hung", "killed")
            if (times := ours.get(f"planner {name}")) and "idle" in ours
        },
        "situations": [
            {"design": row.design, "situation": row.situation} | row.times.figures() | row.facts
            for row in rows
        ],
        "goals": {
            "p99_ratio_to_thread_design": {"at_most": GOAL_RATIO},
            "miss_rate_planner_busy": {"at_most": GOAL_MISS_RATE},
            "p99_ratio_hung_to_idle": {"at_most": GOAL_INDISTINGUISHABLE},
            "p99_ratio_killed_to_idle": {"at_most": GOAL_INDISTINGUISHABLE},
        },
        "machine": describe_machine(),
    }


def _ratio(
    found: dict[tuple[str, str], dict[str, float | int]],
    situation: str,
    other: tuple[str, str],
    figure: str = "p99_ms",
) -> float | None:
    """A figure of ours over that of another row; None where one of them was not measured."""
    ours, theirs = found.get(("ours", situation)), found.get(other)
    return round(ours[figure] / theirs[figure], 4) if ours and theirs else None


if __name__ == "__main__":
    main()
