"""The actor graph of an agent: which nodes there are, how fast they run, who tells what to whom."""

from agent.config import AgentConfig
from agent.graph_parts import Graph, MailboxSpec, NodeSpec
from bridge.memory_use import MemoryReport
from bridge.messages import (
    ActionChunk,
    Decision,
    Goal,
    Latent,
    LoopStatus,
    MemorySnapshot,
    Observation,
    PauseRequest,
    PlanningStatus,
    Remark,
    Skills,
    StopRequest,
    WorldReport,
)
from fast_brain.config import FastBrainNodeConfig

__all__ = ["Graph", "MailboxSpec", "NodeSpec", "build_graph"]

# Compares planners with one that is told the truth; never part of an agent that is served.
ORACLE_MODULE = "agent.evaluation.oracle"
ORACLE = f"{ORACLE_MODULE}:OraclePlanner"
_PLANNING_NODE = "slow_brain.planning_node:PlanningNode"
_SMALL_BYTES = 64 * 1024
_MEDIUM_BYTES = 512 * 1024


def build_graph(config: AgentConfig) -> Graph:
    """Make the graph that a configuration asks for; imports no plug-in and loads nothing.

    The order is that of stepping: the robot shows what it senses, the planner and the policy
    think, the control loop commands, the watchdog watches. They are ended in reverse.

    Raises:
        ConfigError: The graph does not hold together.
    """
    planner = () if config.fast_brain.mode == "flat" else (_planner(config),)
    return Graph(
        nodes=(_robot(config), *planner, _policy(config), _control(config), _watchdog(config)),
        mailboxes=_mailboxes(config),
        runtime=config.runtime,
    )


def _robot(config: AgentConfig) -> NodeSpec:
    return NodeSpec(
        name="robot",
        node_class="fast_brain.robot_node:RobotNode",
        config=_fast_brain_settings(config),
        rate_hz=config.fast_brain.control_rate_hz,
        inputs=_same("command", "stop", "watchdog_stop"),
        outputs=_same("observation", "skills", "world"),
        hang_after_s=config.runtime.hang_after_s,
    )


def _planner(config: AgentConfig) -> NodeSpec:
    # What no robot can see reaches the slow brain only in an evaluation that says so.
    world = ("world",) if config.slow_brain.monitoring.may_ask_simulator else ()
    return NodeSpec(
        name="planner",
        node_class=_planner_node(config.slow_brain.planner),
        config=config.slow_brain,
        # So that a person's word is heard within one period of the control loop; what else there is
        # to do is looked at more rarely.
        rate_hz=max(config.fast_brain.control_rate_hz, config.slow_brain.poll_rate_hz),
        inputs=_same(
            "goal", "remark", "pause", "skills", "observation", "chunk", "loop_status", *world
        ),
        outputs=_same("planning", "latent"),
        virtual_latency_s=config.runtime.planner_latency_s,
        # Its status, which it publishes at each beat.
        idle_messages=1,
        restart="on_failure",
        optional=True,
        hang_after_s=config.runtime.planner_hang_after_s,
        nice=config.runtime.planner_nice,
        plugin=f"{config.slow_brain.planner}.plan",
        memory_limit_mb=config.runtime.planner_memory_limit_mb,
        note=f"thinks at up to {config.slow_brain.rate_hz:g} Hz",
    )


def _planner_node(planner: str) -> str:
    """The class of the planner's node; that of an oracle shows it the world."""
    is_oracle = planner == ORACLE
    return f"{ORACLE_MODULE}:OraclePlanningNode" if is_oracle else _PLANNING_NODE


def _policy(config: AgentConfig) -> NodeSpec:
    is_flat = config.fast_brain.mode == "flat"
    return NodeSpec(
        name="policy",
        node_class="fast_brain.policy_node:PolicyNode",
        config=_fast_brain_settings(config),
        rate_hz=config.fast_brain.policy_rate_hz,
        # What the loop commands tells the stitcher's half there whether its chunks are carried out.
        inputs=_same(
            "goal", "observation", "command", *(() if is_flat else ("planning", "latent"))
        ),
        outputs=_same("chunk", "memory", "memory_report"),
        virtual_latency_s=config.runtime.policy_latency_s,
        restart="on_failure",
        hang_after_s=config.runtime.hang_after_s,
        plugin=f"{config.fast_brain.policy}.act",
        memory_limit_mb=config.runtime.policy_memory_limit_mb,
    )


def _control(config: AgentConfig) -> NodeSpec:
    return NodeSpec(
        name="control",
        node_class="fast_brain.control_node:ControlNode",
        config=_fast_brain_settings(config),
        rate_hz=config.fast_brain.control_rate_hz,
        inputs=_same("observation", "chunk", "stop", "watchdog_stop", "pause"),
        outputs=_same("command", "loop_status"),
        hang_after_s=config.runtime.hang_after_s,
        nice=config.fast_brain.nice,
        realtime_priority=config.fast_brain.realtime_priority,
        cpu=config.fast_brain.cpu,
        final_spin_us=config.fast_brain.final_spin_us,
    )


def _watchdog(config: AgentConfig) -> NodeSpec:
    return NodeSpec(
        name="watchdog",
        node_class="fast_brain.watchdog_node:WatchdogNode",
        config=_fast_brain_settings(config),
        rate_hz=config.fast_brain.watchdog_rate_hz,
        inputs=_same("command", "stop"),
        outputs=_same("watchdog_stop"),
        restart="on_failure",
        hang_after_s=config.runtime.hang_after_s,
        nice=config.fast_brain.nice,
        realtime_priority=config.fast_brain.realtime_priority,
    )


def _mailboxes(config: AgentConfig) -> tuple[MailboxSpec, ...]:
    runtime = config.runtime
    return (
        _mailbox("goal", Goal, external=True),
        _mailbox("remark", Remark, external=True),
        _mailbox("stop", StopRequest, external=True),
        _mailbox("pause", PauseRequest, external=True),
        _mailbox("observation", Observation, runtime.observation_limit_bytes),
        _mailbox("skills", Skills),
        _mailbox("planning", PlanningStatus, _MEDIUM_BYTES),
        _mailbox("latent", Latent, runtime.latent_limit_bytes),
        _mailbox("chunk", ActionChunk, _MEDIUM_BYTES),
        _mailbox("memory", MemorySnapshot, runtime.memory_limit_bytes),
        _mailbox("memory_report", MemoryReport),
        _mailbox("command", Decision),
        _mailbox("loop_status", LoopStatus),
        _mailbox("world", WorldReport),
        _mailbox("watchdog_stop", StopRequest),
    )


def _mailbox(
    name: str, kind: object, capacity_bytes: int = _SMALL_BYTES, *, external: bool = False
) -> MailboxSpec:
    return MailboxSpec(name=name, kind=kind, capacity_bytes=capacity_bytes, external=external)


def _fast_brain_settings(config: AgentConfig) -> FastBrainNodeConfig:
    return FastBrainNodeConfig(robot=config.robot, fast_brain=config.fast_brain)


def _same(*names: str) -> dict[str, str]:
    """Mailboxes that their nodes call by the mailboxes' own names."""
    return {name: name for name in names}
