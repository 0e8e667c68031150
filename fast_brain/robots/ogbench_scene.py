"""The OGBench scene as a robot: a UR5e at a drawer, a window, two lock buttons and a cube."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import structlog

from bridge import (
    AnyArray,
    ArraySpec,
    Command,
    ContractError,
    Observation,
    ObservationSpec,
    RobotFault,
    RobotSpec,
    UnknownKeyError,
    UnknownNameError,
    WorldReport,
)
from fast_brain.policies.gripper_action import gripper_action_spec
from fast_brain.robots.scene_facts import SKILLS
from fast_brain.robots.scene_lock import RobotLock
from fast_brain.robots.scene_memory_skills import MEMORY_SKILLS

if TYPE_CHECKING:
    from fast_brain.robots.scene_camera import CameraKind
    from fast_brain.robots.scene_cues import CueLights
    from fast_brain.robots.scene_physics import ScenePhysics
    from fast_brain.robots.scene_recording import StateRecorder
    from fast_brain.robots.scene_studio import SceneStudio

COMMAND_RATE_HZ = 100
_BEAT_NS = 1_000_000_000 // COMMAND_RATE_HZ
# After a pause longer than this many beats (0.2 s) the world slips instead of rushing to catch up.
_MOST_BEATS_AT_ONCE = 20
# Making a renderer takes 1-5 s, more when the machine is busy [s].
_CAMERA_LIMIT_S = 120.0
# The first picture of an episode takes a frame's time, longer on a busy machine [s].
_FIRST_PICTURE_LIMIT_S = 10.0
START_OPTIONS = (
    "drawer_m",
    "window_m",
    "drawer_locked",
    "window_locked",
    "cube_xy_m",
    "arm_at_home",
    "cues",
)
_ACTION = gripper_action_spec()
_POSE_UNIT = "m, m, m, rad, closing 0-1"
_PROPRIOCEPTION = (
    ArraySpec(name="gripper_pose_in_base", shape=(5,), unit=_POSE_UNIT, frame="base"),
    ArraySpec(name="gripper_contact", shape=(1,), unit="share of 50 N", low=0.0, high=1.0),
    ArraySpec(name="target_pose_in_base", shape=(5,), unit=_POSE_UNIT, frame="base"),
    ArraySpec(name="joint_position_rad", shape=(6,), unit="rad", frame="joint"),
    ArraySpec(name="joint_velocity_rad_s", shape=(6,), unit="rad/s", frame="joint"),
)

_log = structlog.get_logger(__name__)


class OgbenchScene:
    """A simulated UR5e that obeys absolute gripper targets at 100 Hz; `Robot` and `SimulatedRobot`.

    Told nothing, it keeps moving to its last target. An observation shows one instant: pictures
    and proprioception of the same moment, `camera_rate_hz` times a second.

    Args:
        seed: Fixes the first episode; `reset` begins others.
        start: Where the first episode begins, as for `reset`.
        robot_name: One process drives the robot of a name; None lets any number run side by side.
        camera: "auto", "opengl" or "raycast".
        camera_rate_hz: How often an observation is made [Hz].
        render_thread: Take pictures in a thread, for real time; off, they take the world's time.
        image_size_px: Width and height of both pictures [px]; the shipped weights want 96.
        stop_is_latched: Whether only `reset` ends a stop; off, the next command does, for runs in
            which somebody else (`RobotNode`) keeps commands back until a person releases the stop.
        states_path: Where `close` writes the joint states of the last ten minutes; "" for nowhere.
        skills: What it can be asked for: "scene", or "memory" for steps of memory tasks too.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        start: Mapping[str, object] | None = None,
        robot_name: str | None = "ogbench_scene",
        camera: "CameraKind" = "auto",
        camera_rate_hz: float = 20.0,
        render_thread: bool = False,
        image_size_px: int = 96,
        stop_is_latched: bool = True,
        states_path: str = "",
        skills: str = "scene",
    ) -> None:
        self.spec = _make_spec(image_size_px, skills)
        self._seed, self._start = seed, _checked_start(start or {})
        self._lock = RobotLock(robot_name) if robot_name else None
        self._camera: CameraKind = camera
        # Half a beat early is in time: else a beat that comes a little early costs a whole one.
        self._frame_ns = round(1_000_000_000 / camera_rate_hz) - _BEAT_NS // 2
        self._has_render_thread = render_thread
        self._image_size_px = image_size_px
        self._stop_is_latched = stop_is_latched
        self._states_path = states_path
        self._physics: ScenePhysics | None = None
        self._studio: SceneStudio | None = None
        self._recorder: StateRecorder | None = None
        self._cues: CueLights | None = None
        self._target: AnyArray = np.zeros(_ACTION.width)
        self._stop_reason = ""
        self._next_beat_ns: int | None = None
        self._last_frame_ns: int | None = None
        self._sequence = 0
        self._episodes = 0
        self._episode_id = ""
        self._slipped_s = 0.0

    @property
    def physics(self) -> "ScenePhysics":
        """The simulation itself, for experts and evaluation; never for a brain.

        Raises:
            RobotFault: It is not connected.
        """
        if self._physics is None:
            raise RobotFault("The simulated arm is not connected: call `connect` first.")
        return self._physics

    def connect(self) -> None:
        """Compile the scene and place it by the options; takes 2-10 s.

        Raises:
            RobotBusyError: Another process drives the robot of this name.
            RenderUnavailableError: OpenGL was asked for by name and is not there.
        """
        if self._lock is not None:
            self._lock.take()
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def observe(self, now_ns: int) -> Observation:
        """The newest complete observation; its stamp is when pictures were taken and joints felt.

        Raises:
            RobotFault: Not connected, or the camera failed.
        """
        physics = self.physics
        studio = self._studio_or_fault()
        if self._last_frame_ns is None or now_ns - self._last_frame_ns >= self._frame_ns:
            self._photograph(physics, studio, now_ns)
        wait_s = 0.0 if studio.newest(self._episode_id) else _FIRST_PICTURE_LIMIT_S
        observation = studio.newest(self._episode_id, wait_s)
        if observation is None:
            raise RobotFault(f"The camera took no picture within {_FIRST_PICTURE_LIMIT_S:.0f} s.")
        return observation

    def command(self, command: Command) -> None:
        """Move towards this target from now on; ignored after a latched stop, until `reset`.

        Raises:
            RobotFault: Not connected, or the action is no finite target.
        """
        _ = self.physics
        if command.action.shape != self._target.shape or not np.isfinite(command.action).all():
            raise RobotFault(f"The arm refuses the action {command.action.tolist()}.")
        if self._stop_reason and self._stop_is_latched:
            return
        self._stop_reason = ""
        self._target = command.action.astype(np.float64)

    def stop(self, reason: str) -> None:
        """Stay at the measured pose, fingers as they are; normally until `reset`."""
        if self._stop_reason:
            return
        self._stop_reason = reason
        _log.info("scene.stopped", reason=reason)
        if self._physics is not None:
            # The fingers keep their grip: a stopped arm does not drop what it carries.
            self._target = np.array([*self._physics.gripper_pose()[:4], self._target[4]])

    def close(self) -> None:
        """Save what was recorded, and free the simulation and the name."""
        if self._recorder is not None and self._states_path:
            self.save_states(Path(self._states_path))
        if self._studio is not None:
            self._studio.close()
        self._studio = self._physics = self._recorder = None
        if self._lock is not None:
            self._lock.free()

    def advance(self, now_ns: int) -> None:
        """Step the physics in beats of 10 ms up to `now_ns`, towards the last target.

        The first call only sets the time. After a pause longer than 0.2 s the world slips.
        """
        physics = self.physics
        if self._next_beat_ns is None:
            self._next_beat_ns = now_ns + _BEAT_NS
        missing = (now_ns - self._next_beat_ns) // _BEAT_NS + 1
        if missing > _MOST_BEATS_AT_ONCE:
            slipped = missing - _MOST_BEATS_AT_ONCE
            self._next_beat_ns += slipped * _BEAT_NS
            self._slipped_s += slipped / COMMAND_RATE_HZ
        while self._next_beat_ns <= now_ns:
            if self._cues is not None:
                self._cues.show()
            physics.step(self._target)
            if self._recorder is not None:
                self._recorder.note(self._next_beat_ns, physics)
            self._next_beat_ns += _BEAT_NS

    def reset(self, seed: int, options: Mapping[str, object]) -> None:
        """Begin an episode; releases a stop.

        Args:
            seed: Fixes every random choice.
            options: Any of `START_OPTIONS`; the rest is drawn at random.

        Raises:
            UnknownKeyError: An option it does not know.
            RobotFault: Not connected.
        """
        self._stop_reason = ""
        self._place(seed, _checked_start(options))

    def report(self) -> WorldReport:
        """The scene in words and numbers; no opinion on success, which depends on the goal."""
        physics = self.physics
        physics.measure()
        facts: dict[str, bool | float | str] = dict(asdict(physics.facts()))
        cube = physics.data.joint("object_joint_0").qpos
        numbers = {
            "drawer_m": physics.data.joint("drawer_slide").qpos[0],
            "window_m": physics.data.joint("window_slide").qpos[0],
            **{f"cube_{axis}_m": cube[index] for index, axis in enumerate("xyz")},
            "world_time_s": physics.time_s,
            "slipped_s": self._slipped_s,
        }
        facts |= {name: float(value) for name, value in numbers.items()}
        facts["lit"] = self._cues.lit if self._cues is not None else ""
        return WorldReport(facts=facts, success=None, stamp_ns=self._world_ns())

    def snapshot(self) -> bytes:
        """The world and the robot at this instant, some 5 KB.

        Raises:
            RobotFault: Not connected.
        """
        from fast_brain.robots.scene_snapshot import SceneSnapshot

        cues = self._cues
        return SceneSnapshot(
            physics=self.physics.snapshot(),
            cues=[] if cues is None else [(cue.at_s, cue.button) for cue in cues.cues],
            lit="" if cues is None else cues.lit,
            stop_reason=self._stop_reason,
            next_beat_ns=self._next_beat_ns,
            sequence=self._sequence,
            episodes=self._episodes,
            episode_id=self._episode_id,
            slipped_s=self._slipped_s,
        ).encode()

    def restore(self, snapshot: bytes) -> None:
        """Go on from a snapshot: the same commands at the same times lead to the same world.

        Raises:
            RobotFault: Not connected.
            ContractError: The bytes are no snapshot of this robot; nothing has changed.
        """
        from fast_brain.robots.scene_cues import CueLights, checked_cues
        from fast_brain.robots.scene_snapshot import decode_snapshot

        physics = self.physics
        scene = decode_snapshot(snapshot)
        cues = CueLights(physics, checked_cues(scene.cues))
        physics.restore(scene.physics)
        self._cues = cues
        cues.resume(scene.lit)
        self._target, self._stop_reason = physics.target.copy(), scene.stop_reason
        self._next_beat_ns, self._slipped_s = scene.next_beat_ns, scene.slipped_s
        self._episodes, self._episode_id = scene.episodes, scene.episode_id
        # Of this instant a picture is taken, whatever there was before.
        self._sequence, self._last_frame_ns = scene.sequence, None

    def save_states(self, path: Path) -> None:
        """Write the joint states of the last ten minutes, for `scene_recording.render_states`.

        Raises:
            RobotFault: Not connected.
        """
        from fast_brain.robots.scene_recording import save_states

        _ = self.physics
        if self._recorder is not None:
            save_states(path, self._recorder.states())

    def _build(self) -> None:
        from fast_brain.robots.scene_physics import ScenePhysics
        from fast_brain.robots.scene_recording import StateRecorder

        self._physics = ScenePhysics()
        self._recorder = StateRecorder()
        self._studio = self._open_studio(self._physics)
        self._studio.wait_until_ready(_CAMERA_LIMIT_S)
        self._place(self._seed, self._start)

    def _open_studio(self, physics: "ScenePhysics") -> "SceneStudio":
        from fast_brain.robots.scene_camera import make_camera
        from fast_brain.robots.scene_studio import InlineStudio, ThreadedStudio

        if not self._has_render_thread:
            return InlineStudio(make_camera(physics.model, self._camera, self._image_size_px))
        return ThreadedStudio(
            physics.model, lambda: make_camera(physics.model, self._camera, self._image_size_px)
        )

    def _place(self, seed: int, start: Mapping[str, object]) -> None:
        from fast_brain.robots.scene_cues import CueLights, checked_cues

        physics = self.physics
        physics.reset(seed, **start)
        self._cues = CueLights(physics, checked_cues(start.get("cues", ())))
        self._target = physics.target.copy()
        self._next_beat_ns = self._last_frame_ns = None
        self._slipped_s = 0.0
        self._episodes += 1
        self._episode_id = f"scene-{seed}-{self._episodes}"

    def _photograph(self, physics: "ScenePhysics", studio: "SceneStudio", now_ns: int) -> None:
        from fast_brain.robots.scene_studio import Moment

        studio.submit(
            Moment(now_ns, self._sequence, physics.measure(), self._episode_id), physics.data
        )
        self._sequence += 1
        self._last_frame_ns = now_ns

    def _studio_or_fault(self) -> "SceneStudio":
        if self._studio is None:
            raise RobotFault("The simulated arm has no camera: call `connect` first.")
        return self._studio

    def _world_ns(self) -> int:
        return 0 if self._next_beat_ns is None else self._next_beat_ns - _BEAT_NS


