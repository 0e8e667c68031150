"""What the safety filter costs per command, by what it has to do [µs].

Tasks: the shipped arm following lines as in the demonstrations (all passes), chasing a target that
jumps (all is clipped), and standing still; then arms with softer limits at higher rates, whose
plans to stop are longer. The loop runs in this process alone: figures for a machine that rests.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bridge.specs import ActionSpec
from fast_brain.policies.gripper_action import gripper_action_spec
from fast_brain.safety import SafetyFilter

_SHARES = {"p50_us": 50, "p99_us": 99, "max_us": 100}
_ROW_TICKS = 5
_NS_PER_US = 1000.0
Wishes = npt.NDArray[np.float32]


def main() -> None:
    """Measure each task, print the table, and write it as JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commands", type=int, default=20_000, help="how many for each task")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    arguments = parser.parse_args()
    figures = {name: measure(arguments.commands) for name, measure in _tasks().items()}
    for name, figure in figures.items():
        print(f"{name:32}", "  ".join(f"{key} {value:8.1f}" for key, value in figure.items()))
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


def _tasks() -> dict[str, Callable[[int], dict[str, float]]]:
    shipped = gripper_action_spec()
    soft = _arm(100.0, max_acceleration=5.0, max_jerk=50.0)
    fast = _arm(1000.0, max_acceleration=15.0, max_jerk=7500.0)
    return {
        "shipped, 100 Hz, follows": lambda n: _time(shipped, _lines(shipped, n)),
        "shipped, 100 Hz, led": lambda n: _time(shipped, _jumps(shipped, n)),
        "shipped, 100 Hz, stands": lambda n: _time(shipped, _jumps(shipped, n)[:1].repeat(n, 0)),
        "soft 7 joints, 100 Hz, led": lambda n: _time(soft, _jumps(soft, n)),
        "stiff 7 joints, 1000 Hz, led": lambda n: _time(fast, _jumps(fast, n)),
    }


def _arm(rate_hz: float, *, max_acceleration: float, max_jerk: float) -> ActionSpec:
    width = 7
    return ActionSpec(
        names=tuple(f"joint_{number}" for number in range(width)),
        low=(-2.0,) * width,
        high=(2.0,) * width,
        units=("rad",) * width,
        max_speed=(2.0,) * width,
        max_acceleration=(max_acceleration,) * width,
        max_jerk=(max_jerk,) * width,
        control_rate_hz=rate_hz,
    )


def _time(spec: ActionSpec, wishes: Wishes) -> dict[str, float]:
    safety = SafetyFilter(spec, spec.control_rate_hz)
    safety.start_from(wishes[0])
    took_ns, passed = np.empty(len(wishes)), 0
    for index, wish in enumerate(wishes):
        began_ns = time.perf_counter_ns()
        verdict = safety.filter(wish).verdict
        took_ns[index] = time.perf_counter_ns() - began_ns
        passed += verdict.kind == "passed"
    took_us = took_ns / _NS_PER_US
    figures = {name: float(np.percentile(took_us, share)) for name, share in _SHARES.items()}
    return {**figures, "passed_percent": 100.0 * passed / len(wishes)}


def _lines(spec: ActionSpec, count: int) -> Wishes:
    """Slow wandering between rows that are joined by straight lines, as policies send it."""
    random = np.random.default_rng(0)
    low, high = np.array(spec.low), np.array(spec.high)
    rows = count // _ROW_TICKS + 2
    # A few incommensurable waves: smooth, and inside the bounds.
    time_s = np.arange(rows)[:, None] * _ROW_TICKS / spec.control_rate_hz
    waves = np.sin(time_s * random.uniform(0.5, 1.0, spec.width) + random.uniform(0, 6, spec.width))
    points = (low + high) / 2 + waves * (high - low) / 4
    ticks = np.arange(count) / _ROW_TICKS
    columns = [np.interp(ticks, np.arange(rows), column) for column in points.T]
    return np.stack(columns, axis=1).astype(np.float32)


def _jumps(spec: ActionSpec, count: int) -> Wishes:
    """Another far place twice a second."""
    random = np.random.default_rng(0)
    every = round(spec.control_rate_hz / 2)
    places = random.uniform(spec.low, spec.high, (count // every + 1, spec.width))
    return places.repeat(every, axis=0)[:count].astype(np.float32)


if __name__ == "__main__":
    main()
