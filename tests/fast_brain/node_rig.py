"""What the tests of the nodes share: mailboxes in one process, and plug-ins found by path."""

from typing import Any

from bridge.messages import Goal, Observation, PlanningStatus, Subtask, SubtaskState
from bridge.nodes import Node
from bridge.testing import EXAMPLE_OBSERVATION, FakeFlowPolicy, FakePolicy, FakeRobot
from bridge.transports.in_process import InProcessLatestValue
from fast_brain.config import FastBrainConfig, FastBrainNodeConfig, RobotConfig

S_NS = 1_000_000_000
TICK_NS = 10_000_000
GOAL = Goal(text="put the cube into the drawer", id="goal-1", source="test", stamp_ns=S_NS)

INPUTS = ("goal", "observation", "planning", "latent", "chunk", "command", "stop", "watchdog_stop")
OUTPUTS = ("observation", "world", "chunk", "command", "loop_status", "watchdog_stop")

# The newest plug-ins that a node made, for tests to look into.
made: dict[str, Any] = {}


def make_fake_robot(fault: Any = "none") -> FakeRobot:
    """A fake robot, as a plug-in."""
    made["robot"] = FakeRobot(fault=fault)
    return made["robot"]


def make_fake_policy(fault: Any = "none") -> FakePolicy:
    """A fake policy, as a plug-in."""
    made["policy"] = FakePolicy(fault=fault)
    return made["policy"]


def make_flow_policy() -> FakeFlowPolicy:
    """A fake flow policy, as a plug-in."""
    made["policy"] = FakeFlowPolicy()
    return made["policy"]


class Rig:
    """One node between mailboxes: `put` what it reads, `step` it, `got` what it wrote."""

    def __init__(self, node_class: Any, clock: Any, **settings: Any) -> None:
        robot = settings.pop("robot", RobotConfig(kind=f"{__name__}:make_fake_robot"))
        settings.setdefault("policy", f"{__name__}:make_fake_policy")
        # The chunks of the fake policy last 0.1 s.
        settings.setdefault("policy_rate_hz", 10.0)
        self.inputs = {name: InProcessLatestValue[Any]() for name in INPUTS}
        self.outputs = {name: InProcessLatestValue[Any]() for name in OUTPUTS}
        self.node = node_class(
            config=FastBrainNodeConfig(robot=robot, fast_brain=FastBrainConfig(**settings)),
            inputs=self.inputs,
            outputs=self.outputs,
            clock=clock,
        )
        assert isinstance(self.node, Node)

    def put(self, **messages: Any) -> "Rig":
        """Publish in inputs, by name."""
        for name, message in messages.items():
            self.inputs[name].publish(message)
        return self

    def step(self, now_ns: int) -> "Rig":
        """One beat."""
        self.node.step(now_ns)
        return self

    def got(self, name: str) -> Any:
        """The newest message of an output."""
        return self.outputs[name].read()

    def count(self, name: str) -> int:
        """How many messages an output has seen."""
        return self.outputs[name].version


def seen(stamp_ns: int, *, episode: str = "", sequence: int = 0) -> Observation:
    """What the fake robot shows."""
    example = EXAMPLE_OBSERVATION.example(stamp_ns)
    return Observation(
        stamp_ns=stamp_ns,
        sequence=sequence,
        images=dict(example.images),
        proprioception=example.proprioception,
        episode_id=episode,
    )


def acting(goal: Goal = GOAL, *, phase: Any = "acting", text: str = "move") -> PlanningStatus:
    """The planner's status with one active subtask."""
    subtask = Subtask(id="subtask-1", text=text, state=SubtaskState.ACTIVE)
    return PlanningStatus(phase=phase, stamp_ns=goal.stamp_ns, goal=goal, subtasks=(subtask,))