_SKILLS = {"scene": SKILLS, "memory": MEMORY_SKILLS}


def _make_spec(image_size_px: int, skills: str) -> RobotSpec:
    if skills not in _SKILLS:
        raise UnknownNameError(kind="list of skills", name=skills, known=_SKILLS)
    shape = (image_size_px, image_size_px, 3)
    return RobotSpec(
        observation=ObservationSpec(
            images=tuple(
                ArraySpec(name=name, shape=shape, dtype="uint8", frame=name)
                for name in ("front", "wrist")
            ),
            proprioception=_PROPRIOCEPTION,
        ),
        action=_ACTION,
        command_rate_hz=COMMAND_RATE_HZ,
        hold="is braked to a target, and stays there with its grip as it is",
        skills=_SKILLS[skills],
    )


def _checked_start(options: Mapping[str, object]) -> dict[str, object]:
    """Refuse a start that the scene does not know or cannot take.

    Raises:
        UnknownKeyError: The name is unknown.
        ContractError: The value is of the wrong kind.
    """
    for name, value in options.items():
        if name not in START_OPTIONS:
            raise UnknownKeyError(key=name, where="The scene's start", known=START_OPTIONS)
        _check_value(name, value)
    return dict(options)


def _check_value(name: str, value: object) -> None:
    if name == "cues":
        from fast_brain.robots.scene_cues import checked_cues

        checked_cues(value)
        return
    if name.endswith("_m"):
        numbers = np.asarray(value)
        wanted = (2,) if name == "cube_xy_m" else ()
        is_fit = numbers.dtype.kind in "if" and numbers.shape == wanted
        is_fit = is_fit and bool(np.isfinite(numbers).all())
    else:
        is_fit = isinstance(value, bool | np.bool_)
    if not is_fit:
        expected = "true or false" if not name.endswith("_m") else "finite metres"
        raise ContractError(leaf=f"start.{name}", expected=expected, got=value)
