"""A run without nodes: tests put into its mailboxes what the nodes would."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from agent.config import AgentConfig, load_config
from agent.graph_parts import Graph
from agent.supervisor import Incident
from bridge.clock import ManualClock
from bridge.errors import RuntimeStopped
from bridge.messages import (
    Goal,
    Latent,
    LoopStatus,
    NodeHealth,
    Observation,
    PlanningStatus,
    Subtask,
    SubtaskState,
    Thought,
)
from bridge.transports.in_process import InProcessLatestValue

SECOND_NS = 1_000_000_000


class FakeRuntime:
    """Meets `Runtime`; `on_goal` plays the robot when a goal comes."""

    def __init__(self, graph: Graph | None = None) -> None:
        self.graph = graph
        self.clock = ManualClock(SECOND_NS)
        self.mail: dict[str, InProcessLatestValue[Any]] = {}
        self.signs: dict[str, NodeHealth] = {}
        self.stopped_because = ""
        self.is_started = False
        self.on_goal: Callable[[Goal], None] | None = None

    @property
    def specs(self) -> Mapping[str, object]:
        """Nothing is declared."""
        return {}

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """Nothing ever fell."""
        return ()

    def start(self) -> None:
        """Be ready at once."""
        self.is_started = True
        self.signs["control"] = NodeHealth(
            node="control", pid=1, steps=1, stamp_ns=self.clock.now_ns(), ready=True
        )

    def publish(self, name: str, message: Any) -> None:
        """Keep the message, and let the robot react."""
        if self.stopped_because:
            raise RuntimeStopped(reason=self.stopped_because)
        self.mail.setdefault(name, InProcessLatestValue()).publish(message)
        if name == "goal" and self.on_goal is not None:
            self.on_goal(message)

    def read(self, name: str) -> Any:
        """What was published last."""
        return self.mail[name].read() if name in self.mail else None

    def health(self) -> Mapping[str, NodeHealth]:
        """What a test says."""
        return self.signs

    def run_until(self, predicate: Callable[[], bool], timeout_s: float) -> bool:
        """Time does not pass by itself here."""
        return predicate()

    def stop(self, timeout_s: float | None = None) -> None:
        """End."""
        self.stopped_because = self.stopped_because or "it was asked to"


def planning(goal: Goal, phase: Any, *states: SubtaskState, reason: str = "") -> PlanningStatus:
    """What the planner says about a goal of two subtasks."""
    texts = ("open the drawer", "close the drawer")
    return PlanningStatus(
        phase=phase,
        stamp_ns=2 * SECOND_NS,
        goal=goal,
        subtasks=tuple(
            Subtask(id=f"s{index}", text=text, state=state)
            for index, (text, state) in enumerate(zip(texts, states, strict=False))
        ),
        thoughts=tuple(
            Thought(field=field, text=text, plan_id="p", stamp_ns=0)
            for field, text in (("PLAN", "open the drawer;"), ("PLAN", " close"), ("DONE", "no"))
        ),
        reason=reason,
        plan_latency_s=0.4,
        plans_made=3,
    )


def loop_status(**changes: Any) -> LoopStatus:
    """A loop that keeps time."""
    values: dict[str, Any] = {
        "ticks": 1000,
        "target_rate_hz": 100.0,
        "effective_rate_hz": 99.5,
        "missed_ticks": 2,
        "starved_ticks": 7,
        "lateness_p50_ms": 0.1,
        "lateness_p99_ms": 1.5,
        "lateness_p999_ms": 3.0,
        "lateness_max_ms": 4.0,
        "last_decision": "command",
        "latent_age_s": float("inf"),
        "stamp_ns": SECOND_NS,
    }
    return LoopStatus(**(values | changes))


def observation() -> Observation:
    """A red picture, wider than high."""
    picture = np.zeros((4, 6, 3), np.uint8)
    picture[..., 0] = 255
    return Observation(stamp_ns=SECOND_NS, sequence=1, images={"front": picture}, proprioception={})


def latent(age_s: float, runtime: FakeRuntime) -> Latent:
    """A latent of this age."""
    taken_ns = runtime.clock.now_ns() - round(age_s * SECOND_NS)
    token = np.zeros((1, 1), np.float32)
    return Latent(
        perceptual=token,
        cognitive=token,
        observation_stamp_ns=taken_ns,
        ready_stamp_ns=taken_ns,
        sequence=1,
    )


def point_arm(*overrides: str) -> AgentConfig:
    """Settings of the smallest robot, served on any free port."""
    return load_config("point_arm", ["serve.port=0", "recording.enabled=false", *overrides])


def scene(*overrides: str) -> AgentConfig:
    """Settings of the scene robot, whose goals are checked by their words."""
    return load_config("demo", ["serve.port=0", "recording.enabled=false", *overrides])
