"""An agent of any preset under the real runtime, its loop timed, recorded or not, for a while."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from agent.config import load_config
from agent.graph import build_graph
from agent.recording.reading import TRACE_FILES, Trace
from agent.recording.wiring import recorded
from agent.runtime_ray import RayRuntime
from benchmarks.support.loop_ours import timed
from benchmarks.support.loop_times import LoopTimes, load_times
from bridge.messages import Goal

_NS_PER_S = 1_000_000_000
# A model has to be loaded, and the first plan made [s].
_PATIENCE_S = 300.0
# What loading has left behind, such as page faults of the first ticks, is over by then [s].
_SETTLED_S = 3.0
_DONE = ("goal_done", "goal_failed")


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One measurement: the loop's ticks, and what the recorder took meanwhile."""

    is_recorded: bool
    seconds: float
    times: LoopTimes
    recorder_cpu_s: float = 0.0
    written_bytes: int = 0
    lost_events: int = 0


def measure_turn(
    preset: str, settings: list[str], *, goal: str, seconds: float, is_recorded: bool
) -> Turn:
    """Run an agent with a goal, again and again, and look at its loop for `seconds` [s].

    Raises:
        TimeoutError: It did not begin to move.
    """
    config = load_config(preset, settings)
    with tempfile.TemporaryDirectory(prefix="tandem-bench-") as folder:
        log, into = Path(folder) / "ticks.npy", Path(folder) / "run"
        graph = timed(build_graph(config), config, log)
        if is_recorded:
            graph = recorded(graph, into, config.recording)
        run = RayRuntime(graph)
        run.start()
        try:
            ask = _asking(run, goal)
            if not run.run_until(lambda: run.read("chunk") is not None, _PATIENCE_S):
                raise TimeoutError(f"{preset}: no chunk within {_PATIENCE_S:g} s.")
            run.run_until(lambda: False, _SETTLED_S)
            begin_ns, cpu_s, size = run.clock.now_ns(), _cpu_s(run, is_recorded), _size(into)
            run.run_until(ask, seconds)
            end_ns, cpu_s = run.clock.now_ns(), _cpu_s(run, is_recorded) - cpu_s
            size = _size(into) - size
        finally:
            run.stop()
        return Turn(
            is_recorded=is_recorded,
            seconds=(end_ns - begin_ns) / _NS_PER_S,
            times=load_times(log, begin_ns, end_ns),
            recorder_cpu_s=cpu_s,
            written_bytes=size,
            lost_events=_lost(into) if is_recorded else 0,
        )


def _asking(run: RayRuntime, text: str) -> Callable[[], bool]:
    """Give the goal, and what is to be called now and then to give it again; never True."""
    asked = 0

    def ask() -> bool:
        nonlocal asked
        status = run.read("planning")
        goal = None if status is None or status.phase not in _DONE else status.goal
        if not asked or (goal is not None and goal.id == f"g{asked}"):
            asked += 1
            goal = Goal(text=text, id=f"g{asked}", source="bench", stamp_ns=run.clock.now_ns())
            run.publish("goal", goal)
        return False

    ask()
    return ask


def _cpu_s(run: RayRuntime, is_recorded: bool) -> float:  # noqa: FBT001  # Of which there is one.
    """What the recorder's process has computed so far [s]."""
    if not is_recorded:
        return 0.0
    return sum(psutil.Process(run.health()["recorder"].pid).cpu_times()[:2])


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob(TRACE_FILES))


def _lost(folder: Path) -> int:
    """How many events did not fit into a ring; each ring's own count only grows."""
    worst: dict[str, int] = {}
    for event in Trace(folder):
        if event.kind == "trace.lost":
            worst[event.node] = max(worst.get(event.node, 0), sum(event.facts.values()))
    return sum(worst.values())
