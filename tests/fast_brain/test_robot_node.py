import numpy as np
import pytest

from bridge.clock import ManualClock
from bridge.errors import ConfigError, PluginError, RobotFault
from bridge.messages import Command, Hold, HoldReason, StopRequest, Verdict
from fast_brain.config import RobotConfig
from fast_brain.robot_node import RobotNode
from tests.fast_brain import node_rig
from tests.fast_brain.node_rig import S_NS, TICK_NS, Rig

ARM = RobotConfig(kind="point_arm")


def _command(
    stamp_ns: int, action: tuple[float, ...] = (0.4, 0.2, 0.2), sequence: int = 0
) -> Command:
    return Command(
        action=np.array(action, np.float32),
        stamp_ns=stamp_ns,
        sequence=sequence,
        verdict=Verdict(kind="passed"),
        chunk_sequence=0,
        chunk_index=0,
    )


def _stop(stamp_ns: int, *, latched: bool = True) -> StopRequest:
    return StopRequest(reason="the test", source="test", latched=latched, stamp_ns=stamp_ns)


@pytest.fixture
def rig(clock: ManualClock) -> Rig:
    """A robot node with a fake robot, started."""
    rig = Rig(RobotNode, clock)
    rig.node.start()
    return rig


def test_each_beat_shows_what_is_sensed(rig: Rig) -> None:
    """The observation of each beat is published; a real robot has no world to report."""
    rig.step(S_NS).step(S_NS + TICK_NS)
    assert rig.got("observation").stamp_ns == S_NS + TICK_NS
    assert rig.count("observation") == 2
    assert rig.count("world") == 0


