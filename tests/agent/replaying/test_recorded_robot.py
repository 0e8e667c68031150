from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_traces import BEGIN_NS, SECOND_NS, goal, record

from agent.replaying.recorded_robot import (
    RecordedRobot,
    RecordedSimulator,
    first_observation,
    recorded_robot_config,
)
from agent.tracing.observations import recorded_observations
from agent.tracing.runs import Run
from bridge.errors import ConfigError, RobotFault
from bridge.testing import RobotContract
from fast_brain.config import RobotConfig
from fast_brain.robot_choice import make_robot

ARM = RobotConfig(kind="point_arm")


def robot_of(run: Run) -> RecordedSimulator:
    """A robot that plays the run, connected."""
    robot = make_robot(recorded_robot_config(run, ARM))
    assert isinstance(robot, RecordedSimulator)
    robot.connect()
    return robot


class TestRecordedRobot(RobotContract):
    @pytest.fixture(autouse=True)
    def _record(self, short: Run) -> None:
        self._config = recorded_robot_config(short, ARM)

    def make(self) -> RecordedRobot:
        """Of the short run."""
        robot = make_robot(self._config)
        assert isinstance(robot, RecordedRobot)
        return robot


@settings(max_examples=20)
@given(at_s=st.floats(-1, 5))
def test_each_moment_shows_what_was_newest_then(short: Run, at_s: float) -> None:
    """Never what came later; before the first observation there is only that one."""
    seen = list(recorded_observations(short))
    now_ns = BEGIN_NS + round(at_s * SECOND_NS)
    robot = robot_of(short)
    shown = robot.observe(now_ns)
    before = [each for each in seen if each.stamp_ns <= now_ns] or seen[:1]
    assert (shown.stamp_ns, shown.sequence) == (before[-1].stamp_ns, before[-1].sequence)
    np.testing.assert_array_equal(shown.images["front"], before[-1].images["front"])


def test_the_world_is_reported_as_it_was(short: Run) -> None:
    """What a simulator said of its world is said again at its time."""
    robot = robot_of(short)
    for event in short.walk("world"):
        robot.advance(event.stamp_ns)
        assert robot.report().stamp_ns == event.stamp_ns
        assert robot.report().facts == event.facts["facts"]


def test_a_robot_that_reported_no_world_is_no_simulator(
    short: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real robot is played as one: it has no episodes and no world."""
    walk = Run.walk
    monkeypatch.setattr(
        Run,
        "walk",
        lambda run, *kinds, **times: [] if kinds == ("world",) else walk(run, *kinds, **times),
    )
    assert recorded_robot_config(short, ARM).kind.endswith(":RecordedRobot")


def test_it_begins_no_episode(short: Run) -> None:
    """There is one, the recorded one."""
    with pytest.raises(ConfigError, match="begins no episode"):
        robot_of(short).reset(3, {})


def test_it_shows_nothing_before_it_is_connected(short: Run) -> None:
    """Nothing is read before somebody takes hold of it."""
    robot = RecordedRobot(run=str(short.path), robot={"kind": "point_arm"})
    with pytest.raises(RobotFault, match="not connected"):
        robot.observe(BEGIN_NS)


def test_redacted_pictures_are_not_made_up(tmp_path: Path) -> None:
    """A run whose pictures were redacted is refused, with the camera's name."""
    run = record(
        tmp_path / "blind",
        goal("reach left"),
        length_s=0.5,
        settings=("recording.redact=[images]",),
    )
    with pytest.raises(ConfigError, match="'front' were redacted"):
        first_observation(run)
