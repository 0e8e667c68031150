"""How long after the button is pressed is the robot held, whatever the planner is in?

A served run in real time, with a process for each node. Each time a stop is posted over HTTP, as
the page's button does it, and the control loop's decisions are looked at until the first that holds
the robot because of it: from before the request is sent to the stamp of that decision. Then the
stop is released. With the planner well, and with its process stopped (SIGSTOP), which is how a
planner looks that hangs.

    python -m benchmarks.emergency_stop --json emergency_stop.json
"""

import argparse
import contextlib
import os
import signal
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx

from agent.config import load_config
from agent.logs import configure_logs
from agent.runtime import Runtime
from agent.serve import serving
from benchmarks.support.latencies import TABLE_HEAD, summarize_ns, table_row, write_json
from benchmarks.support.machine import describe_machine
from benchmarks.support.quiet import be_quiet
from bridge.errors import TransportError
from bridge.messages import Decision, Hold, HoldReason

GOAL_MS = 100.0
_LIMIT_S = 5.0
_US_PER_MS = 1e3
_NS_PER_S = 1_000_000_000
_LOOK_NS = 200_000


def main() -> None:
    """Press the button often, print a table, and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the figures")
    parser.add_argument("--presses", type=int, default=200, help="of each situation")
    parser.add_argument("--preset", default="point_arm")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    be_quiet()
    configure_logs(level="ERROR")
    report = measure(arguments.preset, arguments.set, arguments.presses)
    print_table(report)
    if arguments.json is not None:
        write_json(report, arguments.json)


def measure(preset: str, overrides: list[str], presses: int) -> dict[str, Any]:
    """Both situations in one run."""
    config = load_config(preset, ["serve.port=0", "recording.enabled=false", *overrides])
    rows: list[dict[str, Any]] = []
    with (
        serving(config, with_page=False) as served,
        httpx.Client(base_url=served.address, timeout=_LIMIT_S, trust_env=False) as client,
    ):
        client.post("/goals", json={"text": "reach both"})
        for situation in ("planner is well", "planner is stopped by SIGSTOP"):
            with _planner(served.runtime, is_stopped="stopped" in situation):
                pressed = [_press(served.runtime, client) for _ in range(presses)]
            held_ns, answered_ns = zip(*pressed, strict=True)
            rows.append({"situation": situation, "until": "held", **summarize_ns(held_ns)})
            rows.append({"situation": situation, "until": "answered", **summarize_ns(answered_ns)})
    return {
        "benchmark": "emergency_stop",
        "presses": presses,
        "held_max_ms": max(row["max_us"] for row in rows if row["until"] == "held") / _US_PER_MS,
        "answered_max_ms": max(row["max_us"] for row in rows) / _US_PER_MS,
        "presses_until": rows,
        "goals": {
            "held_max_ms": {"at_most": GOAL_MS},
            "answered_max_ms": {"at_most": GOAL_MS},
        },
        "machine": describe_machine(),
    }


@contextlib.contextmanager
def _planner(runtime: Runtime, *, is_stopped: bool) -> Generator[None]:
    """Stop the planner's process for as long as the block lasts, if it is to be."""
    if not is_stopped:
        yield
        return
    pid = runtime.health()["planner"].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _press(runtime: Runtime, client: httpx.Client) -> tuple[int, int]:
    """Press, wait until the robot is held, and release: time to the hold, and to the answer [ns].

    Raises:
        TransportError: It was not held within 5 s, or moves again without being released.
    """
    pressed_ns = runtime.clock.now_ns()
    client.post("/stop", json={"reason": "a drill"}).raise_for_status()
    answered_ns = runtime.clock.now_ns()
    held_ns = _when(runtime, is_stopped=True).stamp_ns
    client.post("/release", json={"release": True}).raise_for_status()
    _when(runtime, is_stopped=False)
    return held_ns - pressed_ns, answered_ns - pressed_ns


def _when(runtime: Runtime, *, is_stopped: bool) -> Decision:
    """The first decision that is seen to be a stop, or none; it is looked for all the time.

    Raises:
        TransportError: There was none within 5 s.
    """
    clock = runtime.clock
    end_ns = clock.now_ns() + round(_LIMIT_S * _NS_PER_S)
    while clock.now_ns() < end_ns:
        decision: Decision = runtime.read("command")
        if _is_stopped(decision) == is_stopped:
            return decision
        clock.sleep_until_ns(clock.now_ns() + _LOOK_NS)
    wanted = "held" if is_stopped else "released"
    raise TransportError(f"The robot was not {wanted} within {_LIMIT_S:g} s.")


def _is_stopped(decision: Decision) -> bool:
    return isinstance(decision, Hold) and decision.reason is HoldReason.STOPPED


def print_table(report: dict[str, Any]) -> None:
    """The rows, for the terminal."""
    print(TABLE_HEAD)
    for row in report["presses_until"]:
        print(table_row(f"{row['situation']}: {row['until']}", row))
    print(f"held after at most {report['held_max_ms']:.1f} ms")


if __name__ == "__main__":
    main()
