"""What every robot keeps."""

import contextlib
import functools
from collections.abc import Generator

import numpy as np

from bridge.arrays import FloatArray
from bridge.errors import ContractError
from bridge.messages import Command, Verdict
from bridge.protocols import RestorableRobot, Robot, SimulatedRobot
from bridge.testing.checks import must_raise
from bridge.testing.examples import SECOND_NS

# Played before a snapshot, and from it on.
_BEATS = 30


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

    def test_declares_its_limits(self) -> None:
        """Each limit of motion and place is declared, or waived with the reason."""
        assert self.make().spec.action.undeclared_limits() == ()

    def test_says_how_it_is_held(self) -> None:
        """A robot whose actions add up, or are no places, names the action that means no motion."""
        spec = self.make().spec
        assert spec.action.mode == "absolute" or spec.rest_action is not None

    def test_obeys_its_resting_action(self) -> None:
        """What it is sent while it is held is accepted, again and again."""
        with _connected(self.make()) as robot:
            rest = robot.spec.rest_action
            for _ in range(3 if rest is not None else 0):
                robot.command(_command(np.array(rest, np.float32)))

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

    def test_goes_on_from_a_snapshot_as_it_went_on_before(self) -> None:
        """After `restore` the same commands at the same times show the same, to the last bit."""
        seen = list[dict[str, list[float]]]()
        with _connected(self.make()) as robot:
            if not (isinstance(robot, RestorableRobot) and isinstance(robot, SimulatedRobot)):
                return
            _play(robot, robot, first_beat=0)
            snapshot = robot.snapshot()
            for _ in range(2):
                robot.restore(snapshot)
                seen.append(_play(robot, robot, first_beat=_BEATS))
        assert seen[0] == seen[1]

    def test_refuses_what_is_no_snapshot(self) -> None:
        """Rubbish in place of a snapshot is refused, and changes nothing."""
        with _connected(self.make()) as robot:
            if not isinstance(robot, RestorableRobot):
                return
            before = robot.snapshot()
            for rubbish in (b"", b"rubbish", before[: len(before) // 2]):
                must_raise(ContractError, functools.partial(robot.restore, rubbish))
            assert robot.snapshot() == before

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


def _play(robot: Robot, world: SimulatedRobot, *, first_beat: int) -> dict[str, list[float]]:
    """Command the middle of the bounds for a while; what is felt at the end."""
    beat_ns = round(SECOND_NS / robot.spec.command_rate_hz)
    for beat in range(first_beat, first_beat + _BEATS):
        robot.command(_middle_command(robot))
        world.advance(SECOND_NS + beat * beat_ns)
    seen = robot.observe(SECOND_NS + (first_beat + _BEATS) * beat_ns)
    return {name: value.ravel().tolist() for name, value in seen.proprioception.items()}


def _middle_command(robot: Robot) -> Command:
    action = robot.spec.action
    return _command(((np.array(action.low) + np.array(action.high)) / 2).astype(np.float32))


def _command(action: FloatArray) -> Command:
    return Command(
        action=action,
        stamp_ns=SECOND_NS,
        sequence=0,
        verdict=Verdict(kind="passed"),
        chunk_sequence=0,
        chunk_index=0,
    )
