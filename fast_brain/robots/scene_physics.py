"""The scene's physics at 100 Hz: absolute gripper targets in, joint motion out.

The benchmark steps at 20 Hz with targets relative to the measured pose. A robot on a bus takes
absolute set-points at its own rate, which also makes "hold" well defined: keep the last target.
"""

from typing import Any, cast

import mujoco
import numpy as np
from ogbench.manipspace import lie

from fast_brain.robots.scene_facts import (
    DRAWER_OPEN_M,
    WINDOW_OPEN_M,
    SceneFacts,
    end_stop_word,
)
from fast_brain.robots.scene_model import LightSceneEnv
from fast_brain.robots.scene_snapshot import (
    PhysicsSnapshot,
    check_state,
    read_random,
    read_state,
    write_random,
    write_state,
)

COMMAND_RATE_HZ = 100
PHYSICS_STEP_S = 0.002
STEPS_PER_COMMAND = round(1 / (COMMAND_RATE_HZ * PHYSICS_STEP_S))
# Where the arm waits: high, out of the front camera's view of drawer, cube and buttons.
HOME_POSITION_M = np.array([0.32, 0.0, 0.30])
HOME_YAW_RAD = 0.4
# Where the cube may start (x, y) [m]: the published region, less what an open drawer's handle
# covers.
CUBE_START_M = ((0.30, -0.02), (0.45, 0.18))
# A button toggles when its joint passes this travel [m] (published scene).
_BUTTON_TRIGGER_M = -0.02
_CUBE_RESTING_HEIGHT_M = 0.02
_OPEN_GRIPPER_CONTACT = 0.1
# A cube is held when it is this near the fingertips, and stored when it is this low [m].
_HELD_WITHIN_M = 0.04
_STORED_BELOW_M = 0.1


