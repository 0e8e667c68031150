import threading

import mujoco
import numpy as np
import pytest

from bridge import RenderUnavailableError, RobotFault
from fast_brain.robots.scene_physics import ScenePhysics
from fast_brain.robots.scene_studio import Moment, ThreadedStudio

pytestmark = pytest.mark.sim

WAIT_S = 10.0


class GatedCamera:
    """Takes black pictures, each only when the test lets it."""

    kind = "gated"

    def __init__(self, failure: Exception | None = None) -> None:
        self.gate = threading.Semaphore(1)
        self.is_closed = threading.Event()
        self._failure = failure

    def take(self, data: mujoco.MjData, name: str) -> np.ndarray:
        """A black picture, when the gate opens."""
        if self._failure is not None:
            raise self._failure
        assert self.gate.acquire(timeout=WAIT_S)
        return np.zeros((4, 4, 3), np.uint8)

    def close(self) -> None:
        """Remember it."""
        self.is_closed.set()


def make_moment(sequence: int, episode_id: str = "one") -> Moment:
    """A moment whose stamp is its number."""
    return Moment(sequence, sequence, {"pose": np.zeros(5, np.float32)}, episode_id)


def open_gate(camera: GatedCamera, observations: int = 1) -> None:
    """Let both cameras of so many observations take their picture."""
    camera.gate.release(2 * observations)


def test_the_newest_moment_overtakes(physics: ScenePhysics) -> None:
    """While a picture is taken, of the moments that come only the newest is drawn next."""
    camera = GatedCamera()
    studio = ThreadedStudio(physics.model, lambda: camera)
    studio.wait_until_ready(WAIT_S)
    for sequence in range(5):
        studio.submit(make_moment(sequence), physics.data)
    open_gate(camera, 5)
    while (found := studio.newest("one", WAIT_S)) is not None and found.sequence < 4:
        pass
    studio.close()
    assert found is not None
    assert found.stamp_ns == 4
    assert camera.is_closed.is_set()


def test_an_old_episode_is_never_shown(physics: ScenePhysics) -> None:
    """A picture of the episode before is not an observation of this one."""
    camera = GatedCamera()
    studio = ThreadedStudio(physics.model, lambda: camera)
    studio.submit(make_moment(0, "one"), physics.data)
    open_gate(camera)
    assert studio.newest("one", WAIT_S) is not None
    assert studio.newest("two") is None
    studio.close()


def test_failing_camera_is_a_fault_of_the_robot(physics: ScenePhysics) -> None:
    """A camera that raises in its thread is heard of in the robot's."""
    studio = ThreadedStudio(physics.model, lambda: GatedCamera(failure=ValueError("no light")))
    with pytest.raises(RobotFault, match="no light"):
        studio.newest("one", WAIT_S)
    studio.close()


def test_missing_opengl_keeps_its_name(physics: ScenePhysics) -> None:
    """A camera that cannot be made says so in the words it would use without a thread."""

    def refuse() -> GatedCamera:
        raise RenderUnavailableError(backend="OpenGL", cause="none", what_to_do="Install it.")

    studio = ThreadedStudio(physics.model, refuse)
    with pytest.raises(RenderUnavailableError):
        studio.wait_until_ready(WAIT_S)
    studio.close()


def test_a_slow_camera_is_not_waited_for_forever(physics: ScenePhysics) -> None:
    """A camera that does not get ready in time is a fault that says how long was waited."""
    camera = GatedCamera()
    camera.gate.acquire()
    studio = ThreadedStudio(physics.model, lambda: camera)
    with pytest.raises(RobotFault, match="not ready"):
        studio.wait_until_ready(0.01)
    open_gate(camera)
    studio.close()