def test_the_same_picture_is_published_once(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A robot whose camera is slower than the beat does not fill the mailbox with copies."""
    same = node_rig.made["robot"].observe(S_NS)
    monkeypatch.setattr(node_rig.made["robot"], "observe", lambda now_ns: same)
    rig.step(S_NS).step(S_NS + TICK_NS)
    assert rig.count("observation") == 1


def test_a_command_is_carried_out_once(rig: Rig) -> None:
    """The same message in the mailbox is one command; a hold is none."""
    rig.put(command=_command(S_NS)).step(S_NS).step(S_NS + TICK_NS)
    rig.put(command=Hold(reason=HoldReason.NO_CHUNK, stamp_ns=S_NS)).step(S_NS + 2 * TICK_NS)
    assert len(node_rig.made["robot"].commands) == 1


def test_a_hold_may_lead_to_rest(rig: Rig) -> None:
    """The target that a hold carries is obeyed like a command, and named as a hold's."""
    target = np.array([0.1, 0.2, 0.3], np.float32)
    hold = Hold(reason=HoldReason.CHUNK_EXPIRED, stamp_ns=S_NS, action=target)
    rig.put(command=hold).step(S_NS)
    (command,) = node_rig.made["robot"].commands
    np.testing.assert_array_equal(command.action, target)
    assert command.verdict.reason == "hold: chunk_expired"


def test_a_command_long_overdue_is_not_carried_out(rig: Rig) -> None:
    """A robot that was asleep for longer than the dead man allows does not wake up moving."""
    rig.put(command=_command(S_NS)).step(2 * S_NS)
    assert node_rig.made["robot"].commands == []


def test_a_stop_ends_the_motion_until_it_is_released(rig: Rig) -> None:
    """Latched: one stop, no commands. Released: commands given since."""
    robot = node_rig.made["robot"]
    rig.put(stop=_stop(S_NS), command=_command(S_NS)).step(S_NS).step(S_NS + TICK_NS)
    assert robot.stops == ["the test"]
    released_ns = S_NS + 2 * TICK_NS
    rig.put(stop=_stop(released_ns, latched=False)).step(released_ns)
    rig.put(command=_command(released_ns - TICK_NS, sequence=1)).step(released_ns)
    assert robot.commands == []
    rig.put(command=_command(released_ns, sequence=2)).step(released_ns)
    assert [command.sequence for command in robot.commands] == [2]
    assert robot.stops == ["the test"]


def test_the_watchdog_can_stop_it_too(rig: Rig) -> None:
    """A stop of the watchdog counts like a person's, and a newer release lifts it."""
    rig.put(stop=_stop(S_NS, latched=False), watchdog_stop=_stop(S_NS + 1)).step(S_NS + TICK_NS)
    assert node_rig.made["robot"].stops == ["the test"]
    rig.put(command=_command(S_NS + TICK_NS)).step(S_NS + TICK_NS)
    assert node_rig.made["robot"].commands == []


def test_a_fault_stops_the_robot_and_ends_the_node(rig: Rig) -> None:
    """A robot that does not answer is told to stop, and the fault comes out."""
    node_rig.made["robot"].fault = "raise"
    with pytest.raises(RobotFault):
        rig.step(S_NS)
    assert "does not answer" in node_rig.made["robot"].stops[0]


def test_a_bug_in_the_robot_is_blamed_on_it(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a robot's code raises names the robot and the verb."""

    def raise_key_error(now_ns: int) -> None:
        raise KeyError(now_ns)

    monkeypatch.setattr(node_rig.made["robot"], "observe", raise_key_error)
    with pytest.raises(PluginError, match="observe"):
        rig.step(S_NS)


def test_close_stops_first(rig: Rig) -> None:
    """At the end the robot is brought to rest, then let go; unstarted nodes close as well."""
    rig.node.close()
    assert node_rig.made["robot"].stops == ["the run ends"]
    assert not node_rig.made["robot"].is_connected
    Rig(RobotNode, ManualClock()).node.close()


def test_a_simulator_moves_with_time_and_reports(clock: ManualClock) -> None:
    """The world goes on towards the last target without further commands, and is reported."""
    rig = Rig(RobotNode, clock, robot=ARM)
    rig.node.start()
    rig.put(command=_command(S_NS))
    for tick in range(101):
        rig.step(S_NS + tick * TICK_NS)
    assert rig.got("world").facts["reach left"] is True
    assert rig.got("world").stamp_ns == S_NS + 100 * TICK_NS
    assert rig.count("world") == 11
    assert rig.node.spec.skills == ("reach left", "reach right", "return home")


def test_a_new_episode_forgets_the_old_command(clock: ManualClock) -> None:
    """After a reset the arm stands where the episode begins, whatever was commanded before."""
    rig = Rig(RobotNode, clock, robot=ARM)
    rig.node.start()
    rig.put(command=_command(S_NS)).step(S_NS)
    first = rig.got("observation").episode_id
    rig.node.reset(0, {"tip_m": (0.3, 0.1, 0.2)})
    for tick in range(1, 20):
        rig.step(S_NS + tick * TICK_NS)
    shown = rig.got("observation")
    np.testing.assert_allclose(
        shown.proprioception["tip_position_in_base"], [0.3, 0.1, 0.2], rtol=1e-6
    )
    assert shown.episode_id != first


def test_settings_begin_the_first_episode(clock: ManualClock) -> None:
    """A start in the settings is where the simulator begins."""
    start = RobotConfig(kind="point_arm", reset_options={"tip_m": (0.3, 0.1, 0.2)})
    rig = Rig(RobotNode, clock, robot=start)
    rig.node.start()
    tip = rig.step(S_NS).got("observation").proprioception["tip_position_in_base"]
    np.testing.assert_allclose(tip, [0.3, 0.1, 0.2], rtol=1e-6)


def test_a_real_robot_has_no_episodes(rig: Rig) -> None:
    """Asking a robot that is no simulator for an episode is an error of the operator."""
    with pytest.raises(ConfigError, match="no simulator"):
        rig.node.reset(0)
    with pytest.raises(ConfigError, match="start"):
        _ = Rig(RobotNode, ManualClock()).node.robot
