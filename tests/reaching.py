"""A policy that really reaches the point arm's places, found as `tests.reaching:ReachingPolicy`."""

import numpy as np

from bridge.messages import ActionChunk, MemoryView, Observation
from bridge.specs import PolicySpec, RobotSpec
from fast_brain.robots.point_arm import PLACES_M

_SPEED_M_PER_S = 0.4


class ReachingPolicy:
    """Moves the target in a straight line to the place that the subtask, or the goal, names."""

    def __init__(self, *, robot: RobotSpec, horizon: int = 16, step_s: float = 0.05) -> None:
        self.spec = PolicySpec(
            action=robot.action,
            horizon=horizon,
            step_s=step_s,
            proprioception=("target_pose_in_base",),
        )
        self._sequence = 0

    def act(self, observation: Observation, memory: MemoryView, now_ns: int) -> ActionChunk:
        """A chunk along the line, at 0.4 m/s."""
        here = observation.proprioception["target_pose_in_base"]
        place = np.array(PLACES_M[memory.subtask_text or memory.goal_text], np.float32)
        way = place - here
        distance_m = float(np.linalg.norm(way))
        passed_m = _SPEED_M_PER_S * self.spec.step_s * np.arange(self.spec.horizon)
        shares = np.minimum(passed_m / max(distance_m, 1e-6), 1.0)
        self._sequence += 1
        return ActionChunk(
            actions=(here + shares[:, None] * way).astype(np.float32),
            start_stamp_ns=now_ns,
            step_s=self.spec.step_s,
            sequence=self._sequence,
            observation_sequence=observation.sequence,
            observation_stamp_ns=observation.stamp_ns,
            subtask_id=memory.subtask_id,
        )

    def reset(self) -> None:
        """Nothing is remembered."""
