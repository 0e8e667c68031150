import base64
from typing import Any

import pytest

from bridge.trace import TraceEvent
from bridge.transports.ring import LocalRing
from fast_brain.robot_states import LARGEST_STATE_BYTES, RobotStates
from fast_brain.robots.point_arm import PointArm

SECOND_NS = 1_000_000_000


class OddRobot:
    """A robot whose snapshot is what the test says."""

    def __init__(self, state: object) -> None:
        self.state = state
        self.asked = 0

    def snapshot(self) -> Any:
        """The state, or the error that was given instead."""
        self.asked += 1
        if isinstance(self.state, Exception):
            raise self.state
        return self.state

    def restore(self, snapshot: bytes) -> None:
        """Not asked for here."""
        raise NotImplementedError


def told_by(robot: object, *times_ns: int) -> list[TraceEvent]:
    """What the trace hears of a robot that is looked at at these times."""
    ring: Any = LocalRing[TraceEvent]()
    states = RobotStates(robot, "odd", {"trace": ring})
    for now_ns in times_ns:
        states.note(now_ns)
    return list(ring.drain())


def test_the_state_is_told_once_a_second_and_can_be_restored() -> None:
    """Whoever reads the trace gets the robot back as it was at that moment."""
    arm = PointArm()
    events = told_by(arm, *(SECOND_NS + beat * SECOND_NS // 100 for beat in range(250)))
    assert [event.kind for event in events] == ["robot.state"] * 3
    assert [event.stamp_ns // SECOND_NS for event in events] == [1, 2, 3]
    other = PointArm(seed=5)
    other.restore(base64.b64decode(events[-1].facts["state"]))
    assert other.snapshot() == arm.snapshot()


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (b"x" * (LARGEST_STATE_BYTES + 1), f"{LARGEST_STATE_BYTES + 1} bytes"),
        (None, "snapshot"),
        (OSError("no disk"), "no disk"),
    ],
)
def test_a_state_that_cannot_be_told_is_said_once(state: object, words: str) -> None:
    """A robot that gives too much, rubbish or an error goes on, and is not asked again."""
    robot = OddRobot(state)
    (event,) = told_by(robot, SECOND_NS, 2 * SECOND_NS, 3 * SECOND_NS)
    assert event.kind == "robot.state_failed"
    assert words in event.facts["error"]
    assert robot.asked == 1


def test_nobody_is_asked_where_nothing_is_recorded() -> None:
    """Without a trace, or of a robot that cannot be put back, no snapshot is taken."""
    robot = OddRobot(b"state")
    RobotStates(robot, "odd", {}).note(SECOND_NS)
    assert robot.asked == 0
    assert told_by(object(), SECOND_NS) == []
