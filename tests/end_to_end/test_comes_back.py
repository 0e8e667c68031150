"""A brain that is killed in the middle of a chain comes back with what it knew."""

import os
import signal

import pytest
from starting import StartAgent

from agent.runtime import Runtime
from agent.runtime_local import LocalRuntime
from bridge.messages import Goal, PlanningStatus

SETTINGS = (
    "fast_brain.policy=agent.faults.drill_policy:DrillPolicy",
    "slow_brain.planner=agent.faults.drill_planner:DrillPlanner",
    "slow_brain.rate_hz=5",
    "runtime.planner_latency_s=0.1",
    "runtime.restart_backoff_s=0.2",
    "runtime.stop_timeout_s=4",
)


def kill(run: Runtime, node: str) -> None:
    """`kill -9`, or what stands for it in virtual time."""
    if isinstance(run, LocalRuntime):
        run.kill(node)
    else:
        os.kill(run.health()[node].pid, signal.SIGKILL)


def done(run: Runtime) -> list[str]:
    """The subtasks that are done, in order."""
    status: PlanningStatus | None = run.read("planning")
    return [] if status is None else [each.text for each in status.subtasks if each.state == "done"]


def began(run: Runtime) -> list[str]:
    """Every subtask that was begun, in order."""
    status: PlanningStatus = run.read("planning")
    return [each.text for each in status.subtasks if each.state != "pending"]


def start_on_the_chain(start_agent: StartAgent) -> Runtime:
    """An agent that has done the first of three subtasks."""
    run = start_agent("point_arm", *SETTINGS)
    now_ns = run.clock.now_ns()
    run.publish("goal", Goal(text="visit all places", id="g", source="test", stamp_ns=now_ns))
    assert run.run_until(lambda: done(run) == ["reach left"], 15)
    return run


def finish(run: Runtime) -> None:
    """The chain comes to its end, each subtask begun once."""
    assert run.run_until(lambda: run.read("planning").phase == "goal_done", 25)
    assert began(run) == ["reach left", "reach right", "return home"]
    assert done(run) == began(run)


def test_a_killed_planner_begins_nothing_again(start_agent: StartAgent) -> None:
    """What was done before the planner was killed stays done, and the chain goes on from there."""
    run = start_on_the_chain(start_agent)
    plans = run.read("planning").plans_made
    kill(run, "planner")
    assert run.run_until(lambda: run.incidents != (), 5)
    assert done(run)[:1] == ["reach left"]
    finish(run)
    assert run.read("planning").plans_made > plans
    assert [incident.failure.node for incident in run.incidents] == ["planner"]


def test_a_killed_policy_remembers(start_agent: StartAgent) -> None:
    """The memory that it kept is read back, and the robot goes on to the end of the chain."""
    run = start_on_the_chain(start_agent)
    assert run.run_until(lambda: run.read("memory") is not None, 5)
    kept = run.read("memory")
    kill(run, "policy")
    assert run.run_until(lambda: run.incidents != (), 5)
    finish(run)
    assert run.read("memory").goal == kept.goal
    assert run.read("memory").latent_stamp_ns >= kept.latent_stamp_ns


@pytest.mark.parametrize("node", ["planner", "policy"])
def test_the_loop_goes_on_meanwhile(start_agent: StartAgent, node: str) -> None:
    """Neither fall costs the control loop its process or the robot its stop."""
    run = start_on_the_chain(start_agent)
    ticks = run.read("loop_status").ticks
    kill(run, node)
    assert run.run_until(lambda: run.read("loop_status").ticks > ticks + 100, 10)
    assert run.stopped_because == ""
    finish(run)
