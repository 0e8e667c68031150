"""What every robot keeps."""

import contextlib
from collections.abc import Generator

import numpy as np

from bridge.messages import Command, Verdict
from bridge.protocols import Robot
from bridge.testing.examples import SECOND_NS


class RobotContract:
    """For a `Robot`. Override `make`; the tests connect it, command it and close it."""

    def make(self) -> Robot:
        """A new robot, not yet connected."""
        raise NotImplementedError

    def test_meets_the_protocol(self) -> None:
        """It has every verb of `Robot`, and its spec is known before it is connected."""
        robot = self.make()
        assert isinstance(robot, Robot)
        assert robot.spec == robot.spec
        assert robot.spec.hold

    def test_shows_what_it_declares(self) -> None:
        """An observation fits the declared spec."""
        with _connected(self.make()) as robot:
            robot.spec.observation.validate(robot.observe(SECOND_NS))

    def test_observations_do_not_go_back(self) -> None:
        """Stamps and sequence numbers of observations never decrease."""
        with _connected(self.make()) as robot:
            first, second = robot.observe(SECOND_NS), robot.observe(SECOND_NS + SECOND_NS // 10)
        assert second.stamp_ns >= first.stamp_ns
        assert second.sequence >= first.sequence

    def test_obeys_a_command_inside_the_bounds(self) -> None:
        """A command in the middle of the bounds is accepted, and it can still be observed."""
        with _connected(self.make()) as robot:
            robot.observe(SECOND_NS)
            robot.command(_middle_command(robot))
            robot.spec.observation.validate(robot.observe(SECOND_NS + SECOND_NS // 10))

    def test_stop_never_raises(self) -> None:
        """`stop` can be called before `connect`, twice in a row, and after `close`."""
        robot = self.make()
        robot.stop("before connect")
        robot.connect()
        robot.stop("first")
        robot.stop("second")
        robot.close()
        robot.stop("after close")


@contextlib.contextmanager
def _connected(robot: Robot) -> Generator[Robot]:
    robot.connect()
    try:
        yield robot
    finally:
        robot.stop("end of test")
        robot.close()


def _middle_command(robot: Robot) -> Command:
    action = robot.spec.action
    return Command(
        action=((np.array(action.low) + np.array(action.high)) / 2).astype(np.float32),
        stamp_ns=SECOND_NS,
        sequence=0,
        verdict=Verdict(kind="passed"),
        chunk_sequence=0,
        chunk_index=0,
    )
