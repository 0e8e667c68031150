"""Runs of a point arm in virtual time, recorded as a served run would be."""

from pathlib import Path

import msgspec

from agent.config import load_config
from agent.replaying.virtual_run import VirtualRun
from agent.replaying.voices import Said
from agent.tracing.runs import Run
from bridge.messages import Goal
from bridge.specs import LatentSpec, RobotSpec
from fast_brain.policies.straight_line import StraightLinePolicy

SECOND_NS = 1_000_000_000
BEGIN_NS = 5 * SECOND_NS
SETTINGS = [
    "fast_brain.policy=straight_line",
    "slow_brain.planner_options.subtask_duration_s=1.2",
]
# The same, but told the planner's latents.
REMEMBERING = ("fast_brain.policy=virtual_traces:RememberingPolicy",)
# All that the robot shows, so that nothing is left out of what the brains saw.
EVERYTHING = "recording.observation_rate_hz=100"


class RememberingPolicy(StraightLinePolicy):
    """Reaches as the other one does, and asks for a memory of latents."""

    def __init__(self, *, robot: RobotSpec) -> None:
        super().__init__(robot=robot)
        latent = LatentSpec(perceptual_tokens=1, cognitive_tokens=1, width=8)
        self._spec = msgspec.structs.replace(self._spec, latent=latent)


def goal(text: str, at_s: float = 0.0, name: str = "g") -> Said:
    """A goal that is given so long after the beginning [s]."""
    stamp_ns = BEGIN_NS + round(at_s * SECOND_NS)
    return Said(stamp_ns, "goal", Goal(text=text, id=name, source="test", stamp_ns=stamp_ns))


def record(
    folder: Path, *said: Said, length_s: float = 10.0, settings: tuple[str, ...] = ()
) -> Run:
    """Record a point arm that does what it is told."""
    config = load_config("point_arm", [*SETTINGS, *settings])
    words = said or (goal("reach both"),)
    end_ns = BEGIN_NS + round(length_s * SECOND_NS)
    return VirtualRun(config, BEGIN_NS, folder).live(words, end_ns)
