"""The packaged oracles, driven as a demonstrator: one subtask at a time, from privileged state."""

# The benchmark offers neither types nor public handles for what an oracle is to aim at.
# pyright: reportPrivateUsage=false, reportMissingTypeStubs=false, reportUnknownMemberType=false

from typing import Any, Protocol, cast

import mujoco
import numpy as np
from ogbench.manipspace.oracles.markov.button_markov import ButtonMarkovOracle
from ogbench.manipspace.oracles.markov.cube_markov import CubeMarkovOracle
from ogbench.manipspace.oracles.markov.drawer_markov import DrawerMarkovOracle
from ogbench.manipspace.oracles.markov.window_markov import WindowMarkovOracle

from fast_brain.robots.scene_facts import (
    CLOSE_DRAWER,
    CLOSE_WINDOW,
    DRAWER_OPEN_M,
    LOCK_DRAWER,
    LOCK_WINDOW,
    OPEN_DRAWER,
    OPEN_WINDOW,
    STORE_CUBE,
    UNLOCK_DRAWER,
    UNLOCK_WINDOW,
    WINDOW_OPEN_M,
)
from fast_brain.robots.scene_physics import HOME_POSITION_M, HOME_YAW_RAD, ScenePhysics

DECISION_STEP_S = 0.05
# The oracles' published 0.4 m makes them bang-bang near the target; smaller is smooth to imitate.
_LEAST_PULL_M = 0.1
_HOME_REACHED_M = 0.04
_CLEAR_OF_DRAWER_M = 0.18
_RETREAT_STEP = np.array([0.05, 0.05, 0.05, 0.3, 1.0])
_BUTTONS = {UNLOCK_DRAWER: (0, 1), LOCK_DRAWER: (0, 0), UNLOCK_WINDOW: (1, 1), LOCK_WINDOW: (1, 0)}
_DRAWERS = {OPEN_DRAWER: DRAWER_OPEN_M, CLOSE_DRAWER: 0.0}
_WINDOWS = {OPEN_WINDOW: WINDOW_OPEN_M, CLOSE_WINDOW: 0.0}


class _Oracle(Protocol):
    done: bool
    _final_pos: np.ndarray
    _final_yaw: float
    _max_step: int

    def reset(self, ob: object, info: dict[str, Any]) -> None: ...

    def select_action(self, ob: object, info: dict[str, Any]) -> np.ndarray: ...


class SceneExpert:
    """Does one subtask with the benchmark's oracle and returns to the waiting pose."""

    def __init__(self, physics: ScenePhysics) -> None:
        self._physics = physics
        env = physics.env
        oracles = {
            "button": ButtonMarkovOracle(env=env, min_norm=_LEAST_PULL_M),
            "drawer": DrawerMarkovOracle(env=env, min_norm=_LEAST_PULL_M, max_step=400),
            "window": WindowMarkovOracle(env=env, min_norm=_LEAST_PULL_M, max_step=400),
            "cube": CubeMarkovOracle(env=env, min_norm=_LEAST_PULL_M),
        }
        # Their attributes are annotated as None or not at all.
        self._oracles = cast("dict[str, _Oracle]", oracles)
        self._oracle = self._oracles["button"]
        self._skill = UNLOCK_DRAWER

    def start(self, skill: str) -> None:
        """Aim at ``skill``; call before ``act``."""
        self._skill = skill
        kind = self._aim(skill)
        self._oracle = self._oracles[kind]
        self._oracle.reset(None, self._physics.privileged())
        self._oracle._final_pos = HOME_POSITION_M.copy()  # noqa: SLF001 - random by default, which cannot be imitated.
        self._oracle._final_yaw = HOME_YAW_RAD  # noqa: SLF001
        self._oracle._max_step = 500  # noqa: SLF001

    @property
    def done(self) -> bool:
        """Whether the oracle has finished and is back at the waiting pose."""
        if self._is_released_inside():
            away = np.linalg.norm(self._physics.gripper_pose()[:3] - HOME_POSITION_M)
            return bool(away < _HOME_REACHED_M)
        return self._oracle.done

    def _is_released_inside(self) -> bool:
        """Say whether the cube lies in the drawer.

        The packaged oracle wants it within 2 cm of one spot and would pick it up again for ever.
        """
        facts = self._physics.facts()
        return self._skill == STORE_CUBE and facts.cube_in_drawer and not facts.cube_held

    def _retreat(self, pose: np.ndarray) -> np.ndarray:
        home = self._physics.home_action()
        if pose[2] < _CLEAR_OF_DRAWER_M:
            home[:2], home[3] = pose[:2], pose[3]
        step = np.clip(home - pose, -_RETREAT_STEP, _RETREAT_STEP)
        return np.array([*(pose + step)[:4], 0.0])

    def act(self) -> np.ndarray:
        """Return the next absolute target ``[x, y, z, yaw, gripper]`` for the coming 50 ms."""
        info = self._physics.privileged()
        relative = self._oracle.select_action(None, info)
        pose = self._physics.gripper_pose().astype(np.float64)
        if self._is_released_inside():
            return self._retreat(pose)
        low, high = self._physics.env._workspace_bounds  # noqa: SLF001
        target = pose + np.array([0.05, 0.05, 0.05, 0.3, 1.0]) * relative
        target[:3] = np.clip(target[:3], low, high)
        target[4] = 1.0 if relative[4] > 0 else 0.0
        return target

    def _aim(self, skill: str) -> str:
        env = self._physics.env
        if skill in _BUTTONS:
            button, state = _BUTTONS[skill]
            env._target_task, env._target_button = "button", button  # noqa: SLF001
            env._target_button_states[button] = state  # noqa: SLF001
        elif skill in _DRAWERS:
            env._target_task, env._target_drawer_pos = "drawer", _DRAWERS[skill]  # noqa: SLF001
            self._physics.model.site("drawer_handle_center_target").pos[1] = _DRAWERS[skill]
        elif skill in _WINDOWS:
            env._target_task, env._target_window_pos = "window", _WINDOWS[skill]  # noqa: SLF001
            self._physics.model.site("window_handle_center_target").pos[0] = _WINDOWS[skill]
        else:
            self._aim_cube(skill)
        mujoco.mj_forward(self._physics.model, self._physics.data)
        return str(env._target_task)  # noqa: SLF001

    def _aim_cube(self, skill: str) -> None:
        if skill != STORE_CUBE:
            raise KeyError(skill)
        env, data = self._physics.env, self._physics.data
        env._target_task, env._target_block = "cube", 0  # noqa: SLF001
        target = env._cube_target_mocap_ids[0]  # noqa: SLF001
        data.mocap_pos[target] = env._drawer_center  # noqa: SLF001
        data.mocap_quat[target] = [1, 0, 0, 0]
