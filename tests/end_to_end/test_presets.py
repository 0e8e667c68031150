import pytest
from starting import make_runtime

from agent.runtime_local import LocalRuntime
from bridge.messages import Goal


def local(preset: str, *overrides: str) -> LocalRuntime:
    """A run in virtual time that has not started."""
    run = make_runtime("local", preset, *overrides)
    assert isinstance(run, LocalRuntime)
    return run


def follow(run: LocalRuntime, goal: str, duration_s: float) -> set[str]:
    """Let the agent follow a goal; say what the loop decided along the way."""
    decisions: set[str] = set()

    def note() -> bool:
        status = run.read("loop_status")
        decisions.update([] if status is None else [status.last_decision])
        return False

    run.start()
    try:
        run.publish("goal", Goal(text=goal, id="g", source="test", stamp_ns=run.clock.now_ns()))
        run.run_until(note, duration_s)
    finally:
        run.stop()
    return decisions


def test_the_point_arm_runs_as_shipped() -> None:
    """The preset of trivial parts plans and commands without anything installed besides."""
    run = local("point_arm")
    assert "command" in follow(run, "reach left", 3.0)
    assert run.read("planning").plans_made > 0


def test_the_pendulum_runs_as_shipped() -> None:
    """A Gymnasium environment is driven at its own rate, and its world is reported."""
    run = local("gymnasium_pendulum")
    assert "command" in follow(run, "reach left", 3.0)
    assert run.read("world").facts["steps"] > 30
    assert run.read("loop_status").target_rate_hz == 20


@pytest.mark.parametrize("preset", ["point_arm", "gymnasium_pendulum"])
def test_a_flat_agent_needs_no_planner(preset: str) -> None:
    """Without a slow brain the policy acts on the text of the goal."""
    run = local(preset, "fast_brain.mode=flat")
    assert "command" in follow(run, "reach left", 2.0)
    assert run.read("planning") is None
    assert "planner" not in run.health()
