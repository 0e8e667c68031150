"""The loop as it is shipped: real processes under the real runtime, and a planner in trouble."""

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from agent.config import AgentConfig, load_config
from agent.graph import build_graph
from agent.graph_parts import Graph
from agent.recording.wiring import recorded
from agent.runtime_ray import RayRuntime
from benchmarks.support.loop_nodes import BUSY_PLANNER, TIMED_CONTROL, TimedControl
from benchmarks.support.loop_times import LoopTimes, load_times
from bridge.clock import SystemClock
from bridge.messages import Goal
from fast_brain.config import FastBrainNodeConfig

_NS_PER_S = 1_000_000_000
_PATIENCE_S = 180.0
# Between two kills: long enough for the planner to be loaded, and to think again.
_KILL_EVERY_S = 10.0
# A plan is long, so that the pauses between two do not count; nobody may call it hung.
_SETTINGS = (
    "fast_brain.policy=hold",
    f"slow_brain.planner={BUSY_PLANNER}",
    "slow_brain.thinking_limit_s=1e6",
    "slow_brain.rate_hz=10",
    "slow_brain.poll_rate_hz=100",
    "runtime.planner_hang_after_s=1e6",
    "runtime.max_restarts=100000",
    "runtime.restart_backoff_max_s=0.5",
)
_GENERATE_S = 20.0


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What the planner does while the loop is measured, and how fast the loop is."""

    name: str
    rate_hz: float = 100.0
    is_busy: bool = False
    is_hung: bool = False
    is_killed: bool = False
    settings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The ticks of one situation; `cpu_share` [1] of one core is the control process's."""

    times: LoopTimes
    priority: str
    cpu_share: float
    restarts: int


def measure_ours(situation: Situation, seconds: float) -> Measured:
    """Run the agent in a situation, and look at its loop for `seconds` [s].

    Raises:
        TimeoutError: The agent did not begin to move.
    """
    with tempfile.TemporaryDirectory(prefix="tandem-bench-") as folder:
        path = Path(folder) / "ticks.npy"
        clock = SystemClock()
        with _running(situation, path, Path(folder) / "run") as run:
            control = psutil.Process(run.health()["control"].pid)
            if situation.is_hung:
                os.kill(run.health()["planner"].pid, signal.SIGSTOP)
            begin_ns, before = clock.now_ns(), control.cpu_times()
            restarts = _let_time_pass(run, situation, seconds)
            end_ns, after = clock.now_ns(), control.cpu_times()
            priority = run.read("loop_status").priority
            if situation.is_hung:
                os.kill(run.health()["planner"].pid, signal.SIGCONT)
        took_s = sum(after[:2]) - sum(before[:2])
        return Measured(
            times=load_times(path, begin_ns, end_ns),
            priority=priority,
            cpu_share=took_s / ((end_ns - begin_ns) / _NS_PER_S),
            restarts=restarts,
        )


@contextmanager
def _running(situation: Situation, log_path: Path, folder: Path) -> Iterator[RayRuntime]:
    """The agent with a goal and a subtask under way, until it is settled; ended at the end."""
    config = _config(situation)
    graph = timed(build_graph(config), config, log_path)
    graph = recorded(graph, folder, config.recording)
    run = RayRuntime(graph)
    run.start()
    try:
        goal = Goal(text="stay", id="g", source="bench", stamp_ns=run.clock.now_ns())
        run.publish("goal", goal)
        if not run.run_until(lambda: run.read("chunk") is not None, _PATIENCE_S):
            raise TimeoutError(f"{situation.name}: no chunk within {_PATIENCE_S:g} s.")
        # What loading has left behind, such as page faults of the first ticks, is over by then.
        run.run_until(lambda: False, 3.0)
        yield run
    finally:
        run.stop()


def _config(situation: Situation) -> AgentConfig:
    generate_s = _GENERATE_S if situation.is_busy else 0.0
    overrides = [
        *_SETTINGS,
        f"slow_brain.planner_options.generate_s={generate_s}",
        f"fast_brain.control_rate_hz={situation.rate_hz}",
        *situation.settings,
    ]
    return load_config("point_arm", overrides)


def timed(graph: Graph, config: AgentConfig, log_path: Path) -> Graph:
    """The same graph, its control node with a log."""
    control = FastBrainNodeConfig(robot=config.robot, fast_brain=config.fast_brain)
    # An hour, at least.
    most_ticks = round(config.fast_brain.control_rate_hz * 3600)
    timed = replace(
        graph.node("control"),
        node_class=TIMED_CONTROL,
        config=TimedControl(control, log_path, most_ticks),
    )
    nodes = tuple(timed if node.name == "control" else node for node in graph.nodes)
    return replace(graph, nodes=nodes)


def _let_time_pass(run: RayRuntime, situation: Situation, seconds: float) -> int:
    """Let the situation last; answer how often the planner was killed."""
    if not situation.is_killed:
        run.run_until(lambda: False, seconds)
        return 0
    kills = max(1, round(seconds / _KILL_EVERY_S))
    for _ in range(kills):
        pid = run.health()["planner"].pid
        if psutil.pid_exists(pid):
            os.kill(pid, signal.SIGKILL)
        run.run_until(lambda: False, seconds / kills)
    return kills
