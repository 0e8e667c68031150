"""The policy that flies straight: to the place that the subtask names. Nothing in it is learned."""

from collections.abc import Mapping, Sequence

import numpy as np

from bridge.arrays import FloatArray
from bridge.errors import ConfigError, ContractError
from bridge.messages import ActionChunk, MemoryView, Observation
from bridge.specs import PolicySpec, RobotSpec
from fast_brain.robots.point_arm import PLACES_M

_TARGET = "target_pose_in_base"


class StraightLinePolicy:
    """Moves the robot's target at a steady speed; stays where it is if the place is unknown.

    Without a subtask, as in flat mode, the goal's text names the place.

    Args:
        robot: What the robot declares; whoever runs the policy fills it in.
        horizon: Rows of a chunk.
        step_s: Time between rows [s].
        speed_m_per_s: Of the target [m/s].
        places: Where each subtask ends, in the units and the frame of the action (metres in the
            base frame for the point arm, whose places these are by default).

    Raises:
        ConfigError: The robot takes delta actions, or a place is no action of the robot's.
    """

    def __init__(
        self,
        *,
        robot: RobotSpec,
        horizon: int = 16,
        step_s: float = 0.05,
        speed_m_per_s: float = 0.4,
        places: Mapping[str, Sequence[float]] = PLACES_M,
    ) -> None:
        self._places = {name: np.array(place, np.float32) for name, place in places.items()}
        self._speed_m_per_s = speed_m_per_s
        self._sequence = 0
        _check_places(self._places, robot)
        self._spec = PolicySpec(
            action=robot.action, horizon=horizon, step_s=step_s, proprioception=(_TARGET,)
        )

    @property
    def spec(self) -> PolicySpec:
        """The robot's own action, and its target to read."""
        return self._spec

    def act(self, observation: Observation, memory: MemoryView, now_ns: int) -> ActionChunk:
        """A chunk along the line, from now on.

        Raises:
            ContractError: The observation does not say the robot's target.
        """
        here = observation.proprioception.get(_TARGET)
        if here is None:
            raise ContractError(
                leaf=f"observation.proprioception.{_TARGET}", expected="a position", got="nothing"
            )
        place = self._places.get(memory.subtask_text or memory.goal_text, here)
        self._sequence += 1
        return ActionChunk(
            actions=self._line(here, place),
            start_stamp_ns=now_ns,
            step_s=self._spec.step_s,
            sequence=self._sequence,
            observation_sequence=observation.sequence,
            observation_stamp_ns=observation.stamp_ns,
            latent_sequence=memory.latent_sequence,
            latent_age_s=memory.newest_age_s,
            subtask_id=memory.subtask_id,
        )

    def reset(self) -> None:
        """Nothing is remembered."""

    def _line(self, here: FloatArray, place: FloatArray) -> FloatArray:
        """Targets [horizon, action width] from here to the place, and then at it."""
        way = place - here
        distance_m = max(float(np.linalg.norm(way)), 1e-6)
        passed_m = self._speed_m_per_s * self._spec.step_s * np.arange(self._spec.horizon)
        shares = np.minimum(passed_m / distance_m, 1.0)
        return (here + shares[:, None] * way).astype(np.float32)


def _check_places(places: Mapping[str, FloatArray], robot: RobotSpec) -> None:
    if robot.action.mode == "delta":
        raise ConfigError(
            "straight_line sends positions, and this robot takes delta actions: choose another "
            "policy, with fast_brain.policy."
        )
    for name, place in places.items():
        if place.shape != (robot.action.width,):
            raise ConfigError(
                f"straight_line: {name!r} has {place.size} numbers, and an action of the robot has "
                f"{robot.action.width} ({', '.join(robot.action.names)})."
            )
