"""Stitchers in a whole run in virtual time: they measure the policy's latency, and bridge it."""

from collections.abc import Iterator

import numpy as np
import pytest

from agent.config import AgentConfig
from agent.graph import build_graph
from agent.runtime_local import LocalRuntime
from bridge.messages import Goal
from bridge.specs import PolicySpec
from bridge.testing import FakeFlowPolicy
from fast_brain.robots.point_arm import PointArm

GOAL = Goal(text="reach left", id="goal-1", source="test", stamp_ns=1_000_000_000)


def make_policy() -> FakeFlowPolicy:
    """A toy flow over the point arm's own action."""
    spec = PolicySpec(
        action=PointArm.spec.action,
        horizon=16,
        step_s=0.05,
        proprioception=("tip_position_in_base",),
    )
    return FakeFlowPolicy(spec, longest_prefix_rows=8, longest_roll_rows=8)


def _run(stitcher: str, latency_s: float) -> LocalRuntime:
    config = AgentConfig.model_validate(
        {
            "robot": {"kind": "point_arm"},
            "fast_brain": {
                "policy": f"{__name__}:make_policy",
                "mode": "flat",
                "stitcher": stitcher,
            },
            "slow_brain": {"planner": "scripted"},
            "runtime": {"policy_latency_s": latency_s},
        }
    )
    return LocalRuntime(build_graph(config))


@pytest.fixture
def started() -> Iterator[list[LocalRuntime]]:
    """Runs to be stopped."""
    runs: list[LocalRuntime] = []
    yield runs
    for run in runs:
        run.stop()


@pytest.mark.parametrize("latency_s", [0.0, 0.1, 0.3])
def test_the_declared_latency_is_what_is_measured(
    started: list[LocalRuntime], latency_s: float
) -> None:
    """A policy that takes 0.3 s of virtual time loses the rows of 0.3 s."""
    run = _run("rtc", latency_s)
    started.append(run)
    run.start()
    run.publish("goal", GOAL)
    run.run_for(1.5)
    rows = run.node("policy")._conditioner.facts["delay_measured_rows"]
    assert isinstance(rows, int)
    # Row 0 is one step after the picture, and the picture may be a step old.
    assert latency_s / 0.05 - 1 <= rows <= latency_s / 0.05 + 1


@pytest.mark.parametrize(
    "stitcher",
    ["latest", "temporal_ensemble", "adaptive_ensemble", "rtc", "trained_rtc", "vlash", "bid"],
)
def test_every_stitcher_keeps_the_arm_moving(started: list[LocalRuntime], stitcher: str) -> None:
    """With a late policy the loop commands without a gap once the first chunk is there."""
    run = _run(stitcher, 0.2)
    started.append(run)
    run.start()
    run.publish("goal", GOAL)
    run.run_for(1.0)
    before = run.read("loop_status")
    run.run_for(1.0)
    after = run.read("loop_status")
    assert after.ticks > before.ticks + 80
    assert after.starved_ticks == before.starved_ticks
    assert np.isfinite(run.read("command").action).all()
