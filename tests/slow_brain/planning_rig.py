"""A planning node with real mailboxes and virtual time, around any planner."""

from typing import Any

import pytest

from bridge.clock import ManualClock
from bridge.messages import Goal, Observation, PlanningStatus, Remark, Skills
from bridge.testing.examples import SECOND_NS
from bridge.transports.in_process import InProcessLatestValue
from bridge.transports.ring import LocalRing
from slow_brain import planning_node
from slow_brain.config import SlowBrainConfig
from slow_brain.planning_node import PlanningNode

CONTROL_PERIOD_S = 0.01


class Rig:
    """What a person says goes in; what the planner makes of it can be looked at."""

    def __init__(
        self, clock: ManualClock, patch: pytest.MonkeyPatch, planner: object, **settings: Any
    ) -> None:
        self.clock = clock
        names = ("goal", "remark", "skills", "observation")
        self.inputs = {name: InProcessLatestValue[Any]() for name in names}
        self.planning: InProcessLatestValue[PlanningStatus] = InProcessLatestValue()
        self.latent: InProcessLatestValue[Any] = InProcessLatestValue()
        self.ring: Any = LocalRing[Any](10_000)
        self.events: list[Any] = []
        self.images: dict[str, Any] = {}
        self._remarks = 0
        patch.setattr(planning_node, "make_plugin", lambda *_: planner)
        outputs: Any = {"planning": self.planning, "latent": self.latent, "trace": self.ring}
        self.node = PlanningNode(
            config=SlowBrainConfig.model_validate({"planner": "under test", **settings}),
            inputs=self.inputs,
            outputs=outputs,
            clock=clock,
        )
        self.node.start()

    def ask(self, text: str = "a goal", goal_id: str = "g") -> None:
        """Give a goal."""
        stamp_ns = self.clock.now_ns()
        self.inputs["goal"].publish(Goal(text=text, id=goal_id, source="test", stamp_ns=stamp_ns))

    def say(self, text: str) -> None:
        """Remark something."""
        self._remarks += 1
        self.inputs["remark"].publish(
            Remark(text=text, id=f"{self._remarks}", source="test", stamp_ns=self.clock.now_ns())
        )

    def teach(self, *skills: str) -> None:
        """Let the robot say what it can be asked for."""
        self.inputs["skills"].publish(Skills(names=skills, stamp_ns=self.clock.now_ns()))

    def step(self, after_s: float = 1.0) -> PlanningStatus:
        """Let time pass, show a new observation, and do one beat."""
        self.clock.advance_ns(round(after_s * SECOND_NS))
        now_ns = self.clock.now_ns()
        seen = Observation(stamp_ns=now_ns, sequence=now_ns, images=self.images, proprioception={})
        self.inputs["observation"].publish(seen)
        self.node.step(now_ns)
        return self.status

    @property
    def status(self) -> PlanningStatus:
        """The newest status."""
        status = self.planning.read()
        assert status is not None
        return status

    @property
    def steps(self) -> list[str]:
        """The subtasks and their states, in words."""
        return [f"{each.text} {each.state}" for each in self.status.subtasks]

    def told(self, kind: str) -> list[Any]:
        """The facts of the events of a kind, so far."""
        self.events += self.ring.drain()
        return [event.facts for event in self.events if event.kind == kind]
