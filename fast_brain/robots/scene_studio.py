"""Turns moments of the simulation into complete observations: at once, or in a thread.

In virtual time pictures are taken where the physics stands still. In real time a thread takes them
of a copy of the state, so that physics never waits for a picture.
"""

import threading
from collections.abc import Callable
from typing import NamedTuple, Protocol

import mujoco

from bridge import AnyArray, Observation, RobotFault, TandemError
from fast_brain.robots.scene_camera import SceneCamera
from fast_brain.robots.scene_model import CAMERA_BY_NAME

_JOIN_LIMIT_S = 10.0
_WAKE_UP_S = 1.0


class Moment(NamedTuple):
    """What the arm felt at the instant that a picture is to be taken."""

    stamp_ns: int
    sequence: int
    proprioception: dict[str, AnyArray]
    episode_id: str


class SceneStudio(Protocol):
    """Makes observations of moments; `newest` is always a complete one."""

    def submit(self, moment: Moment, data: mujoco.MjData) -> None:
        """Take pictures of this moment; a later moment may overtake one that still waits."""
        ...

    def newest(self, episode_id: str, wait_s: float = 0.0) -> Observation | None:
        """The newest observation of the episode, if there is one after at most `wait_s` [s].

        Raises:
            RobotFault: The camera failed.
        """
        ...

    def wait_until_ready(self, limit_s: float) -> None:
        """Return when pictures come quickly.

        Raises:
            RobotFault: That is not so within `limit_s` [s].
        """
        ...

    def close(self) -> None:
        """Free the camera."""
        ...


class InlineStudio:
    """Takes pictures at once, in the thread that steps the physics."""

    def __init__(self, camera: SceneCamera) -> None:
        self._camera = camera
        self._newest: Observation | None = None

    def submit(self, moment: Moment, data: mujoco.MjData) -> None:
        """Take the pictures now."""
        self._newest = _photograph(self._camera, moment, data)

    def newest(self, episode_id: str, wait_s: float = 0.0) -> Observation | None:  # noqa: ARG002  # Nothing to wait for.
        """The newest observation of the episode."""
        found = self._newest
        return found if found is not None and found.episode_id == episode_id else None

    def wait_until_ready(self, limit_s: float) -> None:
        """Nothing to wait for: the camera was ready when it was given."""

    def close(self) -> None:
        """Free the camera."""
        self._camera.close()


class ThreadedStudio:
    """Takes pictures in a thread of its own, of a copy of the newest state only."""

    def __init__(self, model: mujoco.MjModel, make_camera: Callable[[], SceneCamera]) -> None:
        """Start the thread; `make_camera` runs in it, since OpenGL belongs to one thread."""
        self._model = model
        self._make_camera = make_camera
        # This class owns the lock and nothing else takes it; it guards the fields below.
        self._changed = threading.Condition()
        self._waiting_data, self._spare_data = mujoco.MjData(model), mujoco.MjData(model)
        self._waiting: Moment | None = None
        self._newest: Observation | None = None
        self._failure: Exception | None = None
        self._is_ready = False
        self._is_closing = False
        self._thread = threading.Thread(target=self._work, name="scene-studio", daemon=True)
        self._thread.start()

    def submit(self, moment: Moment, data: mujoco.MjData) -> None:
        """Copy the state (about 0.01 ms) and return."""
        with self._changed:
            mujoco.mj_copyData(self._waiting_data, self._model, data)
            self._waiting = moment
            self._changed.notify_all()

    def newest(self, episode_id: str, wait_s: float = 0.0) -> Observation | None:
        """The newest observation of the episode, if there is one after at most `wait_s` [s].

        Raises:
            RobotFault: The camera failed; an error of ours comes as it is.
        """

        def is_there() -> bool:
            found = self._newest
            is_ours = found is not None and found.episode_id == episode_id
            return is_ours or self._failure is not None

        with self._changed:
            is_found = self._changed.wait_for(is_there, wait_s) if wait_s else is_there()
            self._raise_failure()
            return self._newest if is_found else None

    def wait_until_ready(self, limit_s: float) -> None:
        """Return when the camera is made and has drawn once, which takes seconds.

        Raises:
            RenderUnavailableError: It cannot be made as asked for.
            RobotFault: It is not ready within `limit_s` [s], or failed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._is_ready or self._failure is not None, limit_s)
            self._raise_failure()
            if not self._is_ready:
                raise RobotFault(f"The scene's camera was not ready within {limit_s:.0f} s.")

    def close(self) -> None:
        """End the thread; it frees the camera that it made."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._thread.join(_JOIN_LIMIT_S)

    def _raise_failure(self) -> None:
        if isinstance(self._failure, TandemError):
            raise self._failure
        if self._failure is not None:
            raise RobotFault(f"The scene's camera failed: {self._failure!r}") from self._failure

    def _work(self) -> None:
        # The thread's outermost frame: whatever ends it is shown to the next reader.
        try:
            camera = self._make_camera()
            try:
                self._warm_up(camera)
                while (moment := self._next_moment()) is not None:
                    self._show(_photograph(camera, moment, self._spare_data))
            finally:
                camera.close()
        except Exception as error:  # noqa: BLE001  # Re-raised by `newest` in the robot's thread.
            with self._changed:
                self._failure = error
                self._changed.notify_all()

    def _warm_up(self, camera: SceneCamera) -> None:
        """Draw once for nothing: the first picture of an OpenGL context takes much longer."""
        mujoco.mj_forward(self._model, self._spare_data)
        camera.take(self._spare_data, next(iter(CAMERA_BY_NAME)))
        with self._changed:
            self._is_ready = True
            self._changed.notify_all()

    def _next_moment(self) -> Moment | None:
        """Wait for a moment and take its state, or None when it is time to end."""
        with self._changed:
            while self._waiting is None and not self._is_closing:
                self._changed.wait(_WAKE_UP_S)
            moment, self._waiting = self._waiting, None
            self._waiting_data, self._spare_data = self._spare_data, self._waiting_data
            return None if self._is_closing else moment

    def _show(self, observation: Observation) -> None:
        with self._changed:
            self._newest = observation
            self._changed.notify_all()


def _photograph(camera: SceneCamera, moment: Moment, data: mujoco.MjData) -> Observation:
    return Observation(
        stamp_ns=moment.stamp_ns,
        sequence=moment.sequence,
        images={name: camera.take(data, name) for name in CAMERA_BY_NAME},
        proprioception=moment.proprioception,
        episode_id=moment.episode_id,
    )
