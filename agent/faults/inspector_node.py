"""The inspector as a node: beside the graph, so that no fault inside it can silence the judge."""

from agent.faults.inspector import Inspector
from bridge.messages import Goal
from bridge.nodes import Mailboxes, publish_output, read_input
from bridge.protocols import Clock
from fast_brain.config import FastBrainNodeConfig
from fast_brain.robot_choice import read_robot_spec


class InspectorNode:
    """Reads `command`, `chunk`, `observation`, `stop`, `goal`; writes `inspection`."""

    def __init__(
        self,
        *,
        config: FastBrainNodeConfig,
        inputs: Mailboxes,
        outputs: Mailboxes,
        clock: Clock,
    ) -> None:
        del clock
        self._inputs = inputs
        self._outputs = outputs
        self._goal_id = ""
        self._inspector = Inspector(
            read_robot_spec(config.robot).action,
            config.fast_brain,
            config.fast_brain.target_proprioception,
        )

    def start(self) -> None:
        """Nothing to load."""

    def step(self, now_ns: int) -> None:
        """Look once."""
        del now_ns
        # The decision first: what it came from was there before it.
        decision = read_input(self._inputs, "command")
        chunk = read_input(self._inputs, "chunk")
        observation = read_input(self._inputs, "observation")
        stop = read_input(self._inputs, "stop")
        self._notice_goal(read_input(self._inputs, "goal"))
        before = self._inspector.inspection
        self._inspector.look(decision, chunk, observation, stop)
        if self._inspector.inspection != before:
            publish_output(self._outputs, "inspection", self._inspector.inspection)

    def _notice_goal(self, goal: Goal | None) -> None:
        if goal is not None and goal.id != self._goal_id:
            self._goal_id = goal.id
            self._inspector.begin()

    def close(self) -> None:
        """Nothing to free."""
