"""How long do `agent trace ls` and `agent trace why` take on a trace of one hour?

The trace is written first, with as many events as an agent tells. Each command is a process of its
own, so that what it costs to start one is in the figure; they are asked without an index, which
makes it, and then with it, in turns. The moments that `why` is asked about are spread over the run.

    python -m benchmarks.trace_index --json trace_index.json
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from agent.tracing.index import index_path
from benchmarks.support.latencies import summarize_ns, write_json
from benchmarks.support.long_trace import write_long_trace
from benchmarks.support.machine import describe_machine

GOAL_S = 2.0
_PATIENCE_S = 120
_BYTES_PER_MB = 1e6
_US_PER_S = 1e6


def main() -> None:
    """Measure, print, and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the figures")
    parser.add_argument("--seconds", type=int, default=3600, help="how long the recorded run is")
    parser.add_argument("--rounds", type=int, default=10, help="how often each command is asked")
    arguments = parser.parse_args()
    report = measure(arguments.seconds, arguments.rounds)
    print(
        f"{report['trace_mb']:.1f} MB of {report['seconds']} s; index {report['index_mb']:.2f} MB"
    )
    for name in ("ls", "why"):
        with_s, without_s = report[f"{name}_s"], report[f"{name}_without_index_s"]
        print(f"{name:4} {with_s:.2f} s, without an index {without_s:.2f} s (goal {GOAL_S:g} s)")
    if arguments.json is not None:
        write_json(report, arguments.json)


def measure(seconds: int, rounds: int) -> dict[str, Any]:
    """Write a trace and ask it; the figures are medians [s]."""
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder)
        trace = write_long_trace(runs / "hour", seconds)
        took: dict[str, list[int]] = {}
        for turn in range(rounds):
            moment = str(seconds * (turn + 0.5) / rounds)
            for name, command in (("ls", ("ls",)), ("why", ("why", "hour", moment))):
                index_path(trace).unlink(missing_ok=True)
                took.setdefault(f"{name}_without_index", []).append(_ask(runs, *command))
                took.setdefault(name, []).append(_ask(runs, *command))
        sizes = trace.stat().st_size, index_path(trace).stat().st_size
    figures = {name: summarize_ns(times_ns) for name, times_ns in took.items()}
    return {
        "benchmark": "trace_index",
        "seconds": seconds,
        "rounds": rounds,
        "goals": {"ls_s": {"at_most": GOAL_S}, "why_s": {"at_most": GOAL_S}},
        "trace_mb": sizes[0] / _BYTES_PER_MB,
        "index_mb": sizes[1] / _BYTES_PER_MB,
        **{f"{name}_s": each["p50_us"] / _US_PER_S for name, each in figures.items()},
        **{f"{name}_max_s": each["max_us"] / _US_PER_S for name, each in figures.items()},
        "machine": describe_machine(),
    }


def _ask(runs: Path, *command: str) -> int:
    """Run a command to its end and return how long it took [ns]."""
    program = [sys.executable, "-m", "agent.cli", "trace", *command, "--runs", str(runs)]
    began_ns = time.perf_counter_ns()
    subprocess.run(program, check=True, timeout=_PATIENCE_S, capture_output=True)  # noqa: S603  # Our own.
    return time.perf_counter_ns() - began_ns


if __name__ == "__main__":
    main()
