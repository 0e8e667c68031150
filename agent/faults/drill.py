"""The agent that is drilled: a point arm, brains that can fail, and an inspector beside them."""

from dataclasses import replace
from pathlib import Path

from agent.config import AgentConfig, load_config
from agent.faults.faulty_node import FAULT_INPUT, FaultyNodeConfig
from agent.faults.inspector import Inspection
from agent.faults.kinds import HUNG_AFTER_S, PLANNER_HUNG_AFTER_S
from agent.faults.orders import FaultOrder
from agent.graph import build_graph
from agent.graph_parts import Graph, MailboxSpec, NodeSpec
from agent.recording.config import RecordingConfig
from agent.recording.wiring import recorded
from fast_brain.config import FastBrainNodeConfig

GOAL = "visit all places"
_SETTINGS = (
    "robot.kind=agent.faults.faulty_arm:FaultyArm",
    "slow_brain.planner=agent.faults.drill_planner:DrillPlanner",
    "fast_brain.policy=agent.faults.drill_policy:DrillPolicy",
    "slow_brain.rate_hz=5",
    "slow_brain.replan_budget=200",
    # Short limits, so that what a fault does is seen within a few seconds.
    "fast_brain.stale_after_s=1.5",
    "fast_brain.hold_after_s=3",
    f"runtime.hang_after_s={HUNG_AFTER_S}",
    f"runtime.planner_hang_after_s={PLANNER_HUNG_AFTER_S}",
    "runtime.planner_latency_s=0.1",
    "runtime.policy_latency_s=0.05",
    "runtime.restart_backoff_s=0.2",
    "runtime.restart_backoff_max_s=1",
    # Many faults are injected into one run of processes.
    "runtime.max_restarts=1000",
    "runtime.stop_timeout_s=4",
)


def drill_config(*overrides: str) -> AgentConfig:
    """The settings of the agent that is drilled."""
    return load_config("point_arm", [*_SETTINGS, *overrides])


def drill_graph(config: AgentConfig) -> Graph:
    """The agent's own graph, each node wrapped so that it can fail, and the inspector."""
    graph = build_graph(config)
    return Graph(
        nodes=(*map(_faulty, graph.nodes), _inspector(config)),
        mailboxes=(
            *graph.mailboxes,
            MailboxSpec(name=FAULT_INPUT, kind=FaultOrder, capacity_bytes=4096, external=True),
            MailboxSpec(name="inspection", kind=Inspection, capacity_bytes=65536),
        ),
        runtime=graph.runtime,
    )


def recorded_drill_graph(config: AgentConfig, folder: Path) -> Graph:
    """The same with a recorder that writes into a folder, and that can fail like any other node."""
    graph = recorded(drill_graph(config), folder, RecordingConfig(), config.model_dump_json())
    *others, recorder = graph.nodes
    return replace(graph, nodes=(*others, _faulty(recorder)))


def _faulty(spec: NodeSpec) -> NodeSpec:
    return replace(
        spec,
        node_class="agent.faults.faulty_node:FaultyNode",
        config=FaultyNodeConfig(spec.name, spec.node_class, spec.config),
        inputs={**spec.inputs, FAULT_INPUT: FAULT_INPUT},
    )


def _inspector(config: AgentConfig) -> NodeSpec:
    names = ("command", "chunk", "observation", "stop", "goal")
    return NodeSpec(
        name="inspector",
        node_class="agent.faults.inspector_node:InspectorNode",
        config=FastBrainNodeConfig(robot=config.robot, fast_brain=config.fast_brain),
        # Twice as often as there are decisions, so that few are missed where nodes are processes.
        rate_hz=2 * config.fast_brain.control_rate_hz,
        inputs={name: name for name in names},
        outputs={"inspection": "inspection"},
        optional=True,
    )
