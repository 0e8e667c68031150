"""The policy that stays: every row is the target the robot has now. The example to copy."""

import numpy as np

from bridge.arrays import FloatArray
from bridge.errors import ContractError
from bridge.messages import ActionChunk, MemoryView, Observation
from bridge.specs import PolicySpec, RobotSpec


class HoldPolicy:
    """Repeats the measured target; works with every robot that shows one, and any planner.

    Args:
        robot: What the robot declares; whoever runs the policy fills it in.
        horizon: Rows of a chunk.
        step_s: Time between rows [s].
        target: Proprioception that says the robot's target in the action's units. Not looked at
            for delta actions, of which zero is to stay.
    """

    def __init__(
        self,
        *,
        robot: RobotSpec,
        horizon: int = 16,
        step_s: float = 0.05,
        target: str = "target_pose_in_base",
    ) -> None:
        self._target = target
        self._is_delta = robot.action.mode == "delta"
        self._sequence = 0
        self._spec = PolicySpec(
            action=robot.action,
            horizon=horizon,
            step_s=step_s,
            proprioception=() if self._is_delta else (target,),
        )

    @property
    def spec(self) -> PolicySpec:
        """The robot's own action, and its target to read."""
        return self._spec

    def act(self, observation: Observation, memory: MemoryView, now_ns: int) -> ActionChunk:
        """A chunk that does not move, from now on.

        Raises:
            ContractError: The observation does not say the target, or not as an action.
        """
        row = np.clip(self._stay(observation), self._spec.action.low, self._spec.action.high)
        self._sequence += 1
        return ActionChunk(
            actions=np.tile(row.astype(np.float32), (self._spec.horizon, 1)),
            start_stamp_ns=now_ns,
            step_s=self._spec.step_s,
            sequence=self._sequence,
            observation_sequence=observation.sequence,
            observation_stamp_ns=observation.stamp_ns,
            subtask_id=memory.subtask_id,
        )

    def reset(self) -> None:
        """Nothing is remembered."""

    def _stay(self, observation: Observation) -> FloatArray:
        width = self._spec.action.width
        if self._is_delta:
            return np.zeros(width, np.float32)
        target = observation.proprioception.get(self._target)
        if target is None or target.shape != (width,) or not np.isfinite(target).all():
            raise ContractError(
                leaf=f"observation.proprioception.{self._target}",
                expected=f"{width} finite numbers",
                got="nothing" if target is None else target,
            )
        return target
