from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge import Command, ContractError, Observation, Verdict
from fast_brain.robots.ogbench_scene import OgbenchScene
from fast_brain.robots.point_arm import PointArm
from fast_brain.robots.scene_facts import DRAWER_OPEN_M
from fast_brain.robots.scene_physics import ScenePhysics

pytestmark = pytest.mark.sim
BEAT_NS = 10_000_000
START = {"drawer_locked": True, "window_locked": False, "cube_xy_m": [0.38, 0.1]}
# Over the drawer's lock, onto it, and away: x, y, z [m], yaw [rad], gripper.
PRESSING = (
    [0.58, -0.05, 0.19, 0.4, 1.0],
    [0.58, -0.05, 0.03, 0.4, 1.0],
    [0.50, -0.05, 0.20, 0.0, 0.5],
)


@pytest.fixture(autouse=True)
def share_compiled_scene(monkeypatch: pytest.MonkeyPatch, compiled_scene: ScenePhysics) -> None:
    """Robots of these tests share one compiled scene; each places it anew when it connects."""
    monkeypatch.setattr("fast_brain.robots.scene_physics.ScenePhysics", lambda: compiled_scene)


@pytest.fixture
def robot() -> Iterator[OgbenchScene]:
    """A connected robot whose first cue comes after 0.2 s."""
    made = OgbenchScene(
        robot_name=None,
        camera="raycast",
        image_size_px=16,
        start={**START, "cues": [[0.2, "window"]]},
    )
    made.connect()
    yield made
    made.close()


def play(robot: OgbenchScene, beats: range) -> list[Observation]:
    """Send the arm from place to place, and collect what it shows at each beat."""
    seen = list[Observation]()
    for beat in beats:
        target = np.array(PRESSING[beat // 20 % len(PRESSING)], np.float32)
        verdict = Verdict(kind="passed")
        robot.command(
            Command(
                action=target,
                stamp_ns=beat * BEAT_NS,
                sequence=beat,
                verdict=verdict,
                chunk_sequence=0,
                chunk_index=0,
            )
        )
        robot.advance(beat * BEAT_NS)
        seen.append(robot.observe(beat * BEAT_NS))
    return seen


def as_bytes(seen: list[Observation]) -> list[bytes]:
    """All that observations show, to compare."""
    return [
        b"".join(
            value.tobytes() for value in (*each.images.values(), *each.proprioception.values())
        )
        for each in seen
    ]


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(before=st.integers(0, 60))
def test_the_scene_goes_on_from_a_snapshot_to_the_last_bit(
    robot: OgbenchScene, before: int
) -> None:
    """From any beat on, pictures, joints, contacts, locks and lights are the same again."""
    robot.reset(5, {**START, "cues": [[0.2, "window"]]})
    play(robot, range(1, before + 1))
    snapshot = robot.snapshot()
    after = range(before + 1, before + 31)
    futures = list[tuple[list[bytes], object]]()
    for _ in range(2):
        robot.reset(9, {"drawer_m": DRAWER_OPEN_M, "drawer_locked": False})
        robot.restore(snapshot)
        assert robot.snapshot() == snapshot
        futures.append((as_bytes(play(robot, after)), robot.report()))
    assert futures[0] == futures[1]


def test_what_went_on_without_a_break_is_the_same_after_a_restore(robot: OgbenchScene) -> None:
    """The future that was is the one that follows from a snapshot of its past, beat by beat."""
    robot.reset(5, {**START, "cues": [[0.2, "window"]]})
    play(robot, range(1, 26))
    snapshot, states = robot.snapshot(), list[bytes]()
    for is_again in (False, True):
        if is_again:
            robot.reset(3, {})
            robot.restore(snapshot)
        for beat in range(26, 61):
            play(robot, range(beat, beat + 1))
            states.append(robot.physics.snapshot().now)
    assert states[:35] == states[35:]
    # Meanwhile the lock was pressed, which changes the model and not only the state.
    assert robot.report().facts["drawer_locked"] is False


def test_something_moved_between_two_beats_is_kept(robot: OgbenchScene) -> None:
    """A cube that somebody put elsewhere lies there after a restore."""
    play(robot, range(1, 6))
    robot.physics.place_cube(np.array([0.31, 0.15, 0.02]), 0.5)
    snapshot = robot.snapshot()
    robot.reset(3, {})
    robot.restore(snapshot)
    cube = robot.physics.data.joint("object_joint_0").qpos
    np.testing.assert_array_equal(cube[:3], [0.31, 0.15, 0.02])


def test_a_snapshot_of_another_robot_is_refused(robot: OgbenchScene) -> None:
    """The scene does not take a point arm's state, and stays as it was."""
    before = robot.snapshot()
    with pytest.raises(ContractError, match="ogbench_scene"):
        robot.restore(PointArm().snapshot())
    assert robot.snapshot() == before
