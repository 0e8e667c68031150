from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import (
    Command,
    ContractError,
    Observation,
    Robot,
    RobotBusyError,
    RobotFault,
    SimulatedRobot,
    UnknownKeyError,
    Verdict,
)
from bridge.testing import RobotContract
from fast_brain.robots.ogbench_scene import OgbenchScene
from fast_brain.robots.scene_physics import ScenePhysics
from fast_brain.robots.scene_recording import load_states

pytestmark = pytest.mark.sim

BEAT_NS = 10_000_000
SECOND_NS = 1_000_000_000
START = {
    "drawer_m": 0.0,
    "window_m": 0.0,
    "drawer_locked": True,
    "window_locked": False,
    "cube_xy_m": [0.38, 0.1],
    "arm_at_home": True,
}


@pytest.fixture(autouse=True)
def share_compiled_scene(monkeypatch: pytest.MonkeyPatch, compiled_scene: ScenePhysics) -> None:
    """Robots of these tests share one compiled scene; each places it anew when it connects."""
    monkeypatch.setattr("fast_brain.robots.scene_physics.ScenePhysics", lambda: compiled_scene)


def make_robot(**options: object) -> OgbenchScene:
    """A robot at the known start that no other process can be in the way of."""
    given_options: dict[str, object] = {"robot_name": None, "camera": "raycast", "start": START}
    return OgbenchScene(**(given_options | options))  # type: ignore[arg-type]


@pytest.fixture
def robot() -> Iterator[OgbenchScene]:
    """A connected robot."""
    made = make_robot()
    made.connect()
    yield made
    made.close()


def make_command(target: list[float]) -> Command:
    """A command to this target."""
    return Command(
        action=np.array(target, np.float32),
        stamp_ns=0,
        sequence=0,
        verdict=Verdict(kind="passed"),
        chunk_sequence=0,
        chunk_index=0,
    )


def run(robot: OgbenchScene, start_ns: int, beats: int) -> int:
    """Let the world run beat by beat; returns the time it ends at."""
    for beat in range(beats + 1):
        robot.advance(start_ns + beat * BEAT_NS)
    return start_ns + beats * BEAT_NS


def pose_of(observation: Observation) -> np.ndarray:
    """The measured gripper pose."""
    return observation.proprioception["gripper_pose_in_base"]


class TestContract(RobotContract):
    def make(self) -> Robot:
        """A robot of its own."""
        return make_robot()


def test_is_a_simulated_robot() -> None:
    """It has the verbs of a simulator beside those of a robot."""
    assert isinstance(make_robot(), SimulatedRobot)


def test_shows_one_instant_twenty_times_a_second(robot: OgbenchScene) -> None:
    """Pictures and joints are of one stamp, and a new observation comes every 50 ms."""
    stamps = []
    for beat in range(20):
        now_ns = SECOND_NS + beat * BEAT_NS
        robot.advance(now_ns)
        stamps.append(robot.observe(now_ns).stamp_ns)
    assert sorted(set(stamps)) == [SECOND_NS + frame * 5 * BEAT_NS for frame in range(4)]


def test_moves_to_its_target_and_stays(robot: OgbenchScene) -> None:
    """Told once and then nothing, the arm reaches its last target and stays there."""
    robot.advance(SECOND_NS)
    robot.command(make_command([0.42, 0.08, 0.2, 0.6, 0.0]))
    end_ns = run(robot, SECOND_NS, 200)
    there = pose_of(robot.observe(end_ns))
    run(robot, end_ns, 100)
    later = pose_of(robot.observe(end_ns + 100 * BEAT_NS))
    assert there[:4] == pytest.approx([0.42, 0.08, 0.2, 0.6], abs=0.02)
    assert later == pytest.approx(there, abs=0.005)


def test_stop_keeps_the_measured_pose_until_reset(robot: OgbenchScene) -> None:
    """After a stop in full motion the arm rests where it was, deaf to commands, until `reset`."""
    robot.advance(SECOND_NS)
    robot.command(make_command([0.55, 0.2, 0.1, 0.6, 0.0]))
    now_ns = run(robot, SECOND_NS, 15)
    stopped_at = robot.physics.gripper_pose()
    robot.stop("e-stop")
    robot.command(make_command([0.3, -0.2, 0.3, 0.0, 1.0]))
    now_ns = run(robot, now_ns, 100)
    assert pose_of(robot.observe(now_ns))[:3] == pytest.approx(stopped_at[:3], abs=0.03)
    robot.reset(1, START)
    robot.command(make_command([0.42, 0.08, 0.2, 0.6, 0.0]))
    now_ns = run(robot, now_ns, 200)
    assert pose_of(robot.observe(now_ns))[:3] == pytest.approx([0.42, 0.08, 0.2], abs=0.02)


def test_stop_that_is_not_latched_ends_with_the_next_command() -> None:
    """With `stop_is_latched` off the arm rests after a stop, and obeys the next command."""
    robot = make_robot(stop_is_latched=False)
    robot.connect()
    robot.stop("e-stop")
    now_ns = run(robot, SECOND_NS, 20)
    robot.command(make_command([0.42, 0.08, 0.2, 0.6, 0.0]))
    now_ns = run(robot, now_ns, 200)
    pose = pose_of(robot.observe(now_ns))
    robot.close()
    assert pose[:3] == pytest.approx([0.42, 0.08, 0.2], abs=0.02)