class ScenePhysics:
    """The simulated UR5e and its table, moved by absolute gripper targets.

    An action is ``[x, y, z, yaw, gripper]``: target pinch position in the base frame [m], yaw about
    the vertical [rad], gripper closing 0 (open) to 1 (closed).
    """

    def __init__(self) -> None:
        self.env = LightSceneEnv("scene", mode="data_collection", visualize_info=False)
        self.env.reset(seed=0)
        self._random = np.random.default_rng(0)
        # What the last beat began from, and the locks then; None while no beat has been.
        self._before: tuple[bytes, tuple[int, int]] | None = None
        self.target = self.home_action()

    @property
    def model(self) -> mujoco.MjModel:
        """The compiled model (light visual meshes, wrist camera)."""
        # The environment offers no public handle; reset has compiled it.
        return cast("mujoco.MjModel", self.env._model)  # noqa: SLF001

    @property
    def data(self) -> mujoco.MjData:
        """The simulation state."""
        return cast("mujoco.MjData", self.env._data)  # noqa: SLF001  # As above.

    @property
    def time_s(self) -> float:
        """Simulated time since reset [s]."""
        return float(self.data.time)

    def home_action(self) -> np.ndarray:
        """Return the waiting pose as an action, gripper open."""
        return np.array([*HOME_POSITION_M, HOME_YAW_RAD, 0.0])

    def reset(self, seed: int, **start: Any) -> None:  # noqa: ANN401  # Numbers, flags and pairs.
        """Place everything anew.

        Args:
            seed: Fixes every random choice.
            start: Any of ``drawer_m``, ``window_m``, ``drawer_locked``, ``window_locked``,
                ``cube_xy_m``, ``arm_at_home``; the rest is drawn at random.
        """
        self._random, self._before = np.random.default_rng(seed), None
        mujoco.mj_resetData(self.model, self.data)
        self._place_arm(at_home=bool(start.get("arm_at_home", False)))
        self._place_objects(start)
        mujoco.mj_forward(self.model, self.data)
        self.target = np.array([*self.gripper_pose()[:4], 0.0])
        self.env._prev_qpos = self.data.qpos.copy()  # noqa: SLF001
        self.env._prev_qvel = self.data.qvel.copy()  # noqa: SLF001
        self.env._prev_button_states = self.button_states.copy()  # noqa: SLF001

    def _place_arm(self, *, at_home: bool) -> None:
        env, random = self.env, self._random
        position, yaw = HOME_POSITION_M, HOME_YAW_RAD
        if not at_home:
            position = random.uniform([0.27, -0.18, 0.2], [0.58, 0.18, 0.35])
            yaw = HOME_YAW_RAD + random.uniform(-0.4, 0.4)
        self.data.qpos[env._arm_joint_ids] = env._home_qpos  # noqa: SLF001
        mujoco.mj_kinematics(self.model, self.data)
        self.data.qpos[env._arm_joint_ids] = self._joints_for(position, yaw, env._home_qpos)  # noqa: SLF001
        self.data.ctrl[env._arm_actuator_ids] = self.data.qpos[env._arm_joint_ids]  # noqa: SLF001

    def _place_objects(self, start: dict[str, Any]) -> None:
        random = self._random
        xy = random.uniform(*CUBE_START_M)
        xy = np.asarray(start.get("cube_xy_m", xy))
        yaw = random.uniform(0, 2 * np.pi)
        self.place_cube(np.array([*xy, _CUBE_RESTING_HEIGHT_M]), yaw)
        drawer_m = start.get("drawer_m", DRAWER_OPEN_M * random.integers(2))
        window_m = start.get("window_m", WINDOW_OPEN_M * random.integers(2))
        locks = random.integers(2, size=2)
        self.data.joint("drawer_slide").qpos[0] = drawer_m
        self.data.joint("window_slide").qpos[0] = window_m
        self.set_locks(
            drawer=bool(start.get("drawer_locked", locks[0])),
            window=bool(start.get("window_locked", locks[1])),
        )

    def place_cube(self, position_m: np.ndarray, yaw_rad: float) -> None:
        """Put the cube somewhere at rest (base frame)."""
        joint = self.data.joint("object_joint_0")
        joint.qpos[:3] = position_m
        joint.qpos[3:] = lie.SO3.from_z_radians(yaw_rad).wxyz
        joint.qvel[:] = 0

    def hide_cube(self) -> None:
        """Put the cube into the drawer, wherever that stands."""
        drawer_m = float(self.data.joint("drawer_slide").qpos[0])
        # The drawer's floor is 0.16 m behind the handle, which stands at y = -0.24 - travel.
        self.place_cube(np.array([0.33, -0.40 - drawer_m, 0.066]), 0.0)

    def forward(self) -> None:
        """Work out all poses from the joints, without time passing."""
        mujoco.mj_forward(self.model, self.data)

    def set_locks(self, *, drawer: bool, window: bool) -> None:
        """Set both locks; a pressed button toggles its own."""
        self._set_button_states((int(not drawer), int(not window)))

    def _locks(self) -> tuple[int, int]:
        drawer, window = self.button_states.tolist()
        return drawer, window

    def _set_button_states(self, states: tuple[int, int]) -> None:
        self.env._cur_button_states = np.array(states)  # noqa: SLF001
        self.env._apply_button_states()  # noqa: SLF001

    def colour_buttons(self) -> None:
        """Let the buttons look like the state of their locks."""
        self.env._apply_button_states()  # noqa: SLF001

    def colour_button(self, button: int, rgba: np.ndarray) -> None:
        """Let one button look otherwise, until its lock changes or `colour_buttons` is called."""
        for geom in self.env._button_geom_ids_list[button]:  # noqa: SLF001
            self.model.geom(geom).rgba = rgba

    @property
    def button_states(self) -> np.ndarray:
        """1 where a button's joint is unlocked, 0 where locked: (drawer, window)."""
        return self.env._cur_button_states  # noqa: SLF001

    def _joints_for(self, position: np.ndarray, yaw: float, near: np.ndarray) -> np.ndarray:
        env = self.env
        down = lie.SO3.from_z_radians(yaw) @ env._effector_down_rotation  # noqa: SLF001
        flange = lie.SE3.from_rotation_and_translation(down, position) @ env._T_pa  # noqa: SLF001
        return env._ik.solve(  # noqa: SLF001
            pos=flange.translation(), quat=flange.rotation().wxyz, curr_qpos=near, max_iters=5
        )

    def step(self, action: np.ndarray) -> None:
        """Advance one command period (10 ms) towards ``action``."""
        env, data = self.env, self.data
        self.target = np.asarray(action, np.float64).copy()
        low, high = env._workspace_bounds  # noqa: SLF001
        position = np.clip(self.target[:3], low, high)
        near = data.qpos[env._arm_joint_ids]  # noqa: SLF001
        data.ctrl[env._arm_actuator_ids] = self._joints_for(position, self.target[3], near)  # noqa: SLF001
        data.ctrl[env._gripper_actuator_ids] = 255.0 * np.clip(self.target[4], 0, 1)  # noqa: SLF001
        self._before = read_state(self.model, data), self._locks()
        self._beat()

    def _beat(self) -> None:
        before = self._button_travel()
        mujoco.mj_step(self.model, self.data, nstep=STEPS_PER_COMMAND)
        self._toggle_pressed(before)

    def snapshot(self) -> PhysicsSnapshot:
        """All that the world's future follows from."""
        before, locks_before = self._before or (b"", (0, 0))
        return PhysicsSnapshot(
            before=before,
            locks_before=locks_before,
            now=read_state(self.model, self.data),
            locks_now=self._locks(),
            target=self.target.tolist(),
            random=write_random(self._random),
        )

    def restore(self, snapshot: PhysicsSnapshot) -> None:
        """Go back to a snapshot, to the last bit.

        Poses and contacts are felt as the last beat left them, so that beat is done once more.

        Raises:
            ContractError: It is of another scene; nothing has changed.
        """
        random = read_random(snapshot.random)
        for state in filter(None, (snapshot.before, snapshot.now)):
            check_state(self.model, state)
        self._random, self._before = random, None
        if snapshot.before:
            self._before = snapshot.before, snapshot.locks_before
            self._set_button_states(snapshot.locks_before)
            write_state(self.model, self.data, snapshot.before)
            self._beat()
        if read_state(self.model, self.data) != snapshot.now:
            # Nothing has moved since the start, or somebody has moved something between two beats.
            self._set_button_states(snapshot.locks_now)
            write_state(self.model, self.data, snapshot.now)
            self.forward()
        self.target = np.array(snapshot.target)

    def _button_travel(self) -> np.ndarray:
        return np.array([self.data.joint(f"buttonbox_joint_{i}").qpos[0] for i in (0, 1)])

    def _toggle_pressed(self, before: np.ndarray) -> None:
        pressed = (before > _BUTTON_TRIGGER_M) & (self._button_travel() <= _BUTTON_TRIGGER_M)
        if pressed.any():
            self.button_states[pressed] ^= 1
            self.env._apply_button_states()  # noqa: SLF001

    def measure(self) -> dict[str, np.ndarray]:
        """Return proprioception: what the arm itself can feel."""
        mujoco.mj_rnePostConstraint(self.model, self.data)
        env, data = self.env, self.data
        contact = np.linalg.norm(data.body("ur5e/robotiq/right_pad").cfrc_ext) / 50
        return {
            "gripper_pose_in_base": self.gripper_pose(),
            "gripper_contact": np.array([np.clip(contact, 0, 1)], np.float32),
            "joint_position_rad": data.qpos[env._arm_joint_ids].astype(np.float32),  # noqa: SLF001
            "joint_velocity_rad_s": data.qvel[env._arm_joint_ids].astype(np.float32),  # noqa: SLF001
            "target_pose_in_base": self.target.astype(np.float32),
        }

    def gripper_pose(self) -> np.ndarray:
        """Return measured ``[x, y, z, yaw, gripper]`` in the base frame."""
        env, data = self.env, self.data
        rotation = data.site_xmat[env._pinch_site_id].reshape(3, 3)  # noqa: SLF001
        yaw = lie.SO3.from_matrix(rotation).compute_yaw_radians()
        opening = np.clip(data.qpos[env._gripper_opening_joint_id] / 0.8, 0, 1)  # noqa: SLF001
        # The tool points down, so the benchmark's yaw is measured through a half turn about x.
        return np.array([*data.site_xpos[env._pinch_site_id], yaw, opening], np.float32)  # noqa: SLF001

    def privileged(self) -> dict[str, Any]:
        """Return the benchmark's full state, for oracles only."""
        mujoco.mj_rnePostConstraint(self.model, self.data)
        return self.env.compute_ob_info()

    def facts(self) -> SceneFacts:
        """Return what is true now, in words."""
        drawer_m = float(self.data.joint("drawer_slide").qpos[0])
        window_m = float(self.data.joint("window_slide").qpos[0])
        cube = self.data.joint("object_joint_0").qpos[:3]
        contact = np.linalg.norm(self.data.body("ur5e/robotiq/right_pad").cfrc_ext) / 50
        return SceneFacts(
            drawer=end_stop_word(drawer_m, DRAWER_OPEN_M),
            drawer_locked=not bool(self.button_states[0]),
            window=end_stop_word(window_m, WINDOW_OPEN_M),
            window_locked=not bool(self.button_states[1]),
            cube_in_drawer=bool(self.env._is_in_drawer(cube) and cube[2] < _STORED_BELOW_M),  # noqa: SLF001
            cube_held=bool(
                contact > _OPEN_GRIPPER_CONTACT
                and np.linalg.norm(cube - self.gripper_pose()[:3]) < _HELD_WITHIN_M
            ),
        )
