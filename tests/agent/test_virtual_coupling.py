from typing import Any

import pytest

from agent.config import load_config
from agent.evaluation.play import episode_config
from agent.evaluation.suites import find_suite
from agent.graph import build_graph
from agent.runtime_local import LocalRuntime
from agent.runtime_ray import RayRuntime
from agent.virtual_coupling import PausableStop
from bridge.errors import ConfigError
from bridge.messages import Command, Goal, StopRequest
from bridge.transports.in_process import InProcessLatestValue

REACHING = ("fast_brain.policy=straight_line", "slow_brain.rate_hz=1")
S = 1_000_000_000


def lived_through(*overrides: str, seconds: float = 6.0) -> list[tuple[float, bool, str]]:
    """Each tick of a run: when [s], whether the arm was commanded, and the planner's phase."""
    config = load_config("point_arm", (*REACHING, *overrides))
    suite = find_suite("point-reach")
    run = LocalRuntime(build_graph(episode_config(config, suite, suite.make(0, 0))))
    run.start()
    goal = Goal(text="reach left", id="g", source="test", stamp_ns=run.clock.now_ns())
    run.publish("goal", goal)
    ticks: dict[int, tuple[float, bool, str]] = {}

    def note() -> bool:
        decision, planning = run.read("command"), run.read("planning")
        if decision is not None:
            phase = planning.phase if planning else ""
            at_s = decision.stamp_ns / S - 1
            ticks[decision.stamp_ns] = (at_s, isinstance(decision, Command), phase)
        return False

    run.run_until(note, seconds)
    run.stop()
    return list(ticks.values())


SYNCHRONOUS = ("runtime.coupling=synchronous", "slow_brain.rate_hz=0.5")


def test_the_arm_holds_from_each_question_to_its_answer() -> None:
    """Asked each 2 s and taking 1 s, the planner freezes the arm half of the time."""
    ticks = lived_through(*SYNCHRONOUS, "runtime.planner_latency_s=1.0")
    moving_s = [at_s for at_s, is_moving, _ in ticks if is_moving]
    assert moving_s
    for asked_s in (0.0, 2.0, 4.0):
        assert not [at_s for at_s in moving_s if asked_s <= at_s < asked_s + 1.0]


def test_the_policy_acts_at_the_instant_of_the_answer() -> None:
    """What the rival loses is the thinking time: no beat of the policy's own comes on top."""
    ticks = lived_through(
        *SYNCHRONOUS,
        "runtime.planner_latency_s=1.03",
        "runtime.policy_latency_s=0.05",
        "fast_brain.policy_rate_hz=2",
    )
    first_s = next(at_s for at_s, is_moving, _ in ticks if is_moving)
    assert first_s == pytest.approx(1.03 + 0.05, abs=0.011)


def test_a_planner_that_takes_no_time_freezes_nothing() -> None:
    """Without a delay both couplings are one and the same run."""
    instant = "runtime.planner_latency_s=0"
    assert lived_through(instant, "runtime.coupling=synchronous") == lived_through(instant)


def test_asynchronous_goes_on_while_the_planner_thinks() -> None:
    """The default: once there is a subtask, thinking again does not stop the arm."""
    ticks = lived_through("runtime.planner_latency_s=0.9", seconds=2.0)
    started_s = next(at_s for at_s, is_moving, _ in ticks if is_moving)
    assert all(is_moving for at_s, is_moving, _ in ticks if started_s <= at_s < started_s + 0.5)


def test_a_hung_planner_gives_the_arm_back() -> None:
    """When the planner is taken for hung, the freeze ends with it."""
    ticks = lived_through(
        *SYNCHRONOUS, "runtime.planner_latency_s=60", "runtime.planner_hang_after_s=1.5"
    )
    assert not any(is_moving for _, is_moving, _ in ticks)
    assert ticks[-1][0] == pytest.approx(6.0, abs=0.02)


def _stop(stamp_ns: int, *, latched: bool) -> StopRequest:
    return StopRequest(reason="a person", source="test", latched=latched, stamp_ns=stamp_ns)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (None, "the planner thinks"),
        (_stop(5, latched=True), "a person"),
        (_stop(5, latched=False), "the planner thinks"),
        (_stop(15, latched=False), "a person"),
    ],
)
def test_a_pause_never_hides_a_latched_stop(asked: Any, expected: str) -> None:
    """Of a pause and a request the newer counts, but one that is latched counts always."""
    outside: InProcessLatestValue[Any] = InProcessLatestValue()
    stop = PausableStop(outside)
    assert stop.read() is None
    stop.pause(10)
    if asked is not None:
        outside.publish(asked)
    request = stop.read()
    assert request is not None
    assert request.reason == expected


def test_processes_are_never_frozen() -> None:
    """The setting is for comparisons: a run of processes refuses it before anything starts."""
    config = load_config("point_arm", ["runtime.coupling=synchronous"])
    with pytest.raises(ConfigError, match="comparisons in virtual time"):
        RayRuntime(build_graph(config))