def test_stop_does_not_open_the_fingers(robot: OgbenchScene) -> None:
    """A stopped arm keeps its grip on what it holds."""
    robot.command(make_command([0.42, 0.08, 0.2, 0.6, 1.0]))
    now_ns = run(robot, SECOND_NS, 100)
    closed = pose_of(robot.observe(now_ns))[4]
    robot.stop("e-stop")
    now_ns = run(robot, now_ns, 100)
    assert pose_of(robot.observe(now_ns))[4] == pytest.approx(closed, abs=0.02)


def test_same_seed_gives_the_same_world(robot: OgbenchScene) -> None:
    """Two episodes of one seed and one command are equal to the last bit, pictures included."""

    def play() -> Observation:
        robot.reset(7, {})
        robot.command(make_command([0.42, 0.08, 0.2, 0.6, 0.0]))
        return robot.observe(run(robot, SECOND_NS, 50))

    first, second = play(), play()
    for name, image in first.images.items():
        assert np.array_equal(image, second.images[name])
    for name, values in first.proprioception.items():
        assert np.array_equal(values, second.proprioception[name])
    assert first.episode_id != second.episode_id


def test_reset_places_what_it_is_told(robot: OgbenchScene) -> None:
    """Start options are obeyed and reported as facts."""
    robot.reset(3, START | {"drawer_m": -0.16, "drawer_locked": False})
    facts = robot.report().facts
    assert (facts["drawer"], facts["drawer_locked"], facts["window"]) == ("open", False, "closed")
    assert facts["cube_x_m"] == pytest.approx(0.38)


def test_world_slips_after_a_long_pause(robot: OgbenchScene) -> None:
    """After ten seconds without a call the world does a bounded number of steps and says so."""
    robot.advance(SECOND_NS)
    robot.advance(11 * SECOND_NS)
    facts = robot.report().facts
    assert facts["world_time_s"] == pytest.approx(0.2, abs=0.02)
    assert facts["slipped_s"] == pytest.approx(9.8, abs=0.02)


@pytest.mark.parametrize(
    ("options", "error"),
    [({"drawr_m": 0.0}, UnknownKeyError), ({"drawer_m": "wide"}, ContractError)],
)
def test_refuses_a_wrong_start(options: dict[str, object], error: type[Exception]) -> None:
    """A start that is misspelt or no number is refused before anything is placed."""
    with pytest.raises(error):
        make_robot(start=options)


def test_unknown_start_names_the_near_match() -> None:
    """The refusal of a misspelt start says what was probably meant."""
    with pytest.raises(UnknownKeyError, match="Did you mean 'drawer_m'"):
        make_robot(start={"drawer": 0.0})


@given(action=st.lists(st.floats(width=32), min_size=0, max_size=7))
def test_refuses_what_is_no_target(action: list[float]) -> None:
    """An action of the wrong width or with nan or inf is a fault, before and after `connect`."""
    fits = len(action) == 5 and all(np.isfinite(action))
    robot = make_robot()
    with pytest.raises(RobotFault):
        robot.command(make_command(action))
    if fits:
        return
    robot._physics = object()  # type: ignore[assignment]
    with pytest.raises(RobotFault, match="refuses"):
        robot.command(make_command(action))


def test_a_second_robot_of_the_name_is_refused() -> None:
    """One name has one master; the refusal names its process, and closing frees the name."""
    name = "test_ogbench_scene.second"
    first, second = make_robot(robot_name=name), make_robot(robot_name=name)
    first.connect()
    try:
        with pytest.raises(RobotBusyError, match="is driven by process"):
            second.connect()
    finally:
        first.close()
    second.connect()
    second.close()


def test_failed_connect_frees_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A robot whose scene does not compile leaves the name free for the next attempt."""
    name = "test_ogbench_scene.failed"

    def explode() -> ScenePhysics:
        raise RuntimeError("no scene")

    with monkeypatch.context() as patch:
        patch.setattr("fast_brain.robots.scene_physics.ScenePhysics", explode)
        with pytest.raises(RuntimeError):
            make_robot(robot_name=name).connect()
    again = make_robot(robot_name=name)
    again.connect()
    again.close()


def test_thread_takes_the_pictures_of_real_time() -> None:
    """With a render thread, observing after a frame's time gives the same kind of observation."""
    robot = make_robot(render_thread=True)
    robot.connect()
    try:
        first = robot.observe(SECOND_NS)
        robot.spec.observation.validate(first)
        robot.reset(5, {})
        second = robot.observe(2 * SECOND_NS)
    finally:
        robot.close()
    assert second.sequence > first.sequence
    assert second.episode_id != first.episode_id


def test_states_are_saved_when_it_closes(tmp_path: Path) -> None:
    """A run with `states_path` leaves its joint states behind, 25 a second."""
    robot = make_robot(states_path=str(tmp_path / "states.npz"))
    robot.connect()
    run(robot, SECOND_NS, 100)
    robot.close()
    states = load_states(tmp_path / "states.npz")
    assert states.joint_positions.shape[0] == pytest.approx(25, abs=1)
    assert np.diff(states.stamp_ns).min() >= SECOND_NS // 25


def test_limits_let_demonstrations_pass() -> None:
    """A demonstration's 0.05 m and 0.3 rad in 0.05 s, and a gripper that jumps, stay in limits."""
    speed = make_robot().spec.action.max_speed
    assert all(limit > 0.05 / 0.05 for limit in speed[:3])
    assert speed[3] > 0.3 / 0.05
    assert speed[4] > 1.0 / 0.05
