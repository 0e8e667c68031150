"""How late does the control loop wake up, alone and beside something busy?

The real driver steps the real control node, with the shipped stitcher and safety filter, at
100 Hz in a process of its own, four times: on an idle machine, beside a busy process on every
core, the same with the priority that the loop asks for, and with a busy Python thread in its own
process. All four run in turn in one go, so that their ratios mean something on a noisy machine.

    python -m benchmarks.control_loop --json lateness.json --seconds 20
"""

import argparse
import json
import multiprocessing as mp
import os
import platform
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np

from bridge.clock import SystemClock
from bridge.messages import ActionChunk, Observation
from bridge.transports.in_process import InProcessLatestValue
from fast_brain.config import FastBrainConfig, FastBrainNodeConfig, RobotConfig
from fast_brain.control_node import ControlNode
from fast_brain.realtime import become_realtime, read_realtime, run_at_rate

RATE_HZ = 100.0
_NS_PER_S = 1_000_000_000
# Long enough for a start on a busy machine; nobody waits longer than this on another process [s].
_PATIENCE_S = 120.0


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What goes on beside the loop, and whether the loop asks for priority."""

    name: str
    busy_processes: int = 0
    has_busy_thread: bool = False
    asks_for_priority: bool = False


@dataclass(frozen=True, kw_only=True)
class Lateness:
    """One measurement; lateness of waking up [ms], the time of one tick [ms]."""

    situation: str
    priority: str
    beats: int
    missed: int
    effective_rate_hz: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    tick_p50_ms: float
    tick_p99_ms: float


class _Bench:
    """A control node that always has a fresh chunk and observation, and times its ticks."""

    def __init__(self, clock: SystemClock, most_beats: int) -> None:
        names = ("observation", "chunk", "stop", "command", "loop_status")
        self._mail = {name: InProcessLatestValue[Any]() for name in names}
        self._node = ControlNode(
            config=FastBrainNodeConfig(
                robot=RobotConfig(kind="point_arm"),
                fast_brain=FastBrainConfig(control_rate_hz=RATE_HZ),
            ),
            inputs=self._mail,
            outputs=self._mail,
            clock=clock,
        )
        self._node.start()
        self._clock = clock
        self._beats = 0
        self._took_ns = np.zeros(most_beats, np.int64)

    def step(self, now_ns: int) -> None:
        """Feed the node as a run would, then time its tick."""
        target = np.array([0.4, 0.0, 0.2], np.float32)
        proprioception: dict[str, Any] = {"target_pose_in_base": target}
        self._mail["observation"].publish(
            Observation(stamp_ns=now_ns, sequence=0, images={}, proprioception=proprioception)
        )
        if self._beats % 20 == 0:
            self._mail["chunk"].publish(self._chunk(target, now_ns))
        began_ns = self._clock.now_ns()
        self._node.step(now_ns)
        self._took_ns[self._beats % len(self._took_ns)] = self._clock.now_ns() - began_ns
        self._beats += 1

    def tick_percentile_ms(self, percent: float) -> float:
        """How long a tick took [ms]."""
        return float(np.percentile(self._took_ns[: self._beats], percent)) / 1e6

    def _chunk(self, target: np.ndarray, now_ns: int) -> ActionChunk:
        return ActionChunk(
            actions=np.tile(target, (16, 1)),
            start_stamp_ns=now_ns,
            step_s=0.05,
            sequence=self._beats,
            observation_sequence=0,
            observation_stamp_ns=now_ns,
        )


def measure(situation: Situation, seconds: float) -> Lateness:
    """Run the loop in a fresh process beside what the situation asks for."""
    context = mp.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    with _busy_processes(context, situation.busy_processes):
        loop = context.Process(target=_run_loop, args=(situation, seconds, sender))
        loop.start()
        sender.close()
        try:
            if not receiver.poll(seconds + _PATIENCE_S):
                raise TimeoutError(f"the loop of {situation.name!r} did not answer")
            return Lateness(**receiver.recv())
        finally:
            loop.join(_PATIENCE_S)


def _run_loop(situation: Situation, seconds: float, sender: Any) -> None:  # noqa: ANN401  # a pipe's end
    clock = SystemClock()
    bench = _Bench(clock, round(seconds * RATE_HZ) + 1)
    granted = become_realtime() if situation.asks_for_priority else read_realtime()
    with ExitStack() as stack:
        if situation.has_busy_thread:
            stack.enter_context(_busy_thread())
        end_ns = clock.now_ns() + round(seconds * _NS_PER_S)
        keeper = run_at_rate(bench, clock, RATE_HZ, lambda: clock.now_ns() >= end_ns)
    late = keeper.lateness
    result = Lateness(
        situation=situation.name,
        priority=str(granted),
        beats=keeper.beats,
        missed=keeper.missed,
        effective_rate_hz=keeper.effective_rate_hz,
        p50_ms=late.percentile_ms(0.5),
        p99_ms=late.percentile_ms(0.99),
        p999_ms=late.percentile_ms(0.999),
        max_ms=late.max_ms,
        tick_p50_ms=bench.tick_percentile_ms(50),
        tick_p99_ms=bench.tick_percentile_ms(99),
    )
    sender.send(asdict(result))


@contextmanager
def _busy_processes(context: Any, count: int) -> Iterator[None]:  # noqa: ANN401  # multiprocessing's
    stop: Event = context.Event()
    busy = [context.Process(target=_work_until, args=(stop,), daemon=True) for _ in range(count)]
    for process in busy:
        process.start()
    try:
        yield
    finally:
        stop.set()
        for process in busy:
            process.join(_PATIENCE_S)


@contextmanager
def _busy_thread() -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=_work_until, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(_PATIENCE_S)


def _work_until(stop: Event | threading.Event) -> None:
    """Compute in pure Python, as a planner's tokenizer or a parser does."""
    while not stop.is_set():
        sum(number * number for number in range(20_000))


def situations() -> list[Situation]:
    """The four, in the order in which they run."""
    cores = len(os.sched_getaffinity(0))
    return [
        Situation(name="idle"),
        Situation(name="busy neighbours", busy_processes=cores),
        Situation(name="busy neighbours, priority", busy_processes=cores, asks_for_priority=True),
        Situation(name="busy thread inside", has_busy_thread=True),
    ]


def main() -> None:
    """Measure, print a table, and write the figures."""
    parser = argparse.ArgumentParser(description="How late does the control loop wake up?")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--seconds", type=float, default=20.0, help="per situation [s]")
    arguments = parser.parse_args()
    results = [measure(situation, arguments.seconds) for situation in situations()]
    base_ms = max(results[0].p99_ms, 1e-3)
    print(f"{'situation':28}{'p50':>8}{'p99':>8}{'p99.9':>8}{'max ms':>8}{'missed':>8}  p99/idle")
    for result in results:
        print(
            f"{result.situation:28}{result.p50_ms:8.2f}{result.p99_ms:8.2f}{result.p999_ms:8.2f}"
            f"{result.max_ms:8.2f}{result.missed:8d}  {result.p99_ms / base_ms:.1f}  "
            f"[{result.priority}]"
        )
    if arguments.json:
        report = {
            "benchmark": "control_loop",
            "rate_hz": RATE_HZ,
            "seconds": arguments.seconds,
            "machine": {
                "cores": os.cpu_count(),
                "kernel": platform.release(),
                "load_average": os.getloadavg()[0],
            },
            "results": [asdict(result) for result in results],
            "p99_ratio_to_idle": {r.situation: r.p99_ms / base_ms for r in results},
        }
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
