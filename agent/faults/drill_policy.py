"""The drill's policy: flies to the place that the subtask names, and can fail in many ways."""

import numpy as np
from msgspec.structs import replace

from agent.faults.faulty_node import spoil_actions
from agent.faults.hanging import hang_in_python, sleep_for
from agent.faults.orders import order_for
from bridge.messages import ActionChunk, MemoryView, Observation
from bridge.specs import LatentSpec, PolicySpec, RobotSpec
from fast_brain.robots.point_arm import PLACES_M

LATENT = LatentSpec(perceptual_tokens=1, cognitive_tokens=1, width=8)
_SPEED_M_PER_S = 0.4


class DrillPolicy:
    """Moves the target in a straight line at 0.4 m/s."""

    def __init__(self, *, robot: RobotSpec, horizon: int = 16, step_s: float = 0.05) -> None:
        self.spec = PolicySpec(
            action=robot.action,
            horizon=horizon,
            step_s=step_s,
            proprioception=("target_pose_in_base",),
            latent=LATENT,
        )
        self._sequence = 0

    def act(self, observation: Observation, memory: MemoryView, now_ns: int) -> ActionChunk:
        """A chunk along the line, or what is ordered instead."""
        order = order_for("policy")
        chunk = self._fly(observation, memory, now_ns)
        match "" if order is None else order.kind:
            case "policy_raises":
                raise RuntimeError("drill")
            case "policy_endless":
                hang_in_python()
            case "policy_slow" if order is not None:
                sleep_for(order.extra_s)
            case "policy_nan" | "policy_inf" | "policy_huge" | "policy_wrong_shape" as kind:
                rubbish = spoil_actions(kind.removeprefix("policy_"), chunk.actions, self._sequence)
                return replace(chunk, actions=rubbish)
            case _:
                pass
        return chunk

    def reset(self) -> None:
        """Nothing is remembered."""

    def _fly(self, observation: Observation, memory: MemoryView, now_ns: int) -> ActionChunk:
        here = observation.proprioception["target_pose_in_base"]
        place = np.array(PLACES_M[memory.subtask_text], np.float32)
        way = place - here
        passed_m = _SPEED_M_PER_S * self.spec.step_s * np.arange(self.spec.horizon)
        shares = np.minimum(passed_m / max(float(np.linalg.norm(way)), 1e-6), 1.0)
        self._sequence += 1
        return ActionChunk(
            actions=(here + shares[:, None] * way).astype(np.float32),
            start_stamp_ns=now_ns,
            step_s=self.spec.step_s,
            sequence=self._sequence,
            observation_sequence=observation.sequence,
            observation_stamp_ns=observation.stamp_ns,
            latent_sequence=memory.latent_sequence,
            latent_age_s=memory.newest_age_s,
            subtask_id=memory.subtask_id,
        )
