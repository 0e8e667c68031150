"""The drill's policy: flies to the place that the subtask names, and can fail in many ways."""

from msgspec.structs import replace

from agent.faults.faulty_node import spoil_actions
from agent.faults.hanging import hang_in_python, sleep_for
from agent.faults.orders import order_for
from bridge.messages import ActionChunk, MemoryView, Observation
from bridge.specs import LatentSpec, RobotSpec
from fast_brain.policies.straight_line import StraightLinePolicy

LATENT = LatentSpec(perceptual_tokens=1, cognitive_tokens=1, width=8)


class DrillPolicy:
    """Moves the target in a straight line, and wants latents."""

    def __init__(self, *, robot: RobotSpec) -> None:
        self._flying = StraightLinePolicy(robot=robot)
        self.spec = replace(self._flying.spec, latent=LATENT)

    def act(self, observation: Observation, memory: MemoryView, now_ns: int) -> ActionChunk:
        """A chunk along the line, or what is ordered instead."""
        order = order_for("policy")
        chunk = self._flying.act(observation, memory, now_ns)
        match "" if order is None else order.kind:
            case "policy_raises":
                raise RuntimeError("drill")
            case "policy_endless":
                hang_in_python()
            case "policy_slow" if order is not None:
                sleep_for(order.extra_s)
            case "policy_nan" | "policy_inf" | "policy_huge" | "policy_wrong_shape" as kind:
                rubbish = spoil_actions(kind.removeprefix("policy_"), chunk.actions, chunk.sequence)
                return replace(chunk, actions=rubbish)
            case _:
                pass
        return chunk

    def reset(self) -> None:
        """Nothing is remembered."""
