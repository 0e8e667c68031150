import numpy as np
import pytest

from bridge.errors import ContractError, RobotFault, UnknownKeyError
from bridge.messages import Command, Verdict
from fast_brain.robots.point_arm import PLACES_M, PointArm

S_NS = 1_000_000_000


def _go_to(arm: PointArm, place_m: tuple[float, float, float], *, seconds: float = 1.0) -> None:
    arm.command(
        Command(
            action=np.array(place_m, np.float32),
            stamp_ns=S_NS,
            sequence=0,
            verdict=Verdict(kind="passed"),
            chunk_sequence=0,
            chunk_index=0,
        )
    )
    arm.advance(S_NS)
    arm.advance(S_NS + round(seconds * S_NS))


@pytest.fixture
def arm() -> PointArm:
    """A connected arm at home."""
    arm = PointArm()
    arm.connect()
    return arm


@pytest.mark.parametrize("skill", PointArm.spec.skills)
def test_each_skill_can_be_achieved(arm: PointArm, skill: str) -> None:
    """Sent to a skill's place, the world reports that skill, and only that, as achieved."""
    _go_to(arm, PLACES_M[skill])
    facts = arm.report().facts
    assert [name for name in arm.spec.skills if facts[name]] == [skill]


def test_the_picture_shows_where_the_tip_is(arm: PointArm) -> None:
    """Forward is up and left is left: a tip sent left darkens the left half."""
    before = arm.observe(S_NS).images["front"]
    _go_to(arm, (0.4, 0.3, 0.2))
    after = arm.observe(S_NS).images["front"]
    rows, columns = np.nonzero((after != before).any(axis=2) & (after.max(axis=2) < 50))
    assert columns.max() < 32
    assert rows.mean() < 40
    assert not after.flags.writeable


def test_it_moves_the_same_whatever_the_tick(arm: PointArm) -> None:
    """One advance of 100 ms ends where ten of 10 ms end."""
    other = PointArm()
    other.connect()
    _go_to(arm, (0.4, 0.2, 0.2), seconds=0.1)
    _go_to(other, (0.4, 0.2, 0.2), seconds=0.0)
    for tick in range(1, 11):
        other.advance(S_NS + tick * S_NS // 100)
    tips = [robot.observe(S_NS).proprioception["tip_position_in_base"] for robot in (arm, other)]
    np.testing.assert_allclose(tips[0], tips[1], rtol=1e-6)


def test_a_stop_keeps_it_where_it_is(arm: PointArm) -> None:
    """After a stop the tip does not go on to its target."""
    _go_to(arm, (0.4, 0.2, 0.2), seconds=0.05)
    arm.stop("test")
    before = arm.observe(S_NS).proprioception["tip_position_in_base"]
    arm.advance(10 * S_NS)
    np.testing.assert_array_equal(arm.observe(S_NS).proprioception["tip_position_in_base"], before)


def test_a_wrong_start_is_refused(arm: PointArm) -> None:
    """An unknown option answers with the near match; a place out of reach is named."""
    with pytest.raises(UnknownKeyError, match="tip_m"):
        arm.reset(0, {"tip": (0.3, 0.0, 0.2)})
    with pytest.raises(ContractError, match=r"action\.x"):
        arm.reset(0, {"tip_m": (3.0, 0.0, 0.2)})
    with pytest.raises(ContractError, match="three metres"):
        arm.reset(0, {"tip_m": (0.3, 0.0)})


def test_it_answers_only_while_connected() -> None:
    """Before `connect` looking and commanding are faults."""
    with pytest.raises(RobotFault, match="connect"):
        PointArm().observe(S_NS)


def test_an_action_that_is_no_target_is_a_fault(arm: PointArm) -> None:
    """The robot refuses nan, should the filter above ever fail."""
    with pytest.raises(RobotFault, match="refuses"):
        _go_to(arm, (float("nan"), 0.0, 0.2))
