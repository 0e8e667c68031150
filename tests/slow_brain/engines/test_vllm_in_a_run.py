"""vLLM inside the planner's process of a real run: it plans, and none of it outlives that process.

Runs where vLLM is installed (`make test-vllm`); it is skipped elsewhere.
"""

import importlib.util
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from agent.config import load_config
from agent.graph import build_graph
from agent.runtime_ray import RayRuntime
from bridge.messages import Goal

LIMIT_S = 600.0
pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(3 * LIMIT_S),
    pytest.mark.skipif(
        importlib.util.find_spec("vllm") is None, reason="vLLM is not installed: make test-vllm"
    ),
]
SETTINGS = (
    "robot.kind=seeing_arm:SeeingArm",
    "slow_brain.planner=vlm",
    "slow_brain.planner_options.engine=vllm",
    "slow_brain.replan_budget=1000",
    f"runtime.start_timeout_s={LIMIT_S}",
    f"runtime.planner_hang_after_s={LIMIT_S}",
    "runtime.restart_backoff_s=0.2",
)


def planner_processes(run: RayRuntime) -> list[psutil.Process]:
    """The planner's process, and vLLM's below it."""
    planner = psutil.Process(run.health()["planner"].pid)
    return [planner, *planner.children(recursive=True)]


def plan_anew(run: RayRuntime, goal: str) -> None:
    """Give a goal, and wait for its plan and for its latent."""
    run.publish("goal", Goal(text=goal, id=goal, source="test", stamp_ns=run.clock.now_ns()))

    def has_plan() -> bool:
        status, latent = run.read("planning"), run.read("latent")
        plan = status.plan if status is not None else None
        return plan is not None and plan.goal_id == goal and latent is not None

    assert run.run_until(has_plan, LIMIT_S), run.health()["planner"].last_error


def test_a_run_plans_with_vllm_and_leaves_nothing_of_it() -> None:
    """A killed planner takes vLLM along, the next one brings its own, and the end leaves none."""
    run = RayRuntime(build_graph(load_config("point_arm", SETTINGS)))
    try:
        run.start()
        plan_anew(run, "open the window")
        first = planner_processes(run)
        os.kill(first[0].pid, signal.SIGKILL)
        assert run.run_until(lambda: run.health()["planner"].pid != first[0].pid, LIMIT_S)
        assert run.run_until(lambda: not any(map(psutil.Process.is_running, first)), 60)
        plan_anew(run, "open the drawer")
        last = planner_processes(run)
    finally:
        run.stop()
    _, left = psutil.wait_procs([*first, *last], 20)
    assert left == []
