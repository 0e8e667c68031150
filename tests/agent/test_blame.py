"""A plug-in planner that blocks, raises, leaks or is late: who it was stands in log and trace."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from agent.config import load_config
from agent.graph import build_graph
from agent.runtime_local import LocalRuntime
from agent.supervisor import Supervisor
from bridge.messages import Goal, NodeHealth, Plan, PlanRequest, Thought
from bridge.specs import PlannerSpec

SECOND_NS = 1_000_000_000


class Planner:
    """Thinks without end; what it does instead of planning is its subclasses' business."""

    spec = PlannerSpec()

    def plan(self, request: PlanRequest) -> Iterator[Thought | Plan]:
        """Think about the goal."""
        yield Thought(field="PLAN", text="…", plan_id=request.plan_id, stamp_ns=0)

    def close(self) -> None:
        """Nothing to free."""


class Raising(Planner):
    """Raises something that is none of ours."""

    def plan(self, request: PlanRequest) -> Iterator[Thought | Plan]:
        """Fail after a thought."""
        yield from super().plan(request)
        raise ValueError("out of ideas")


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this file be found as `test_blame:Raising`."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setitem(sys.modules, "test_blame", sys.modules[__name__])


def run(planner: str, *overrides: str, seconds: float = 8.0) -> LocalRuntime:
    """Let the point arm follow a goal with this planner for a while."""
    changes = (f"slow_brain.planner=test_blame:{planner}", *overrides)
    runtime = LocalRuntime(build_graph(load_config("point_arm", changes)))
    runtime.start()
    goal = Goal(text="reach left", id="g", source="test", stamp_ns=runtime.clock.now_ns())
    runtime.publish("goal", goal)
    runtime.run_until(lambda: False, seconds)
    runtime.stop()
    return runtime


def test_one_that_raises_is_named_in_the_health_and_the_reason() -> None:
    """The plug-in, the verb and what was raised; the robot's loop has gone on."""
    runtime = run("Raising", "slow_brain.replan_budget=1")
    said = "Plug-in 'test_blame:Raising' failed in `plan`: ValueError: out of ideas"
    assert said in runtime.health()["planner"].last_error
    assert said in runtime.read("planning").reason
    assert runtime.read("loop_status").ticks > 700


def test_one_that_never_comes_back_is_named_in_the_log() -> None:
    """A planner that hangs for longer than it may is ended, and whose it was is said."""
    with capture_logs() as logs:
        run("Planner", "runtime.planner_latency_s=60", "runtime.planner_hang_after_s=5")
    (down, *_) = [entry for entry in logs if entry["event"] == "node_down"]
    assert down["node"] == "planner"
    assert down["reason"] == "silent for 5 s: plug-in test_blame:Planner.plan"


def test_a_silent_process_is_told_with_the_plugin_and_its_limit() -> None:
    """The same among processes, where a load that does not end is another verb."""
    graph = build_graph(load_config("point_arm", ["slow_brain.planner=my_planner"]))
    watcher = Supervisor(graph)
    sign = NodeHealth(node="planner", pid=1, steps=1, stamp_ns=2 * SECOND_NS, ready=True)
    assert watcher.silence("planner", sign, 0, 130 * SECOND_NS) == (
        "silent for 128.0 s, limit 120 s: plug-in my_planner.plan"
    )
    assert watcher.silence("planner", None, 0, 200 * SECOND_NS) == (
        "silent for 200.0 s, limit 180 s: plug-in my_planner.__init__"
    )
