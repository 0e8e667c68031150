import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bridge.errors import ConfigError, ContractError
from bridge.messages import MemoryView
from bridge.testing.examples import SECOND_NS, example_memory
from fast_brain.policies.straight_line import StraightLinePolicy
from fast_brain.robots.point_arm import PLACES_M, PointArm


def told(subtask: str, goal: str = "") -> MemoryView:
    """What a policy is told of a subtask."""
    return replace(example_memory(None), subtask_text=subtask, goal_text=goal)


def arm() -> PointArm:
    """At home."""
    robot = PointArm()
    robot.connect()
    return robot


@given(st.sampled_from(sorted(PLACES_M)), st.floats(0.05, 2.0))
def test_it_flies_straight_at_its_speed_and_stops_there(name: str, speed_m_per_s: float) -> None:
    """Rows lie on the line to the place, no faster than said, and never beyond it."""
    policy = StraightLinePolicy(robot=PointArm.spec, horizon=200, speed_m_per_s=speed_m_per_s)
    seen = arm().observe(SECOND_NS)
    rows = policy.act(seen, told(name), SECOND_NS).actions
    here, place = seen.proprioception["target_pose_in_base"], np.array(PLACES_M[name])
    assert np.linalg.norm(np.diff(rows, axis=0), axis=1).max() <= speed_m_per_s * 0.05 + 1e-5
    assert np.allclose(rows[-1], place, atol=1e-5)
    sides = np.linalg.norm(rows - here, axis=1) + np.linalg.norm(place - rows, axis=1)
    assert np.allclose(sides, np.linalg.norm(place - here), atol=1e-5)


def test_without_a_subtask_the_goal_names_the_place() -> None:
    """As in flat mode, where nobody plans."""
    policy = StraightLinePolicy(robot=PointArm.spec, horizon=200)
    rows = policy.act(arm().observe(SECOND_NS), told("", "reach left"), SECOND_NS).actions
    assert np.allclose(rows[-1], PLACES_M["reach left"], atol=1e-5)


def test_an_unknown_place_keeps_it_where_it_is() -> None:
    """It does not guess."""
    seen = arm().observe(SECOND_NS)
    policy = StraightLinePolicy(robot=PointArm.spec)
    rows = policy.act(seen, told("reach for the stars"), SECOND_NS).actions
    assert np.allclose(rows, seen.proprioception["target_pose_in_base"])


def test_places_that_are_no_actions_are_refused_before_anything_moves() -> None:
    """Two numbers for a robot that takes three, positions for one that takes differences."""
    with pytest.raises(ConfigError, match=r"'there' has 2 numbers.*has 3 \(x, y, z\)"):
        StraightLinePolicy(robot=PointArm.spec, places={"there": (0.1, 0.2)})
    moved = replace(PointArm.spec, action=replace(PointArm.spec.action, mode="delta"))
    with pytest.raises(ConfigError, match="delta actions"):
        StraightLinePolicy(robot=moved)


def test_a_robot_that_does_not_tell_its_target_is_named() -> None:
    """The reading that is missing is in the error."""
    seen = replace(arm().observe(SECOND_NS), proprioception={})
    with pytest.raises(ContractError, match="target_pose_in_base"):
        StraightLinePolicy(robot=PointArm.spec).act(seen, told("reach left"), SECOND_NS)
