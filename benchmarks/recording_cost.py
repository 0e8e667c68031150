"""What does recording cost: the control loop's punctuality, a share of a core, room on the disk?

The agent runs as it is shipped, in processes under the real runtime, with the brains, the robot and
the rates of `demo`, and the same goal again and again. It is recorded, or not, by turns in one run,
in the order on, off, off, on, so that what slowly changes on the machine meets both alike.

    python -m benchmarks.recording_cost --json recording_cost.json
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from agent.demo import GOAL
from agent.logs import configure_logs
from benchmarks.support.latencies import write_json
from benchmarks.support.loop_times import pooled
from benchmarks.support.machine import describe_machine
from benchmarks.support.quiet import be_quiet
from benchmarks.support.recorded_loop import Turn, measure_turn

# A ratio of two p99 of the same loop in one run is no nearer to 1 than this on a noisy machine.
GOAL_P99_RATIO, GOAL_CPU_SHARE = 1.1, 0.10
_RECORDED = (True, False, False, True)


def main() -> None:
    """Measure, print a table, and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the figures")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each of four turns [s]")
    parser.add_argument("--rounds", type=int, default=2, help="how often the four turns are taken")
    parser.add_argument("--preset", default="demo", help="what is run")
    parser.add_argument("--goal", default=GOAL, help="what it is asked for")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="settings of it"
    )
    arguments = parser.parse_args()
    be_quiet()
    configure_logs(level="ERROR")
    turns = list[Turn]()
    for number in range(arguments.rounds * len(_RECORDED)):
        is_recorded = _RECORDED[number % len(_RECORDED)]
        print(f"turn {number + 1}, recorded: {is_recorded}", file=sys.stderr, flush=True)
        turns.append(
            measure_turn(
                arguments.preset,
                arguments.set,
                goal=arguments.goal,
                seconds=arguments.seconds,
                is_recorded=is_recorded,
            )
        )
    report = make_report(turns)
    for row in report["situations"]:
        print("  ".join(f"{name} {value}" for name, value in row.items()))
    for name in ("p99_ratio_recorded_to_not", "recorder_cpu_share", "trace_mb_per_minute"):
        print(f"{name} {report[name]:.4g}")
    if arguments.json is not None:
        write_json(report, arguments.json)


def make_report(turns: list[Turn]) -> dict[str, Any]:
    """The loop's figures with and without, their ratio, and what the recorder took."""
    rows: list[dict[str, Any]] = []
    for name, is_recorded in (("recorded", True), ("not recorded", False)):
        times = pooled([turn.times for turn in turns if turn.is_recorded is is_recorded])
        rows.append({"situation": name, **times.figures()})
    recorded = [turn for turn in turns if turn.is_recorded]
    seconds = sum(turn.seconds for turn in recorded)
    written_mb = sum(turn.written_bytes for turn in recorded) / 1e6
    on, off = rows
    return {
        "benchmark": "recording_cost",
        "seconds": sum(turn.seconds for turn in turns),
        "p99_ratio_recorded_to_not": round(on["p99_ms"] / off["p99_ms"], 4),
        "p50_ratio_recorded_to_not": round(on["p50_ms"] / off["p50_ms"], 4),
        "miss_rate_difference": round(on["miss_rate"] - off["miss_rate"], 6),
        "recorder_cpu_share": round(sum(turn.recorder_cpu_s for turn in recorded) / seconds, 4),
        "trace_mb_per_minute": round(written_mb * 60 / seconds, 3),
        "lost_events": sum(turn.lost_events for turn in recorded),
        "situations": rows,
        "goals": {
            "p99_ratio_recorded_to_not": {"at_most": GOAL_P99_RATIO},
            "recorder_cpu_share": {"at_most": GOAL_CPU_SHARE},
        },
        "machine": describe_machine(),
    }


if __name__ == "__main__":
    main()
