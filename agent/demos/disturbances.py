"""What goes wrong on purpose while demonstrations are made.

Without these a planner never sees a failure and a policy never learns to recover.
"""

import numpy as np

from fast_brain.robots.scene_facts import OPEN_DRAWER, STORE_CUBE, UNLOCK_DRAWER, UNLOCK_WINDOW
from fast_brain.robots.scene_physics import COMMAND_RATE_HZ, ScenePhysics

_NUDGE_PROBABILITY = 0.35
_DROP_PROBABILITY = 0.2
_DROP_NOW_PROBABILITY = 0.1
_SHUT_PROBABILITY = 0.12
_TOGGLE_PROBABILITY = 0.08
_JITTER_M = 0.004
_PUSH_SPEED_M_S = 0.4
_LIFTED_M = 0.12
_CLEAR_M = 0.2
_ALL_BUT_SHUT_M = -0.004


class Disturber:
    """Draws disturbances for one episode and applies them."""

    def __init__(self, physics: ScenePhysics, random: np.random.Generator) -> None:
        self._physics = physics
        self._random = random
        self._jitter = np.zeros(3)
        self._nudge = np.zeros(5)
        self._nudge_at = self._nudge_until = -1
        self._drop_until = -1
        self._may_drop = False
        self._is_shutting = False
        self._frame = 0
        self.name = ""

    def begin(self, skill: str) -> None:
        """Draw what will happen during ``skill``."""
        random = self._random
        self._frame, self.name = 0, ""
        self._nudge_at = self._nudge_until = self._drop_until = -1
        if random.random() < _NUDGE_PROBABILITY:
            self._nudge_at = int(random.integers(2, 70))
            self._nudge_until = self._nudge_at + int(random.integers(5, 14))
            self._nudge = random.uniform(-1, 1, 5) * [0.05, 0.05, 0.05, 0.3, 0]
        self._may_drop = skill == STORE_CUBE and random.random() < _DROP_PROBABILITY
        self._is_shutting = skill == STORE_CUBE and random.random() < _SHUT_PROBABILITY
        if self._is_shutting:
            self.name = "drawer pushed shut"

    def disturb(self, target: np.ndarray) -> np.ndarray:
        """Return what is really commanded instead of ``target``; call once a frame."""
        self._frame += 1
        self._jitter = 0.9 * self._jitter + self._random.normal(0, _JITTER_M, 3) * 0.45
        command = target.copy()
        command[:3] += self._jitter
        if self._nudge_at <= self._frame < self._nudge_until:
            self.name = "arm nudged"
            command += self._nudge
        if self._should_drop():
            command[4] = 0.0
        return command

    def _should_drop(self) -> bool:
        facts = self._physics.facts()
        may_drop = self._may_drop and facts.cube_held and self._cube_height_m() > _LIFTED_M
        # The draw comes last: it is made only in frames in which the cube could be dropped.
        if may_drop and self._random.random() < _DROP_NOW_PROBABILITY:
            self._may_drop, self._drop_until = False, self._frame + 8
            self.name = "cube dropped"
        return self._frame < self._drop_until

    def _cube_height_m(self) -> float:
        return float(self._physics.data.joint("object_joint_0").qpos[2])

    def push(self) -> None:
        """Push the drawer shut a little, as a passer-by would; call once a command."""
        if not self._is_shutting:
            return
        # A hand would not shut the drawer on the gripper.
        if self._physics.facts().cube_held or self._physics.gripper_pose()[2] < _CLEAR_M:
            self._is_shutting = False
            return
        joint = self._physics.data.joint("drawer_slide")
        if joint.qpos[0] >= _ALL_BUT_SHUT_M:
            self._is_shutting = False
            return
        joint.qpos[0] = min(joint.qpos[0] + _PUSH_SPEED_M_S / COMMAND_RATE_HZ, 0.0)
        joint.qvel[0] = 0.0

    def after(self, skill: str) -> None:
        """Perhaps undo a finished ``skill``: a button pressed once more, the drawer shut again."""
        physics, draw = self._physics, self._random.random()
        drawer, window = (not bool(state) for state in physics.button_states)
        if skill == UNLOCK_DRAWER and draw < _TOGGLE_PROBABILITY:
            physics.set_locks(drawer=True, window=window)
        if skill == UNLOCK_WINDOW and draw < _TOGGLE_PROBABILITY:
            physics.set_locks(drawer=drawer, window=True)
        if skill == OPEN_DRAWER and draw < _SHUT_PROBABILITY:
            physics.data.joint("drawer_slide").qpos[0] = self._random.uniform(-0.03, 0.0)
