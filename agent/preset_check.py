"""Would this preset run? Every part is made as a run makes it, but the robot is not touched."""

from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager

from pydantic import BaseModel, ConfigDict

from agent.config import AgentConfig
from agent.graph import build_graph
from agent.graph_parts import Graph, NodeSpec
from agent.node_host import load_node_class
from agent.spec_checks import check_specs, notes_on
from agent.spec_words import in_words
from bridge.clock import SystemClock
from fast_brain.robot_choice import read_robot_spec

_ROBOT = "robot"


class CheckedPart(BaseModel):
    """One part, what it is called by, and what it declares, in words."""

    model_config = ConfigDict(frozen=True)

    part: str
    plugin: str
    declares: str


class CheckedPreset(BaseModel):
    """What `agent check` found: parts that fit, and what one should know about them."""

    model_config = ConfigDict(frozen=True)

    parts: tuple[CheckedPart, ...]
    notes: tuple[str, ...] = ()


def check_preset(config: AgentConfig) -> CheckedPreset:
    """Make every part of a run and compare what they declare; the robot is not connected.

    Raises:
        TandemError: A part cannot be made, or two do not fit; names both sides.
    """
    graph = build_graph(config)
    with _declared_specs(graph, config) as specs:
        check_specs(specs)
        return CheckedPreset(parts=tuple(_parts(config, specs)), notes=notes_on(specs))


@contextmanager
def _declared_specs(graph: Graph, config: AgentConfig) -> Generator[dict[str, object]]:
    """What each node declares; the nodes live until the end, as they do in a run."""
    with ExitStack() as made:
        # Connecting takes hold of a real robot; its limits are known without.
        specs: dict[str, object] = {_ROBOT: read_robot_spec(config.robot)}
        for spec in graph.nodes:
            if spec.name != _ROBOT:
                specs[spec.name] = made.enter_context(_started(spec))
        yield specs


@contextmanager
def _started(spec: NodeSpec) -> Generator[object]:
    node = load_node_class(spec.node_class)(
        config=spec.config, inputs={}, outputs={}, clock=SystemClock()
    )
    try:
        node.start()
        yield getattr(node, "spec", None)
    finally:
        node.close()


def _parts(config: AgentConfig, specs: Mapping[str, object]) -> Generator[CheckedPart]:
    names = {
        "robot": config.robot.kind,
        "planner": config.slow_brain.planner,
        "policy": config.fast_brain.policy,
    }
    for part, plugin in names.items():
        if part in specs:
            yield CheckedPart(part=part, plugin=plugin, declares=in_words(specs[part]))
    yield CheckedPart(part="memory", plugin=config.fast_brain.memory, declares="")
    yield CheckedPart(part="stitcher", plugin=config.fast_brain.stitcher, declares="")
    for monitor in config.slow_brain.monitoring.use:
        yield CheckedPart(part="monitor", plugin=monitor.kind, declares="")
